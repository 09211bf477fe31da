"""OPA's `uuid.parse`. Not the making of UUIDs: chance has no place in a decision."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from authz_rego.builtins.go_calendar import int64
from authz_rego.builtins.operands import string_operand
from authz_rego.errors import BuiltinError
from authz_rego.values.byte_texts import raw_of
from authz_rego.values.value import Value

# What stands in place of the braces is not looked at, and counts in bytes.
_FORM: Final = re.compile(
    rb"(?:[uU][rR][nN]:[uU][uU][iI][dD]:)?([0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12})|([0-9a-fA-F]{32})"
)
_GREGORIAN: Final = 141_427 * 86_400 * 10_000_000  # from 1582-10-15 to 1970-01-01, in units of 100 ns
_DOMAINS: Final = {0: "Person", 1: "Group", 2: "Org"}


def _parse(value: Value) -> dict[str, Value]:
    content = raw_of(string_operand(value, 1))
    match = _FORM.fullmatch(content[1:-1] if len(content) == 38 else content)
    if match is None or (len(content) == 38 and match[1] is None):
        raise BuiltinError("not a UUID")
    return _described(bytes.fromhex((match[1] or match[2]).replace(b"-", b"").decode()))


def _described(uuid: bytes) -> dict[str, Value]:
    version = uuid[6] >> 4
    found: dict[str, Value] = {"version": version, "variant": _variant(uuid[8])}
    if version not in {1, 2}:
        return found
    node = uuid[10:]
    ticks = int.from_bytes(uuid[:4]) | int.from_bytes(uuid[4:6]) << 32 | (int.from_bytes(uuid[6:8]) & 0xFFF) << 48
    found |= {
        "time": int64((ticks - _GREGORIAN) * 100),
        "nodeid": node.hex("-"),
        "macvariables": f"{'local' if node[0] & 2 else 'global'}:{'multicast' if node[0] & 1 else 'unicast'}",
        "clocksequence": int.from_bytes(uuid[8:10]) & 0x3FFF,
    }
    if version == 2:
        found |= {"id": int.from_bytes(uuid[:4]), "domain": _DOMAINS.get(uuid[9], f"Domain{uuid[9]}")}
    return found


def _variant(byte: int) -> str:
    if byte & 0xC0 == 0x80:
        return "RFC4122"
    if byte & 0xE0 == 0xC0:
        return "Microsoft"
    return "Future" if byte & 0xE0 == 0xE0 else "Reserved"


FUNCTIONS: dict[str, Callable[..., Value]] = {"uuid.parse": _parse}
