"""Records of one correlation id, joined: the tree, and what is said to be missing. Beside each joined one its twin."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.audit_trails import ID, line, order_flow, record, seal

from authz_service.audit.record import AuditRecord, GapRecord
from authz_service.audit.searching import Found
from authz_service.audit.trail import Collector, Trail

FLOW = order_flow()


def joined(*records: AuditRecord | GapRecord, before: bytes = b"") -> Trail:
    return of_lines(*map(line, records), before=before)


def of_lines(*lines: bytes, before: bytes = b"") -> Trail:
    collector = Collector(ID)
    for number, one in enumerate(lines, 1):
        collector.take("audit.jsonl", Found(number, one.rstrip(b"\n"), before))
    return collector.joined()


def tree(trail: Trail) -> list[tuple[int, str, str]]:
    return [(hop.depth, hop.record.service, hop.record.path) for hop in trail.hops]


def kinds(trail: Trail) -> list[str]:
    return [note.kind for note in trail.notes]


def test_each_hop_hangs_below_the_one_that_called() -> None:
    """In whatever order the files come; each once, also where a file is given twice."""
    records = [one for made in FLOW.values() for one in made]
    wanted = [
        (0, "api-gateway", "/api/v1/orders"),
        (1, "order-service", "/orders"),
        (2, "data-service", "/inventory/PROD-123"),
        (2, "data-service", "/orders"),
    ]
    for given_so in (records, records[::-1], records * 2):
        trail = joined(*given_so)
        assert tree(trail) == wanted
        assert (kinds(trail), trail.is_whole) == ([], True)
    assert [hop.below for hop in joined(*records).hops] == [None, 0, 1, 1]


@pytest.mark.parametrize(
    ("absent", "told"),
    [
        ("gateway.jsonl", ["begins"]),
        ("order.jsonl", ["no_record_of_caller", "no_record_of_caller", "no_record_of_callee"]),
        ("data.jsonl", []),
    ],
)
def test_a_file_that_is_not_given_is_missed(absent: str, told: list[str]) -> None:
    """In the middle it breaks the chain. Who called first may have begun it; what a service calls nobody announces."""
    trail = joined(*(one for name, made in FLOW.items() if name != absent for one in made))

    assert kinds(trail) == told
    assert trail.is_whole is (absent != "order.jsonl")


def test_a_refused_hop_led_nowhere() -> None:
    """It sent nothing on, so nothing is missed behind it; the allowed twin did."""
    (gateway,) = FLOW["gateway.jsonl"]
    refused = record("api-gateway", decision="deny", reason="token_expired", downstream="order-service")

    assert kinds(joined(refused)) == []
    assert kinds(joined(gateway)) == ["no_record_of_callee"]


@pytest.mark.parametrize(
    ("caller", "client"),
    [
        ({}, {"mtls_client": "shop-client"}),
        ({}, {"mtls_client": "spiffe://mesh/zone1/shop"}),
        ({}, {"mtls_client": "legacy", "calling_service": "shop", "user_name": "service-account-shop"}),
        ({"downstream": "https://stock.zone3.local:8443"}, {"mtls_client": "legacy"}),
        ({"downstream": "stock"}, {"mtls_client": "legacy"}),
    ],
)
def test_a_caller_is_known_by_any_of_its_names(caller: dict[str, Any], client: dict[str, Any]) -> None:
    """By certificate, SPIFFE ID, its own token, or where its route leads. A user's token names no caller."""
    first = record("shop", 1, **caller)

    assert tree(joined(first, record("stock", 2, **client)))[1][0] == 1
    stranger = {"mtls_client": "other-client", "calling_service": "shop", "user_name": "john"}
    assert tree(joined(record("shop", 1), record("stock", 2, **stranger)))[1][0] == 0


def test_each_call_hangs_below_the_last_decision_before_it() -> None:
    """One id for two requests; a refused one let nothing out."""
    first, second = record("shop", 1, path="/1"), record("shop", 10, path="/2")
    refused = record("shop", 12, path="/3", decision="deny", reason="policy_denied")
    calls = [record("stock", at, path=f"/at-{at}", mtls_client="shop-client") for at in (5, 15)]

    assert tree(joined(first, second, refused, *calls)) == [
        (0, "shop", "/1"), (1, "stock", "/at-5"), (0, "shop", "/2"), (1, "stock", "/at-15"), (0, "shop", "/3"),
    ]  # fmt: skip


def test_clocks_that_differ_are_told() -> None:
    """The tree is the same, and is whole."""
    trail = joined(record("shop", 10), record("stock", 7, mtls_client="shop-client"))

    assert (tree(trail)[1][0], kinds(trail), trail.is_whole) == (1, ["clock"], True)
    assert "stock decided 3 ms before shop let it out" in trail.notes[0].text


