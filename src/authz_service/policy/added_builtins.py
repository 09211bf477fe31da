"""Builtins of OPA that regorus lacks and policies use: digests, tokens, networks. Not the sidecar's own token check.

`input.token` is verified before the policy is asked (`identity`). What is here is for tokens and signatures that come
otherwise, in a header, say. What OPA calls an error refuses the request, with `policy_error`.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    collapse_addresses,
    ip_address,
    ip_network,
)
from typing import NamedTuple, TypeAlias

from authz_service.policy.token_builtins import decode, decode_verify, verify_hmac, verify_signature
from authz_service.policy.token_keys import BuiltinError, require_text

Network: TypeAlias = IPv4Network | IPv6Network
Address: TypeAlias = IPv4Address | IPv6Address


class Added(NamedTuple):
    """One builtin; gets its arguments as Python values and gives one back."""

    arity: int
    call: Callable[..., object]


def added_builtins(now: Callable[[], float] = time.time) -> dict[str, Added]:
    """By name, as OPA has them. `now` in seconds since the epoch."""
    digests = {name: Added(1, partial(_digest, name)) for name in ("md5", "sha1", "sha256")}
    macs = {name: Added(2, partial(_mac, name)) for name in ("md5", "sha1", "sha256", "sha512")}
    sizes = ("256", "384", "512")
    return {
        "array.flatten": Added(1, _flatten),
        **{f"crypto.{name}": added for name, added in digests.items()},
        **{f"crypto.hmac.{name}": added for name, added in macs.items()},
        "crypto.hmac.equal": Added(2, _equal),
        "io.jwt.decode": Added(1, decode),
        "io.jwt.decode_verify": Added(2, lambda token, rules: decode_verify(token, rules, now() * 1e9)),
        **{f"io.jwt.verify_hs{size}": Added(2, partial(verify_hmac, f"HS{size}")) for size in sizes},
        **{
            f"io.jwt.verify_{kind.lower()}{size}": Added(2, partial(verify_signature, f"{kind}{size}"))
            for kind in ("RS", "PS", "ES")
            for size in sizes
        },
        "io.jwt.verify_eddsa": Added(2, partial(verify_signature, "EdDSA")),
        "net.cidr_contains_matches": Added(2, _contains_matches),
        "net.cidr_intersects": Added(2, lambda one, other: _network(one).overlaps(_network(other))),
        "net.cidr_merge": Added(1, _merge),
    }


def _digest(name: str, text: object) -> str:
    return hashlib.new(name, require_text(text).encode(), usedforsecurity=False).hexdigest()


def _mac(name: str, text: object, key: object) -> str:
    return hmac.new(require_text(key).encode(), require_text(text).encode(), name).hexdigest()


def _equal(one: object, other: object) -> bool:
    return hmac.compare_digest(require_text(one).encode(), require_text(other).encode())


def _flatten(values: object) -> list[object]:
    """One level, as OPA does."""
    if not isinstance(values, list):
        raise BuiltinError("an array is needed")
    return [one for value in values for one in (value if isinstance(value, list) else [value])]


def _network(value: object) -> Network:
    """Of a CIDR; bits beyond the prefix do not count (RFC 4632)."""
    text = require_text(value)
    address, slash, prefix = text.partition("/")
    if not slash or not prefix.isdecimal() or not prefix.isascii() or "%" in address:
        raise BuiltinError(f"not a CIDR: {text[:50]!r}")
    return ip_network((_plain(address), int(prefix)), strict=False)


def _plain(text: str) -> Address:
    """An IPv4 address written as IPv6 is both of them, or neither: OPA's answers to it are not worth having."""
    address = ip_address(text)
    if isinstance(address, IPv6Address) and (address.ipv4_mapped is not None or address.scope_id is not None):
        raise BuiltinError(f"not a plain address: {text[:50]!r}")
    return address


def _network_or_address(value: object) -> Network:
    text = require_text(value)
    return _network(text) if "/" in text else ip_network(_plain(text))


def _merge(values: object) -> set[str]:
    if not isinstance(values, list | set | frozenset):
        raise BuiltinError("an array or a set is needed")
    # OPA takes a single address for all of its class: 10.0.0.1 for 10.0.0.0/8. Nobody means that.
    networks = [_network(value) for value in values]
    fours = [each for each in networks if isinstance(each, IPv4Network)]
    sixes = [each for each in networks if isinstance(each, IPv6Network)]
    return {str(each) for each in (*collapse_addresses(fours), *collapse_addresses(sixes))}


def _contains_matches(networks: object, others: object) -> set[tuple[object, object]]:
    inner = [(index, _network_or_address(other)) for index, other in _indexed(others)]
    return {
        (index, other_index)
        for index, each in _indexed(networks)
        for other_index, other in inner
        if _contains(_network(each), other)
    }


def _contains(network: Network, other: Network) -> bool:
    if isinstance(network, IPv4Network) and isinstance(other, IPv4Network):
        return other.subnet_of(network)
    if isinstance(network, IPv6Network) and isinstance(other, IPv6Network):
        return other.subnet_of(network)
    return False


def _indexed(collection: object) -> Iterator[tuple[object, object]]:
    """What OPA puts into the result, and the network or address itself: the first of each array."""
    pairs: Iterable[tuple[object, object]]
    if isinstance(collection, str):
        pairs = [(collection, collection)]
    elif isinstance(collection, list):
        pairs = enumerate(collection)
    elif isinstance(collection, dict):
        pairs = collection.items()
    elif isinstance(collection, set | frozenset):
        pairs = ((one, one) for one in collection)
    else:
        raise BuiltinError("a string, an array, a set or an object is needed")
    for index, value in pairs:
        if isinstance(value, list | tuple):
            if not value:
                raise BuiltinError("an array in it is empty")
            yield index, value[0]
        else:
            yield index, value
