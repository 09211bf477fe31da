"""The seal of a record: RFC 2104 by the letter, a key that only moves forward, and an end that is read back."""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz_service.audit.record import MAX_LINE
from authz_service.audit.seal import GENESIS, ROOM, Mac, closed, covered, find_sealed, first_key, next_key

LINE = b'{"time":"t","event":"access"}\n'


@given(st.binary(min_size=1, max_size=64), st.binary(max_size=900))
def test_the_chain_is_hmac_sha256_shortened(key: bytes, text: bytes) -> None:
    """So that anybody's tool can check it."""
    expected = hmac.new(key, GENESIS + text, hashlib.sha256).hexdigest()[:32].encode()

    assert Mac(key).chain(GENESIS, text) == expected
    assert Mac(key).chain(GENESIS, text + b"x") != expected
    assert Mac(key).chain(b"1" * 32, text) != expected
    assert Mac(key + b"x" if len(key) < 64 else b"x").chain(GENESIS, text) != expected


def test_a_writers_keys_are_its_own_and_are_not_found_backwards() -> None:
    """From one to the next by a hash; another writer, or another secret, has others."""
    key = first_key(b"s", "0123456789ab-0")

    assert next_key(key) == hashlib.sha256(key).digest()
    assert len({key, first_key(b"s", "0123456789ab-1"), first_key(b"t", "0123456789ab-0"), first_key(b"", "w")}) == 4


def test_what_was_sealed_is_read_back() -> None:
    text = covered(LINE, b"0123456789ab-63", 9)
    sealed = find_sealed(closed(text, b"f" * 32)[:-1])

    assert sealed == (text, "0123456789ab-63", 9, b"f" * 32)
    assert text == b'{"time":"t","event":"access","writer":"0123456789ab-63","seq":9'


@pytest.mark.parametrize(
    "tail",
    [
        b'"writer":"0123456789ab-0","seq":9,"chain":"%b"} ' % (b"f" * 32),
        b'"writer":"0123456789ab-0","seq":09,"chain":"%b"}' % (b"f" * 32),
        b'"writer":"0123456789ab-0","seq":0,"chain":"%b"}' % (b"f" * 32),
        b'"writer":"0123456789ab-0","seq":9,"chain":"%b"}' % (b"F" * 32),
        b'"writer":"0123456789ab-0","seq":9,"chain":"%b"}' % (b"f" * 31),
        b'"writer":"x","seq":9,"chain":"%b"}' % (b"f" * 32),
        b'"seq":9,"writer":"0123456789ab-0","chain":"%b"}' % (b"f" * 32),
        b'"a":{"writer":"0123456789ab-0","seq":9,"chain":"%b"}}' % (b"f" * 32),
    ],
)
def test_what_is_not_exactly_a_seal_is_none(tail: bytes) -> None:
    """One form only: two readers could take two forms for two things."""
    good = b'"writer":"0123456789ab-0","seq":9,"chain":"%b"}' % (b"f" * 32)

    assert find_sealed(b'{"time":"t",' + good) is not None
    assert find_sealed(b'{"time":"t",' + tail) is None


def test_the_longest_seal_has_room() -> None:
    """A record that was shortened to leave ROOM never passes the limit of a line."""
    longest = closed(covered(b"{}\n", b"0123456789ab-63", 10**19 - 1), b"f" * 32)

    assert len(longest) == len(b"{}\n") + ROOM
    assert MAX_LINE == 4095
