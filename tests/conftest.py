"""What several folders of tests share: the running mesh, and sidecars of a test's own. Started only where asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:  # unit tests need none of it, and import none of it
    from tests.support.live import Live
    from tests.support.lone_sidecar import LoneSidecar

    StartSidecar = Callable[..., LoneSidecar]


@pytest.fixture(scope="session")
def live() -> Iterator[Live]:
    """The certificates and the identity provider of the example."""
    from tests.support.live import Live

    ground = Live()
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
