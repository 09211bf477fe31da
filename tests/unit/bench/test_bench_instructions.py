"""What is counted is our own rendering, less what a row names; what callgrind has not counted is no figure."""

import json

import pytest
from bench.bare import ASKS
from bench.instructions import asking, read_total
from bench.load import BenchError
from tests.support.rendering import anything, rendered

from authz_service.envoy.messages import Message


def settings(listener: Message) -> list[object]:
    """Of the filter that asks, in a form of its own."""
    chains = anything([json.loads(json.dumps(listener))], "http_filters")
    return [item["typed_config"] for chain in chains for item in chain if item["name"] == ASKS]


def test_a_leaner_question_differs_in_what_was_left_out() -> None:
    ours = rendered("order-service")

    lean = asking(ours, ("retry_policy", "allowed_headers"))

    assert lean.clusters == ours.clusters
    (before,), (after,) = settings(ours.listeners[0]), settings(lean.listeners[0])
    assert isinstance(before, dict)
    assert isinstance(after, dict)
    exchange = {key: value for key, value in before["http_service"].items() if key != "retry_policy"}
    assert "retry_policy" in before["http_service"]
    assert after == {key: value for key, value in before.items() if key != "allowed_headers"} | {
        "http_service": exchange
    }
    assert settings(asking(ours, ()).listeners[0]) == [before]


def test_only_a_total_is_a_count() -> None:
    assert read_total("events: Ir\nsummary: 12\n\ntotals: 1234\n") == 1234
    with pytest.raises(BenchError, match="counted nothing"):
        read_total("events: Ir\n")
