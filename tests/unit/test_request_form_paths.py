"""The expressions against a plain reading of the rule, and against the gate. Envoy: tests/integration/envoy."""

import re
from functools import cache
from unicodedata import normalize
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz_service.domain.refusals import Rejected
from authz_service.request_form import DOT_SEGMENT, HIDDEN_DELIMITER, WELL_ENCODED, require_segments

_WELL = re.compile(WELL_ENCODED)
_DOTS = re.compile(DOT_SEGMENT)
_HIDDEN = re.compile(HIDDEN_DELIMITER)
_PIECES = st.one_of(
    st.integers(0, 255).map(lambda byte: f"%{byte:02x}"),
    st.characters(codec="utf-8").map(lambda text: "".join(f"%{byte:02X}" for byte in text.encode())),
    st.sampled_from(["%", "%2", "%zz", "a", "/", ";", ".", "..", "%25", "%00", "%c0%af", "%ed%a0%80", "%f4%90%80%80"]),
)


def _is_well_encoded(path: str) -> bool:
    """RFC 3986 §2.1 and RFC 3629, without NUL and without a percent sign that would decode twice."""
    if re.search(r"%(?![0-9A-Fa-f]{2})|%00|%25", path):
        return False
    try:
        unquote_to_bytes(path).decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


@given(st.lists(_PIECES, max_size=6).map(lambda pieces: "/" + "".join(pieces)))
def test_the_expression_is_the_rule(path: str) -> None:
    """Every mix of good and bad escapes."""
    assert bool(_WELL.fullmatch(path)) == _is_well_encoded(path)
    assert bool(_WELL.fullmatch(path + "?%25%00%zz")) == _is_well_encoded(path)


@pytest.mark.parametrize("code", [*range(0x80, 0x900, 7), 0xFFF, 0x1000, 0xD7FF, 0xE000, 0xFFFF, 0x10000, 0x10FFFF])
def test_every_length_of_utf8_is_known(code: int) -> None:
    """The borders of RFC 3629's table."""
    assert _WELL.fullmatch("/" + "".join(f"%{byte:02x}" for byte in chr(code).encode()))


@pytest.mark.parametrize(
    "path",
    [
        "/..;",
        "/a/..;/b",
        "/.;x",
        "/a/.%3Bx/b",
        "/%2e%2E%3b",
        "/%2e.;a",
        "/a/..",
        "/./a",
        "/..%20/a",
        "/%20.",
        "/;a",
        "/a/%3b..",
    ],
)
def test_a_segment_that_may_mean_dots_is_one(path: str) -> None:
    """With parameters, encoded or not."""
    assert _DOTS.fullmatch(path)


@pytest.mark.parametrize("path", ["/a", "/...", "/..a", "/a..;b", "/a;..", "/.well-known/x", "/a.;/b"])
def test_other_dots_are_only_dots(path: str) -> None:
    """The no of the test above."""
    assert not _DOTS.fullmatch(path)


def _gate_accepts(path: str) -> bool:
    try:
        require_segments(path)
    except Rejected:
        return False
    return True


def _envoy_accepts(path: str) -> bool:
    return bool(_WELL.fullmatch(path)) and not _HIDDEN.fullmatch(path) and not _DOTS.fullmatch(path)


# Where the egress is stricter, because its expressions do not look at what stands beside them.
_FOLDED_DOTS = {chr(code) for code in (0x2024, 0x2025, 0x2026, 0xFE19, 0xFE30, 0xFE52, 0xFF0E)}
_FOLDED_SEMICOLONS = {chr(code) for code in (0x037E, 0xFE14, 0xFE54, 0xFF1B)}


@cache
def _escaped() -> dict[str, str]:
    """All characters that fold into another one, and some that do not. (Envoy refuses `/` and `\\` before.)"""
    folding = (c for c in map(chr, range(0x110000)) if not "\ud800" <= c <= "\udfff" and normalize("NFKC", c) != c)
    chosen = {*folding, *map(chr, range(0x3000)), *map(chr, range(0xE000, 0x110000, 997))} - {"/", "\\"}
    return {character: "".join(f"%{byte:02X}" for byte in character.encode()) for character in chosen}


@pytest.mark.parametrize("frame", ["/{}", "/a{}", "/.{}", "/..{}", "/{}..", "/a/{}/b"])
def test_both_doors_judge_every_character_alike(frame: str) -> None:
    """Wherever it stands; but for those in disguise, of which the egress refuses more."""
    disguised = _FOLDED_DOTS | _FOLDED_SEMICOLONS
    for character, escaped in _escaped().items():
        path = frame.format(escaped)
        by_envoy, by_gate = _envoy_accepts(path), _gate_accepts(path)

        assert not by_envoy or by_gate, path
        assert by_envoy or not by_gate or character in disguised, path


def test_a_dot_or_semicolon_in_disguise_is_refused_by_the_egress_wherever_it_stands() -> None:
    """The gate refuses it where it could matter."""
    for character in _FOLDED_DOTS | _FOLDED_SEMICOLONS:
        escaped = "".join(f"%{byte:02x}" for byte in character.encode())
        assert set(normalize("NFKC", character)) <= {".", ";"}
        assert not _envoy_accepts(f"/a{escaped}b")
        assert _gate_accepts(f"/a{escaped}b")


@given(st.lists(st.one_of(_PIECES, st.sampled_from([";", "%3b", "%20", "%C2%A0", "!", "~"])), min_size=1, max_size=8))
def test_both_doors_judge_every_path_alike(pieces: list[str]) -> None:
    """What Envoy has normalised: no empty segment, no plain dot segment, no escaped slash or backslash."""
    path = "/" + "".join(pieces)
    if re.search(r"//|%2f|%5c", path, re.IGNORECASE):
        return

    assert _envoy_accepts(path) == _gate_accepts(path)
