"""A permit says what it was given, byte by byte, and nothing where it would be too long."""

from base64 import b64encode

from tests.support.decision_cache import Permit, permit_in

from authz_service.ext_authz import wire
from authz_service.ext_authz.permit import permit

RECORD = (b'","level":"info","decision_id":"', b'","correlation_id":"', b'","method":"GET","duration_us":', b',"a":1')
OWNED = b"x-user-id: u1\r\nx-envoy-auth-headers-to-remove: x-b\r\n"


def test_it_is_version_epoch_end_and_five_pieces() -> None:
    """Little-endian, each piece after its length: the decision cache is another program, in another language."""
    expected = b"\x01" + (7).to_bytes(8, "little") + (1_800_000_000_250_000).to_bytes(8, "little")
    for piece in (*RECORD, OWNED):
        expected += len(piece).to_bytes(2, "little") + piece

    assert permit(7, 1_800_000_000.25, RECORD, OWNED) == b"x-authz-remember: " + b64encode(expected) + b"\r\n"


def test_it_is_found_in_the_answer() -> None:
    answer = wire.allow(OWNED + permit(7, 1.5, RECORD, OWNED))

    assert permit_in(answer) == Permit(7, 1_500_000, RECORD, OWNED)
    assert permit_in(wire.allow(OWNED)) is None


def test_it_never_ends_later_than_the_allow() -> None:
    assert permit_in(permit_line(0.999_999_9)) == Permit(7, 999_999, RECORD, OWNED)


def permit_line(until: float) -> bytes:
    return wire.allow(permit(7, until, RECORD, OWNED))


def test_one_that_is_too_long_is_none() -> None:
    whole = 1 + 8 + 8 + 5 * 2 + sum(map(len, RECORD))

    assert permit(7, 1.0, RECORD, b"x" * (9_000 - whole)) != b""
    assert permit(7, 1.0, RECORD, b"x" * (9_001 - whole)) == b""
    assert permit(7, 1.0, RECORD, b"x" * 70_000) == b""
