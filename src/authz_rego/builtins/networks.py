"""OPA's `net.*` that need no network. Not the addresses themselves (`ip_addresses`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from authz_rego.builtins.bounds import beyond_bounds
from authz_rego.builtins.cidr_merging import Crash, merged
from authz_rego.builtins.ip_addresses import Network, address_text, as_ipv4, find_address, find_network
from authz_rego.builtins.operands import string_operand
from authz_rego.errors import BuiltinError
from authz_rego.values.value import Value, key_of, value_of

_MOST_ADDRESSES: Final = 2**18
_MOST_PAIRS: Final = 2**21


def _require_network(value: Value) -> Network:
    text = string_operand(value, 1)
    network = find_network(text)
    if network is None:
        raise BuiltinError(f"invalid CIDR address: {text[:64]}")
    return network


def _require_member(value: Value) -> Network | bytes:
    """A network, or an address."""
    address = find_address(string_operand(value, 1))
    return _require_network(value) if address is None else address


def _holds(network: Network, member: Network | bytes) -> bool:
    if isinstance(member, bytes):
        return network.contains(member)
    if _is_plain_ipv6(network) and _is_plain_ipv6(member):
        shift = 128 - network.ones
        same = int.from_bytes(network.address) >> shift == int.from_bytes(member.address) >> shift
        return network.ones <= member.ones and same
    return network.contains(member.address) and network.contains(member.last)


def _is_plain_ipv6(network: Network) -> bool:
    return network.bits == 128 and len(as_ipv4(network.address)) == 16


def _contains(network: Value, member: Value) -> bool:
    return _holds(_require_network(network), _require_member(member))


def _contains_matches(networks: Value, members: Value) -> frozenset[Value]:
    first = [*_entries(networks, 1)]
    second = [*_entries(members, 2)] if first else []
    if not second:
        return frozenset()
    if len(first) * len(second) > _MOST_PAIRS:
        raise beyond_bounds("net.cidr_contains_matches", f"more than {_MOST_PAIRS} pairs")
    parsed = [(_require_member(member), index) for member, index in second]
    found = [
        key_of([index, other])
        for network, index in ((_require_network(text), index) for text, index in first)
        for member, other in parsed
        if _holds(network, member)
    ]
    return frozenset(found)


def _entries(value: Value, position: int) -> Iterator[tuple[Value, Value]]:
    """What is to be compared, and how it is named in the result. There is nothing in a number, as OPA has it."""
    if type(value) is str:
        yield value, value
    elif type(value) is list:
        yield from ((_entry(each, position), index) for index, each in enumerate(value))
    elif type(value) is dict:
        yield from ((_entry(each, position), value_of(key)) for key, each in value.items())
    elif type(value) is frozenset:
        yield from ((_entry(each, position), each) for each in map(value_of, value))


def _entry(value: Value, position: int) -> Value:
    if type(value) is list and value:
        return value[0]
    if type(value) is not str:
        raise BuiltinError(f"operand {position}: element must be string or non-empty array")
    return value


def _expand(value: Value) -> frozenset[Value]:
    network = _require_network(value)
    count = 1 << (network.bits - network.ones)
    if count > _MOST_ADDRESSES:
        raise beyond_bounds("net.cidr_expand", f"more than {_MOST_ADDRESSES} addresses")
    first = int.from_bytes(network.address)
    return frozenset(address_text((first + each).to_bytes(len(network.address))) for each in range(count))


def _intersects(one: Value, other: Value) -> bool:
    first, second = _require_network(one), _require_network(other)
    return first.contains(second.address) or second.contains(first.address)


def _is_valid(value: Value) -> bool:
    return type(value) is str and find_network(value) is not None


def _merge(value: Value) -> frozenset[Value]:
    if type(value) is list:
        networks = [*map(_to_merge, value)]
    elif type(value) is frozenset:
        networks = [*map(_to_merge, map(value_of, value))]
    else:
        raise BuiltinError("operand must be an array")
    try:
        return frozenset(merged(networks))
    except Crash as error:
        raise beyond_bounds("net.cidr_merge", "OPA cannot merge these, and crashes") from error


def _to_merge(value: Value) -> Network:
    """A network, or an IPv4 address: that stands for the network of its class (A, B, C)."""
    if type(value) is not str:
        raise BuiltinError("element must be string")
    address = find_address(value)
    if address is None:
        return _require_network(value)
    address = as_ipv4(address)
    if len(address) != 4:
        raise BuiltinError("IPv6 invalid: needs prefix length")
    return Network(address, 8 if address[0] < 0x80 else 16 if address[0] < 0xC0 else 24, 32)


FUNCTIONS: dict[str, Callable[..., Value]] = {
    "net.cidr_contains": _contains,
    "net.cidr_contains_matches": _contains_matches,
    "net.cidr_expand": _expand,
    "net.cidr_intersects": _intersects,
    "net.cidr_is_valid": _is_valid,
    "net.cidr_merge": _merge,
}
