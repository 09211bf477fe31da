"""What throughput and processor time are compared with is our own rendering, less one filter and nothing else."""

import json
from collections.abc import Iterable

import pytest
from bench.bare import ASKS, INJECTS, without
from tests.support.rendering import anything, rendered

from authz_service.envoy.messages import Message


def spread(messages: Iterable[Message]) -> str:
    """One line for each value, in a stable order."""
    return json.dumps(list(messages), indent=0, sort_keys=True)


def chains(messages: Iterable[Message]) -> list[list[str]]:
    return [[item["name"] for item in chain] for chain in anything(list(messages), "http_filters")]


@pytest.mark.parametrize("case", ["gateway", "order-service", "data-service"])
def test_without_the_gate_every_other_filter_stays_in_place(case: str) -> None:
    ours = rendered(case)

    bare = without(ours, ASKS)

    assert chains(bare.listeners) == [[name for name in chain if name != ASKS] for chain in chains(ours.listeners)]
    assert (spread(ours.listeners).count(ASKS) > 0, spread(bare.listeners).count(ASKS)) == (True, 0)
    assert spread(bare.clusters) == spread(ours.clusters)
    assert (bare.routes, bare.bootstrap) == (ours.routes, ours.bootstrap)


def test_without_the_injector_only_clusters_change() -> None:
    """The token is put in by a filter of the target's cluster."""
    ours = rendered("order-service")

    bare = without(ours, INJECTS)

    assert [INJECTS, "envoy.filters.http.upstream_codec"] in chains(ours.clusters)
    assert chains(bare.clusters) == [["envoy.filters.http.upstream_codec"]]
    assert spread(bare.listeners) == spread(ours.listeners)


def test_a_filter_that_is_not_there_is_no_baseline() -> None:
    """Else a renamed filter would be compared with itself, and cost nothing."""
    with pytest.raises(ValueError, match="credential_injector"):
        without(rendered("data-service"), ASKS, INJECTS)