def test_what_a_request_led_to_in_its_own_sidecar_hangs_below_it() -> None:
    """A token that was exchanged on the way out, and the end of a stream."""
    access = record("shop", 1, path="/stream")
    exchange = record("shop", 3, event="exchange", path="/stock", downstream="stock")
    end = record("shop", 900, event="end", path="/stream", decision="deny", reason="token_expired")

    assert [hop.depth for hop in joined(access, exchange, end).hops] == [0, 1, 1]
    elsewhere = record("shop", 900, event="end", path="/other", decision="deny", reason="token_expired")
    assert [hop.depth for hop in joined(access, elsewhere).hops] == [0, 0]


@pytest.mark.parametrize(
    ("time", "lost", "told"),
    [
        ("2026-11-30T10:15:02.000Z", {"lost": 3, "since": "2026-11-30T10:15:00.500Z", "error": "disk full"}, True),
        ("2026-11-30T10:15:02.000Z", {"uncertain": 1}, True),
        ("2026-11-30T10:14:59.000Z", {"lost": 3, "since": "2026-11-30T10:14:58.000Z"}, False),
        ("2026-11-30T11:15:02.000Z", {"uncertain": 1}, False),
        ("2026-11-30T10:15:02.000Z", {}, False),
    ],
)
def test_a_gap_at_that_time_may_hide_a_hop(time: str, lost: dict[str, Any], *, told: bool) -> None:
    """One of another time, or without a loss, does not."""
    known = {"after_seq": 1, "after_chain": "", "uncertain": 0, "lost": 0, "passed": 0, "since": "", "error": ""}
    gap = GapRecord(time=time, level="error", service="data", zone="", event="audit_gap", **{**known, **lost})

    assert kinds(joined(record("shop", 100), gap)) == ["gap"] * told


@pytest.mark.parametrize(("seq", "told"), [(2, []), (3, ["missing"]), (7, ["missing"])])
def test_records_that_are_gone_before_it_are_told(seq: int, told: list[str]) -> None:
    """By the numbers of its writer; nothing is gone between two that follow each other."""
    before = line(record("shop", 1, correlation_id="other"), seal(1)).rstrip()
    trail = of_lines(line(record("shop", 2), seal(seq)), before=before)

    assert kinds(trail) == told
    assert all(f"record{'s' if seq > 3 else ''} 2" in note.text for note in trail.notes)


def test_what_is_no_record_is_passed_over_and_half_a_record_is_told() -> None:
    """A collector's prefix does not matter; nor does the rest of a line before a whole one."""
    whole = line(record("shop"))
    access_log = b'{"time":"2026","service":"shop","event":"ingress","correlation_id":"req-abc-123"}\n'

    assert tree(of_lines(b"2026-11-30T10:15:00Z stdout F " + whole)) == [(0, "shop", "/")]
    assert tree(of_lines(whole[:90] + whole)) == [(0, "shop", "/")]
    assert of_lines(access_log, b"req-abc-123 in a log of another program\n") == Trail((), ())
    assert kinds(of_lines(whole[: whole.index(b'"method"')])) == ["torn"]
    other = line(record("shop", path='/x","correlation_id":"req-abc-123'.replace('"', ""), correlation_id="other"))
    assert of_lines(other).hops == ()


SERVICES = st.sampled_from(["a", "b", "c"])
RECORDS = st.builds(
    lambda service, at, caller, target, event, decision: record(
        service, at, mtls_client=caller and f"{caller}-client", downstream=target, event=event, decision=decision
    ),
    SERVICES,
    st.integers(0, 5),
    st.one_of(st.just(""), SERVICES),
    st.one_of(st.just(""), SERVICES),
    st.sampled_from(["access", "access", "exchange", "end"]),
    st.sampled_from(["allow", "deny"]),
)


@given(st.lists(RECORDS, max_size=8))
def test_every_record_is_in_the_tree_once(records: list[AuditRecord]) -> None:
    """Whatever they say of each other; one hangs below another that comes before it in the tree."""
    trail = joined(*records)

    assert sorted(hop.record.decision_id for hop in trail.hops) == sorted(one.decision_id for one in records)
    for at, hop in enumerate(trail.hops):
        assert (hop.depth == 0) is (hop.below is None)
        if hop.below is not None:
            assert hop.below < at
            assert trail.hops[hop.below].depth == hop.depth - 1


@given(st.binary(max_size=60), st.integers(0, 400))
def test_no_line_ends_it(noise: bytes, cut: int) -> None:
    """A stranger's bytes in a file, or a record with bytes in it."""
    whole = line(record("shop", time="not a time"))

    of_lines(noise, whole[:cut] + noise + whole[cut:], b'{"time":"' + noise, b'{"time":"x","event":"audit_gap"' + noise)
