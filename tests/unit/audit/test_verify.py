"""Each way to tamper with an audit file is found, with its line; each thing that happens by itself is explained."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.audit_files import Desk, explained, found, record, verified
from tests.support.decisions import request as a_request
from tests.support.decisions import rules

from authz_service.audit.chain import Chain, Head
from authz_service.audit.reading import read_line
from authz_service.audit.record import Recorder
from authz_service.audit.seal import Mac, closed, covered, find_sealed, first_key
from authz_service.domain.decision import Allow

KEY = b"k" * 32
Lines = list[bytes]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Nine records of two workers, alternating: lines 1, 3, … are of the first."""
    desk = Desk(tmp_path, KEY)
    writers = [desk.writer(0), desk.writer(1)]
    for number in range(9):
        writers[number % 2].write(record(number))
    return desk


def check(desk: Desk, lines: Lines) -> list[tuple[str, int, int]]:
    return found(verified(lines, secrets=[KEY], heads=desk.heads()))


def edited(lines: Lines) -> Lines:
    return [*lines[:4], lines[4].replace(b'"allow"', b'"deny"'), *lines[5:]]


def renumbered(lines: Lines) -> Lines:
    return [*lines[:4], lines[4].replace(b'"seq":3', b'"seq":4'), *lines[5:]]


def forged(lines: Lines) -> Lines:
    """Everything computed anew, but without the key."""
    sealed = find_sealed(lines[2].rstrip())
    assert sealed is not None
    plain = lines[4][: lines[4].index(b',"writer"')] + b"}\n"
    text = covered(plain.replace(b"allow", b"deny"), sealed.writer.encode(), 3)
    return [*lines[:4], closed(text, Mac(first_key(b"", sealed.writer)).chain(sealed.chain, text)), *lines[5:]]


@pytest.mark.parametrize(
    ("tamper", "expected"),
    [
        (lambda lines: lines, []),
        (edited, [("changed", 5, 3)]),
        (renumbered, [("missing", 5, 3), ("repeated", 7, 4), ("changed", 9, 5)]),
        (lambda lines: lines[:4] + lines[5:], [("missing", 6, 3)]),
        (lambda lines: [*lines[:4], lines[6], lines[5], lines[4], *lines[7:]], [("missing", 5, 3), ("repeated", 7, 3)]),
        (lambda lines: [*lines, lines[4]], [("repeated", 10, 3)]),
        (lambda lines: lines[:-1], [("truncated", 7, 5)]),
        (lambda lines: lines[:-3], [("truncated", 5, 4), ("truncated", 6, 4)]),
        (lambda lines: lines[1:2], [("truncated", 0, 1), ("truncated", 1, 2)]),
        (lambda lines: [*lines[:4], record(5), *lines[5:]], [("unsealed", 5, 0), ("missing", 7, 3)]),
        (lambda lines: [*lines, record(5)], [("unsealed", 10, 0)]),
        (lambda lines: [*lines[:4], b"\x00\xff\n", *lines[5:]], [("missing", 7, 3)]),
        (forged, [("changed", 5, 3)]),
    ],
)  # fmt: skip
def test_what_was_tampered_with_is_found_where_it_is(
    desk: Desk, tamper: Callable[[Lines], Lines], expected: list[tuple[str, int, int]]
) -> None:
    """The untouched file is intact; with one change it is not. Kind, line, sequence number."""
    assert check(desk, tamper(desk.lines())) == expected


def test_a_forgery_without_a_key_is_only_found_at_its_seam(tmp_path: Path) -> None:
    """An honest limit: without audit.key whoever can write the file can compute the chain; the heads still tell."""
    desk = Desk(tmp_path)
    desk.write(3)
    lines = desk.lines()
    first, second = (find_sealed(line.rstrip()) for line in lines[:2])
    assert first is not None
    assert second is not None
    mac = Mac(first_key(b"", first.writer))
    text = covered(record(2, decision="deny"), first.writer.encode(), 2)
    anew = mac.chain(first.chain, text)
    third = covered(record(3), first.writer.encode(), 3)
    forged = [lines[0], closed(text, anew), closed(third, mac.chain(anew, third))]

    assert verified(forged).problems == []
    assert found(verified(forged[:2] + lines[2:])) == [("changed", 3, 3)]
    assert found(verified(forged, heads=desk.heads())) == [("changed", 3, 3)]


def test_the_right_key_is_needed(desk: Desk) -> None:
    """One of several will do; every other, or none, fits nothing."""
    lines = desk.lines()

    assert verified(lines, secrets=[b"x" * 32, KEY]).problems == []
    for secrets in ([b"x" * 32], [b""]):
        report = verified(lines, secrets=secrets)
        assert [problem.kind for problem in report.problems] == ["changed", "changed"]
        assert {writer.linked for writer in report.writers.values()} == {0}


def test_an_unkeyed_chain_is_no_proof_where_a_key_is_given(tmp_path: Path) -> None:
    """Else a forger would leave the key out."""
    desk = Desk(tmp_path)
    desk.write(2)

    assert verified(desk.file).problems == []
    assert found(verified(desk.file, secrets=[KEY])) == [("changed", 1, 1)]


def test_older_files_may_be_gone(desk: Desk) -> None:
    """Where they ended is known, or is said to be unknown."""
    lines = desk.lines()
    earlier = {
        name: Head(name, writer.last_seq, writer.last_chain)
        for name, writer in verified(lines[:4], secrets=[KEY]).writers.items()
    }

    assert explained(verified(lines[4:], secrets=[KEY])) == [("begins", 1), ("begins", 2)]
    assert verified(lines[4:], secrets=[KEY], after=earlier).findings == []
    assert found(verified(lines[6:], secrets=[KEY], after=earlier)) == [("missing", 1, 3), ("missing", 2, 3)]
    assert verified(lines, secrets=[KEY], after=earlier).findings == []
    first = edited(lines)[4:]
    assert found(verified(first, secrets=[KEY], after=earlier)) == [("changed", 1, 3)]


