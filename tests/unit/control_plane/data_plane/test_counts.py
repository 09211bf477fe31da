"""A total of ours only grows, although Envoy's counters begin anew with each Envoy."""

import re

import pytest

from authz_service.control_plane.data_plane.counts import COUNTED, HANDSHAKE, LOOKUP, TARGET_401, Counts, EnvoyCounts

NO_CERTIFICATE = "listener.ingress.ssl.fail_verify_no_cert"


@pytest.mark.parametrize(
    ("looks", "total"),
    [([0], 0), ([3], 3), ([3, 3], 3), ([3, 5], 5), ([3, 1], 4), ([3, 0, 2], 5), ([3, None, 2], 5)],
)
def test_what_grew_is_added_over_the_death_of_an_envoy(looks: list[int | None], total: int) -> None:
    """Also where it was not asked in between, or has not this counter yet."""
    counts = EnvoyCounts()
    found: Counts = {}
    for count in looks:
        found = counts.totals({} if count is None else {NO_CERTIFICATE: count})

    assert found == {(HANDSHAKE, "no_certificate"): total}


def test_each_is_counted_under_what_it_is_about_and_nothing_else_is() -> None:
    """What is asked of Envoy is what is read."""
    counters = {
        "cluster.target_a.upstream_rq_401": 1,
        "cluster.target_a.update_failure": 2,
        "listener.ingress.ssl.fail_verify_error": 3,
        "listener.ingress.ssl.fail_verify_san": 4,
        NO_CERTIFICATE: 0,
    }
    others = {
        "cluster.app.upstream_rq_401": 1,
        "cluster.target_a.update_success": 1,
        "sds.server.update_failure": 1,
        "listener.egress.ssl.connection_error": 1,
        "listener.ingress.ssl.no_certificate": 1,  # of good handshakes, where none is required
    }

    assert EnvoyCounts().totals(counters | others) == {
        (TARGET_401, "a"): 1,
        (LOOKUP, "target_a"): 2,
        (HANDSHAKE, "certificate_refused"): 7,
        (HANDSHAKE, "no_certificate"): 0,
    }
    assert [name for name in counters | others if re.search(COUNTED, name)] == list(counters)
