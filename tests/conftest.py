"""What several folders of tests share: the running mesh, and sidecars of a test's own. Started only where asked for."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from xdist.scheduler.loadscope import LoadScopeScheduling

# Row P1 asks for 1,000 examples, more than a unit test should take; time says nothing about the code on a busy machine.
_EXAMPLES = int(os.environ.get("HYPOTHESIS_EXAMPLES", "50"))
settings.register_profile("ours", max_examples=_EXAMPLES, deadline=None)
settings.load_profile("ours")

if TYPE_CHECKING:  # unit tests need none of it, and import none of it
    from tests.support.live import Live
    from tests.support.lone_sidecar import LoneSidecar

    StartSidecar = Callable[..., LoneSidecar]

KEYCLOAK_ONLY = Path(__file__).parent / "keycloak"


NEEDS_THE_PROVIDER = {"live", "mesh", "start_sidecar"}  # fixtures

# Files that run whole meshes. One process of `pytest -n 2` has them all: a sidecar takes about ten of the 128
# inotify instances that a user of a host has (docs/operations.md, capacity).
NEEDS_A_MESH = {
    f"tests/{file}.py"
    for file in (
        "integration/test_admin",
        "integration/test_cli",
        "integration/test_client_authentication",
        "integration/test_explain_as_live",
        "integration/test_nothing_is_left",
        "integration/test_security_matrix",
        "integration/test_spec_flows",
        "real/networks/test_six_networks",
        "torture/test_rows",
    )
}


class ByFile(LoadScopeScheduling):  # type: ignore[misc]
    """Gives a process one file after the other: fixtures of a module are made once."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::", maxsplit=1)[0]
        return "mesh" if file in NEEDS_A_MESH else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    return ByFile(config, log)


def pytest_configure(config: pytest.Config) -> None:
    """Both ways to answer: Envoy repeats what it may, or a worker is asked each time."""
    if config.getoption("without_decision_cache"):
        os.environ["AUTHZ_ENVOY_MODULE"] = "none"  # sidecars get it from here


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--without-decision-cache", action="store_true", help="sidecars' Envoys repeat nothing")
    parser.addoption(
        "--idp", choices=["development", "keycloak"], default="development", help="who issues the tokens of the mesh"
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """What only Keycloak can show needs Keycloak. A folder that is named to pytest is not ignored: see below."""
    return True if collection_path == KEYCLOAK_ONLY and config.getoption("idp") != "keycloak" else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With Keycloak only those tests are run which it can make any difference to; without it, none that need it."""
    on_keycloak = config.getoption("idp") == "keycloak"
    for item in () if on_keycloak else items:
        if KEYCLOAK_ONLY in item.path.parents:
            item.add_marker(pytest.mark.skip(reason="needs --idp keycloak (make test-keycloak)"))
        elif "mesh" in _fixtures(item) and item.nodeid.split("::")[0] not in NEEDS_A_MESH:
            raise pytest.UsageError(f"{item.nodeid} uses `mesh`: list its file in NEEDS_A_MESH of tests/conftest.py")
    if on_keycloak:
        chosen = [item for item in items if KEYCLOAK_ONLY in item.path.parents or NEEDS_THE_PROVIDER & _fixtures(item)]
        config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
        items[:] = chosen


def pytest_collectstart() -> None:
    """Nothing that is collected becomes garbage."""
    gc.disable()


def pytest_collection_finish() -> None:
    """What is collected stays: the garbage collector looked at it again and again, for a tenth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000)
    gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> object:
    """A test with the mark `own_network` is run by another pytest in namespaces of its own."""
    if pyfuncitem.get_closest_marker("own_network") is None:
        return None
    from tests.support import own_network

    if not own_network.is_inside():
        own_network.run_inside(pyfuncitem)
        return True
    own_network.settle()
    return None


def _fixtures(item: pytest.Item) -> set[str]:
    return set(getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session")
def live(request: pytest.FixtureRequest) -> Iterator[Live]:
    """The certificates and the identity provider of the example (`--idp`)."""
    from tests.support.live import Live

    from authz_devkit.demo.identity import IdentityProvider

    ground = Live(IdentityProvider(request.config.getoption("idp")))
    try:
        ground.start()
        yield ground
    finally:
        ground.stop()


@pytest.fixture(scope="session")
def mesh(live: Live) -> Live:
    """The same with the example's three services and four sidecars, ready."""
    live.start_pods()
    return live


@pytest.fixture
def start_sidecar(live: Live) -> Iterator[StartSidecar]:
    """`start_sidecar(changes, …)`: a sidecar of the test's own, ready, with an echo service; ended after the test."""
    from tests.support.lone_sidecar import LoneSidecar

    with ExitStack() as stack:

        def start(changes: Mapping[str, object] | None = None, **more: Any) -> LoneSidecar:
            return stack.enter_context(LoneSidecar(live, changes, **more))

        yield start


@pytest.fixture(scope="module")
def module_stack() -> Iterator[ExitStack]:
    """For sidecars that a file's tests share."""
    with ExitStack() as stack:
        yield stack
