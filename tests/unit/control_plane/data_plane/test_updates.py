"""An alarm is a state: it ends with the trouble, although Envoy's counters only grow."""

import pytest

from authz_service.control_plane.data_plane.updates import EnvoyUpdates
from authz_service.control_plane.watch.envoy import failing_updates

Look = tuple[int, int]  # successes, failures


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        ([(1, 0)], 0),
        ([(0, 1)], 1),
        ([(0, 1), (0, 1)], 1),
        ([(0, 1), (0, 4)], 4),
        ([(0, 1), (1, 1)], 0),
        ([(1, 1), (1, 1)], 0),
        ([(1, 0), (1, 2), (2, 2)], 0),
        ([(1, 0), (1, 2), (2, 2), (2, 3)], 1),
        ([(1, 0), (2, 2)], 0),
        ([(5, 5), (0, 0)], 0),
        ([(5, 5), (0, 1)], 1),
        ([(0, 5), (0, 0), (0, 1)], 1),
    ],
)
@pytest.mark.parametrize("kind", ["update_failure", "update_rejected"])
def test_what_fails_is_told_until_it_succeeds(looks: list[Look], expected: int, kind: str) -> None:
    """Also over a new Envoy, whose counters begin anew."""
    updates, found = EnvoyUpdates(), {}
    for successes, failures in looks:
        counters = {"cluster.target_a.update_success": successes, f"cluster.target_a.{kind}": failures}
        found = updates.failing(counters)

    assert found.get("cluster.target_a", 0) == expected


def test_sources_are_told_apart() -> None:
    updates = EnvoyUpdates()
    counters = {"sds.server.update_success": 3, "sds.server.update_failure": 1, "cluster.app.update_failure": 2}
    updates.failing(counters)

    assert updates.failing({**counters, "sds.server.update_rejected": 1}) == {"sds.server": 1, "cluster.app": 2}
    assert updates.failing({"something.else": 9}) == {}


def test_they_are_told_in_words() -> None:
    """A name that is not resolved is no refused update."""
    told = failing_updates({"cluster.target_a": 3, "listener_manager.lds": 1})

    assert told == [
        "the name behind target_a is not resolved (DNS): requests to it get 503",
        "envoy refused an update: listener_manager.lds, 1 times in a row",
    ]
    assert failing_updates({}) == []