def test_a_record_of_a_writer_that_never_was_is_found(desk: Desk) -> None:
    """It claims to continue files that are missing. One record alone proves nothing, and two prove each other."""
    lines = desk.lines()
    first = find_sealed(lines[0].rstrip())
    assert first is not None
    invented = lines[4].replace(first.writer.encode(), b"0123456789ab-0")

    assert found(verified([*lines, invented], secrets=[KEY])) == [("unproven", 10, 3)]
    assert found(verified(lines[-2:], secrets=[KEY])) == [("unproven", 1, 4), ("unproven", 2, 5)]
    assert found(verified(lines[-4:], secrets=[KEY])) == []


def test_a_head_of_before_confirms_what_was_before(desk: Desk) -> None:
    """Heads that were saved an hour ago."""
    ends = desk.heads()
    desk.writer(0).write(record(10))
    report = verified(desk.file, secrets=[KEY], heads=ends)

    assert report.problems == []
    assert [writer.end for writer in report.writers.values()] == ["confirmed", "confirmed"]
    assert [writer.end for writer in verified(desk.file, secrets=[KEY]).writers.values()] == ["not confirmed"] * 2


def test_a_record_that_nobody_wrote_costs_no_hours(desk: Desk) -> None:
    """The key of a number is found by hashing up to it."""
    lines = desk.lines()
    name = find_sealed(lines[0].rstrip()).writer.encode()  # type: ignore[union-attr]
    for seq in (10**18, 10**18 + 1):
        lines.append(closed(covered(record(1), name, seq), b"0" * 32))

    assert check(desk, lines) == [("missing", 10, 6), ("changed", 11, 10**18 + 1)]


def test_a_record_of_a_gap_is_told_once(tmp_path: Path) -> None:
    """Put in again it would tell of losses that never were, and explain records that somebody took out."""
    desk = Desk(tmp_path, KEY)
    desk.write(2)
    killed_in = Chain(str(desk.memory), 0).seal(record(3))
    with desk.file.open("ab") as file:
        file.write(killed_in[:40])
    desk.write(3, start=4)
    lines = desk.lines()
    gap = next(number for number, line in enumerate(lines) if b'"audit_gap"' in line)
    assert check(desk, lines) == []

    again = verified([*lines, lines[gap]], secrets=[KEY], heads=desk.heads())
    assert found(again) == [("repeated", len(lines) + 1, 4)]
    assert [kind for kind, _ in explained(again)].count("uncertain") == 1
    without = [*lines[: gap + 1], lines[gap], *lines[gap + 2 :]]  # in place of another record
    assert ("repeated", gap + 2, 4) in check(desk, without)
    assert ("missing", gap + 3, 5) in check(desk, without)


def test_lines_of_others_are_passed_over(desk: Desk) -> None:
    """The access log, or the service's own words, on the same standard output; and an engine's prefix."""
    prefixed = [b"2027-01-15T08:00:00.1Z stdout F " + line for line in desk.lines()]
    others = [b'{"time":"t","event":"ingress"}\n', b"hello\n", b"\n", b"[]\n", b'{"time":"t"}\n']
    report = verified([*others, *prefixed, *others], secrets=[KEY], heads=desk.heads())

    assert report.findings == []
    assert report.foreign == 8


@pytest.mark.parametrize("asked", [{}, {"left_for": "data"}, {"ended": True}, {"evaluation": "{}"}], ids=str)
def test_whatever_a_worker_records_is_followed(asked: dict[str, Any]) -> None:
    """Of a request, one that left, one that was ended, a question by AuthZEN: else its number would be missing."""
    chain, lines = Chain("", 0), []
    request = a_request(evaluation=asked.get("evaluation", ""))
    how = {name: value for name, value in asked.items() if name != "evaluation"}
    facts: dict[str, Any] = {"decision_id": "d", "correlation_id": "c", "user_context": "", "duration_us": 1}
    for number in range(3):
        line = Recorder(rules()).line(request, Allow(b""), now=1.0 + number, **facts, **how)
        lines.append(chain.seal(line))
        chain.written()

    report = verified(lines)
    assert (report.findings, report.foreign, report.records) == ([], 0, 3)


def test_a_policys_words_are_no_seal(desk: Desk) -> None:
    """They stand in the middle of the line; the seal is at its end."""
    writer = desk.writer(0)
    tail = '"writer":"0123456789ab-0","seq":1,"chain":"' + "f" * 32 + '"}'
    writer.write(record(1, policy_audit={"time": "t", "event": "access", "x": tail}))

    assert verified(desk.file, secrets=[KEY], heads=desk.heads()).findings == []


@given(st.binary(max_size=300))
@settings(max_examples=300)
def test_whatever_a_line_is_it_is_read(garbage: bytes) -> None:
    read_line(garbage)
    read_line(b'{"time":"' + garbage)
    read_line(json.dumps({"time": "t", "event": "access"}).encode() + garbage)


@given(data=st.data())
@settings(max_examples=200)
def test_no_single_byte_can_be_changed(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    """In any line, at any place. (The first record may be missing, as with older files: `begins` says so.)"""
    desk = Desk(tmp_path_factory.mktemp("bytes"), KEY)
    desk.write(4)
    content = bytearray(desk.file.read_bytes())
    place = data.draw(st.integers(len(desk.lines()[0]), len(content) - 2))
    content[place] ^= data.draw(st.integers(1, 255))

    assert verified(bytes(content).splitlines(True), secrets=[KEY], heads=desk.heads()).problems != []
