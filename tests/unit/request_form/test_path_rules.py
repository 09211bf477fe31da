"""The two expressions against a plain reading of the rule. Envoy's own reading of them: tests/integration/envoy."""

import re
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz_service.request_form import DOT_SEGMENT, WELL_ENCODED

_WELL = re.compile(WELL_ENCODED)
_DOTS = re.compile(DOT_SEGMENT)
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


@pytest.mark.parametrize("path", ["/..;", "/a/..;/b", "/.;x", "/a/.%3Bx/b", "/%2e%2E%3b", "/%2e.;a", "/a/..", "/./a"])
def test_a_segment_that_may_mean_dots_is_one(path: str) -> None:
    """With parameters, encoded or not."""
    assert _DOTS.fullmatch(path)


@pytest.mark.parametrize("path", ["/a", "/...", "/..a", "/a..;b", "/a;..", "/.well-known/x", "/a.;/b"])
def test_other_dots_are_only_dots(path: str) -> None:
    """The no of the test above."""
    assert not _DOTS.fullmatch(path)
