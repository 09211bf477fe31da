"""What Envoy's filter asks about requests in progress, as bytes; and whatever else may come there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz_service.ext_authz.in_progress import read_question, write_answer


def question(number: int, text: bytes, peer: bytes = b"") -> bytes:
    return b"".join([number.to_bytes(4, "little"), *(len(one).to_bytes(4, "little") + one for one in (text, peer))])


def test_a_question_is_read() -> None:
    body = question(7, b"GET\n/a\ntag|/a/**\n10.0.0.1\nc-1\nauthorization:Bearer t\ncookie:a=b:c", b"pem") + question(
        8, b"POST\n/b\n\n\n\nauthorization:"
    )
    first, second = read_question(body)
    request = first.request
    assert first.number == b"\x07\0\0\0"
    assert (request.method, request.path, request.route) == ("GET", "/a", "/a/**")
    assert (request.remote, request.correlation_id) == ("10.0.0.1", "c-1")
    assert request.peer == b"pem"
    assert first.found == {b"authorization": b"Bearer t", b"cookie": b"a=b:c"}
    assert second.found == {}
    assert (second.request.route, second.request.peer) == ("", b"")


@given(st.binary(max_size=64))
def test_other_bytes_are_refused_as_a_whole(body: bytes) -> None:
    try:
        list(read_question(body))
    except ValueError:
        return
    assert body == b"" or body.count(b"\n") >= 4


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_question_that_is_cut_off_is_refused(cut: int) -> None:
    whole = question(7, b"GET\n/a\n\n\n\n", b"pem")
    assert len(list(read_question(whole))) == 1
    with pytest.raises(ValueError, match="cut off"):
        list(read_question(whole[:-cut]))


def test_the_answer_names_those_who_are_over() -> None:
    assert write_answer([b"\x07\0\0\0", b"\x08\0\0\0"]).endswith(b"content-length: 12\r\n\r\nends\x07\0\0\0\x08\0\0\0")
    assert write_answer([]).endswith(b"content-length: 4\r\n\r\nends")
