"""The real Envoy takes everything that we render, and says what is wrong with what it does not take."""

import os
import subprocess
import sys

import pytest
from tests.support.rendering import CASES, PATHS, case, rendered

from authz_service.envoy.binary import OLDEST, envoy_version, find_envoy, known_version
from authz_service.envoy.preflight import validate
from authz_service.errors import RenderError


@pytest.mark.parametrize("name", CASES)
def test_envoy_accepts_each_golden_case(name: str) -> None:
    """The same resources as the golden files, in the form in which Envoy checks them all."""
    validate(rendered(name), find_envoy(os.environ))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"codec_type": "AUTOMATIC"}, "AUTOMATIC"),
        ({"no_such_field": 1}, "no_such_field"),
        ({"stat_prefix": ""}, "StatPrefix"),
    ],
)
def test_envoy_says_what_it_does_not_accept(change: dict[str, object], said: str) -> None:
    """The preflight must not be a formality: a wrong word, an unknown field, a value that is too short."""
    resources = rendered("order-service")
    listener = resources.listeners[0]
    manager = listener["filter_chains"][0]["filters"][-1]["typed_config"]  # type: ignore[index,call-overload]  # our own rendering
    manager.update(change)  # type: ignore[union-attr]

    with pytest.raises(RenderError) as refused:
        validate(resources, find_envoy(os.environ))

    message = str(refused.value)
    assert said in message
    assert "authz-preflight" not in message
    assert "\n" not in message
    assert len(message) < 2500


def test_a_route_to_an_unknown_cluster_is_refused() -> None:
    """Also before anything running is touched."""
    resources = rendered("order-service")
    found = [cluster for cluster in resources.clusters if cluster["name"] != "app"]
    broken = type(resources)(resources.bootstrap, resources.listeners, tuple(found), resources.routes, (), frozenset())

    with pytest.raises(RenderError, match="app"):
        validate(broken, find_envoy(os.environ))


def test_the_same_configuration_gives_the_same_bytes() -> None:
    """In another process too, where sets and hashes are ordered differently."""
    script = (
        "import hashlib\nfrom tests.support.rendering import *\n"
        "print(hashlib.sha256(str(rendered('everything').files()).encode()).hexdigest())"
    )
    outputs = set()
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        outputs.add(subprocess.check_output([sys.executable, "-c", script], env=environment))

    assert len(outputs) == 1


def test_the_installed_envoy_is_new_enough() -> None:
    """The one that requirements pin."""
    version = envoy_version(find_envoy({}))

    assert tuple(map(int, version.split(".")[:2])) >= OLDEST
    assert known_version({}) == version  # of the wheel, without a start


def test_the_paths_of_a_case_do_not_exist_here() -> None:
    """So the preflight reads no secret and no socket."""
    assert not PATHS.sds.exists()
    assert case("order-service").egress.targets
