"""The little of Protocol Buffers that Envoy's ext_authz needs: fields of a message read, fields written. No schema."""

from __future__ import annotations

from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types (protobuf.dev, Encoding)
_FIXED = {FIXED64: 8, FIXED32: 4}
_LONGEST_VARINT = 10


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Field number and value, in the order of the wire. Raises ValueError for what is not a whole message."""
    at, end = 0, len(message)
    while at < end:
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        if number == 0:
            raise ValueError("a field without a number")
        if kind == VARINT:
            value, at = _varint(message, at)
            yield number, value
            continue
        length = _FIXED.get(kind, -1)
        if kind == BYTES:
            length, at = _varint(message, at)
        if length < 0 or at + length > end:
            raise ValueError("a field that is cut off, or of an unknown kind")
        yield number, message[at : at + length]
        at += length


def texts(message: bytes) -> dict[int, bytes]:
    """The last value of each field that has bytes: what a field that is not repeated means."""
    return {number: value for number, value in fields(message) if isinstance(value, bytes)}


def within(message: bytes, *path: int) -> bytes:
    """The bytes at a path of field numbers; b"" where there is none."""
    for number in path:
        message = texts(message).get(number, b"")
    return message


def of_bytes(number: int, value: bytes) -> bytes:
    return _written(number << 3 | BYTES) + _written(len(value)) + value


def of_number(number: int, value: int) -> bytes:
    return _written(number << 3 | VARINT) + _written(value)


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for place in range(_LONGEST_VARINT):
        if at >= len(message):
            raise ValueError("cut off")
        byte = message[at]
        at += 1
        value |= (byte & 127) << (7 * place)
        if byte < 128:
            return value, at
    raise ValueError("a number that is too long")


def _written(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    found.append(value)
    return bytes(found)
