"""A text in its plainest form is read faster, and not otherwise: what two parsers could read in two ways is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz_service.identity import strict_json
from authz_service.identity.strict_json import MAX_DEPTH, decode_object

_NUMBERS = st.sampled_from(["0", "-0", "7", "-1", "1.0", "1e2", "0.1", str(2**63), str(2**64), str(-(2**70)), "9" * 40])
_TEXTS = st.sampled_from(["a", "b", "", "é", '"', "\\", "/", "\u2028", "\x7f", "\x00", "😀"]) | st.text(max_size=4)
_SCALARS = _NUMBERS | _TEXTS.map(lambda text: json.dumps(text, ensure_ascii=False)) | st.sampled_from(["null", "true"])


def _members(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Of names that may occur twice."""
    name = _TEXTS.map(lambda text: json.dumps(text, ensure_ascii=False))
    return st.lists(st.tuples(name, inner).map(":".join), max_size=3).map(lambda pairs: "{" + ",".join(pairs) + "}")


_VALUES = st.recursive(
    _SCALARS, lambda inner: _members(inner) | st.lists(inner, max_size=3).map(lambda each: f"[{','.join(each)}]")
)

_MORE = ["", " ", ",", '"', "}", "1", "\ufeff", "\ud800", "\\u0061"]


def read(text: str) -> str:
    """What is read, with its types; or why it is not."""
    try:
        return repr(decode_object(text))
    except ValueError as refused:
        return f"refused: {refused}"


@given(_members(_VALUES), st.integers(0, 60), st.sampled_from(_MORE))
def test_it_is_what_is_read_the_longer_way(text: str, at: int, more: str) -> None:
    text = text[:at] + more + text[at:]
    found = read(text)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(strict_json, "_find_plain_object", lambda _: None)
        assert read(text) == found


@pytest.mark.parametrize("text", ['{"a":1,"a":1}', '{"a":1,"a":2}', '{"b":[{"a":{},"a":{}}]}', '{"a":1,"\\u0061":1}'])
def test_a_member_that_occurs_twice_is_refused(text: str) -> None:
    assert read('{"a":1}') == "{'a': 1}"
    assert read(text) == "refused: a member occurs twice in one object"


def test_how_deep_it_may_be_is_the_same() -> None:
    lists = MAX_DEPTH - 1

    assert not read('{"a":' + "[" * lists + "]" * lists + "}").startswith("refused")
    assert read('{"a":' + "[" * (lists + 1) + "]" * (lists + 1) + "}") == "refused: nested too deeply"
