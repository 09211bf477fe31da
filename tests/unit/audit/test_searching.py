"""Finding lines of an audit file by a text in them, however they lie in the blocks that are read."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.audit_trails import line, record, seal

from authz_service.audit.searching import Searcher

LINES = st.lists(
    st.sampled_from([b"", b"other", b"x needle y", b"needle", b"a second", b"needle and a second"]), max_size=30
)


@given(LINES, st.integers(1, 40), st.booleans())
def test_it_finds_what_reading_every_line_finds(lines: list[bytes], block: int, ends: bool) -> None:
    """Each once, with its number; the last line without a line feed too, when no more will come."""
    text = b"\n".join(lines) + (b"\n" if ends else b"")
    found = list(Searcher(io.BytesIO(text).read, [b"needle", b"a second"], block).found(to_the_end=True))

    wanted = [(at, one) for at, one in enumerate(text.split(b"\n"), 1) if b"needle" in one or b"a second" in one]
    assert [(one.number, one.line) for one in found] == wanted


@pytest.mark.parametrize("block", [64, 1 << 16])
def test_the_writers_line_before_comes_with_it(block: int) -> None:
    """Of the same writer, in this block or the one before; another writer's is not it."""
    before = line(record("order-service", 1, correlation_id="other"), seal(4))
    between = line(record("order-service", 2, correlation_id="other"), seal(9, "0123456789ab-1"))
    wanted = line(record("order-service", 3), seal(5))
    (found,) = Searcher(io.BytesIO(before + between + wanted).read, [b"req-abc-123"], block).found()

    assert found.line == wanted.rstrip()
    assert found.before in ({before.rstrip()} if block > 64 else {before.rstrip(), b""})


def test_what_is_appended_is_found_later() -> None:
    """Half a line waits for its other half; a line is not told twice."""
    stream = io.BytesIO()
    searcher = Searcher(stream.read, [b"needle"])

    def append(text: bytes) -> list[tuple[int, bytes]]:
        at = stream.tell()
        stream.seek(0, io.SEEK_END)
        stream.write(text)
        stream.seek(at)
        return [(found.number, found.line) for found in searcher.found()]

    assert append(b"one\nnee") == []
    assert append(b"dle two\nthree\n") == [(2, b"needle two")]
    assert append(b"needle four\n") == [(4, b"needle four")]
