"""Inputs as docs/policies.md has them and data for policies, made by chance and spoilt. Not the policies (`policies`)."""

# ruff: noqa: E501, Q003 - tables of Rego, one entry beside the other

from __future__ import annotations

import copy
from random import Random
from typing import Any, Final

from authz_rego.values.number import Number
from authz_rego.values.value import UNDEFINED, Value

ROLES: Final = ("admin", "auditor", "customer", "orders:create", "orders:read", "payments:read", "Ärzte", "")
NAMES: Final = ("alice", "bob", "order-service", "api-gateway", "жанна", "user-123", "x")
METHODS: Final = ("GET", "POST", "DELETE", "get")
WORDS: Final = (
    "a", "b", "k", "id", "orders", "payments", "v1", "admin", "GET", "", " ", "o-1", "ß", "ﬀ", "İ", "١٢", "😀", "e\u0301",
    "10.0.0.1", "10.0.0.0/8", "1.2.3", "true", "12", "3.50", "*.pdf", "a/b/c", "2024-02-29T12:00:00Z", "line\nline", '"', "\\",
)  # fmt: skip
NUMBERS: Final = (
    "0", "1", "2", "3", "5", "10", "-1", "-7", "100", "1.5", "2.50", "0.1", "0.2", "1e3", "1.0", "9007199254740993", "12345678901234567890", "-0.5", "4102444800", "1E-2",
)  # fmt: skip
KEYS: Final = ("a", "b", "k", "id", "name", "roles", "role", "why", "v", "x")

# References that are there in most documents, by the kind of what they give.
_BY_KIND: Final[dict[str, tuple[str, ...]]] = {
    "bool": ("input.mtls.verified", "input.token.active", "data.flags.open", "data.flags.strict"),
    "num": (
        "input.token.exp", "input.token.level", "input.token.scores[0]", "input.request.size", "data.limits.orders",
        "data.limits.big", "data.limits.small", "data.matrix[1][0]", "data.users.alice.age",
    ),
    "str": (
        "input.token.sub", "input.token.azp", "input.request.method", "input.request.path", "input.request.host",
        "input.request.segments[0]", "input.mtls.subject.CN", 'input.headers["X-User-Context"]', "input.route",
        "input.headers[\"X-Correlation-ID\"]", "data.users.alice.name", "data.routes[0].path", "data.names[1]",
        'data["odd-name"]["k k"]', "input.token.groups[1]", "data.version",
    ),
    "strs": (
        "input.token.realm_access.roles", "input.token.groups", "input.request.segments", "input.mtls.san.uri",
        "input.request.query.expand", "data.users.alice.roles", "data.names", "data.routes[0].roles", "data.grants.admin",
        "data.nets",
    ),
    "nums": ("input.token.scores", "data.matrix[0]", "data.levels"),
    "objs": ("input.token.grants", "data.routes", "data.items"),
    "obj": (
        "input.token", "input.mtls.subject", "input.headers", "input.request.query", "input.request", "data.users",
        "data.users.alice", "data.grants", "data.limits", "input.token.realm_access", "data.routes[0]", "input.mtls",
        "data.users.bob", "data.graph", "input",
    ),
    "any": (
        "input.token.extra", "input.token.realm_access", "data.matrix", "input.request.query", "data.odd", "input.route",
        "input.token.missing", "data.users.nobody", "input.missing.more", "data.missing", "data.odd[0]", "data.users.alice",
        "input.token.grants", "data.items[1]",
    ),
}  # fmt: skip

# References of any kind, about which OPA's type checker knows nothing.
REFERENCES: Final = _BY_KIND | {"dyn": tuple(each for given in _BY_KIND.values() for each in given if each != "input")}

_ODD: Final[tuple[Value, ...]] = (
    None, True, False, 0, 1, -1, Number("1.0"), Number("0.5"), Number("1e3"), 2**64 + 1, "", "true", "admin", "ß", [], [None],
    {}, {"": ""}, [[]], {"a": {"b": {"k": ["admin", 1]}}}, ["a", 1, None], [1, 2, 3], "\u0000", "😀", {"roles": ["admin"]},
    [["admin"], ["a", "b"]], {"1": 1}, "1", [True],
)  # fmt: skip


def an_input(chance: Random) -> Value:
    """Half of them are good or nearly so; in the others many members are missing or odd."""
    if chance.random() < 0.04:
        return chance.choice((UNDEFINED, None, {}, [], "", 1, True, _token(chance)))
    asked = _whole_input(chance)
    for _ in range(chance.choice((0, 0, 0, 1, 1, 2, 4, 8))):
        spoil(asked, chance)
    return asked


def some_data(chance: Random) -> dict[str, Value]:
    """What lies beside the policies."""
    data = _whole_data(chance)
    for _ in range(chance.choice((0, 0, 0, 0, 1, 2, 5))):
        spoil(data, chance)
    return data


def spoil(document: Any, chance: Random) -> None:
    """Takes a member out of the document, or puts something odd in its place."""
    place = document
    while isinstance(place, (dict, list)) and place:
        name = chance.choice(sorted(place)) if isinstance(place, dict) else chance.randrange(len(place))
        if isinstance(place[name], (dict, list)) and place[name] and chance.random() < 0.75:
            place = place[name]
        elif chance.random() < 0.4:
            del place[name]
            return
        else:
            place[name] = copy.deepcopy(chance.choice(_ODD))
            return


def odd_value(chance: Random) -> Value:
    return copy.deepcopy(chance.choice(_ODD))


def _whole_input(chance: Random) -> dict[str, Value]:
    segments = chance.choice((["orders"], ["orders", "o-1"], [], ["payments", "p", ""], ["admin"], ["a", "b", "c"]))
    return {
        "mtls": {
            "verified": chance.random() < 0.8,
            "subject": {"CN": chance.choice(NAMES), "O": "MyOrg"},
            "san": {"uri": [f"spiffe://mesh/zone1/{chance.choice(NAMES)}"], "dns": []},
        },
        "token": _token(chance),
        "request": {
            "method": chance.choice(METHODS),
            "path": "/" + "/".join(segments),
            "segments": segments,
            "query": {"expand": _several(chance, ("items", "owner", "a")), "id": [chance.choice(WORDS)]},
            "host": chance.choice(("order-service.zone2.local:8443", "h")),
            "size": _number(chance),
        },
        "headers": {"X-User-Context": chance.choice(NAMES), "X-Correlation-ID": "req-1"},
        "route": chance.choice(("default", "public", "admin")),
        "decision_id": "d-1",
    }


def _token(chance: Random) -> dict[str, Value]:
    return {
        "sub": chance.choice(NAMES),
        "azp": chance.choice(NAMES),
        "exp": chance.choice((4102444800, 1, 1763251199, Number("1763251199.5"))),
        "active": chance.random() < 0.7,
        "level": _number(chance),
        "realm_access": {"roles": _several(chance, ROLES)},
        "groups": _several(chance, NAMES),
        "scores": [_number(chance) for _ in range(chance.randrange(4))],
        "grants": [_grant(chance) for _ in range(chance.randrange(4))],
        "extra": odd_value(chance),
    }


def _grant(chance: Random) -> Value:
    grant = {"k": chance.choice("ab"), "v": _number(chance), "role": chance.choice(ROLES), "why": chance.choice(WORDS)}
    for name in [*grant]:
        if chance.random() < 0.2:
            del grant[name]
    return grant


def _whole_data(chance: Random) -> dict[str, Value]:
    return {
        "users": {
            "alice": {"name": "alice", "roles": _several(chance, ROLES), "age": _number(chance)},
            "bob": {"name": "bob", "roles": ["customer"], "age": 5, "a": {"b": 1}},
            "жанна": {"roles": []},
        },
        "grants": {"admin": ["orders:create", "orders:read"], "customer": ["orders:read"], "x": []},
        "limits": {"orders": 10, "big": 12345678901234567890, "small": Number("2.50")},
        "nets": ["10.0.0.0/8", "192.168.1.0/24", "::1/128"],
        "names": _several(chance, NAMES),
        "levels": [1, 2, Number("3.0")],
        "routes": [
            {"method": "GET", "path": "/orders", "roles": ["orders:read", "admin"]},
            {"method": "POST", "path": "/orders", "roles": ["orders:create"]},
        ],
        "items": [{"id": 1, "k": "a"}, {"id": 2, "k": "b", "v": None}, {"id": Number("1.0")}],
        "matrix": [[1, 2], [3, 4, 5], []],
        "graph": {"a": ["b", "c"], "b": ["c"], "c": [], "k": ["a", "k"]},
        "flags": {"open": True, "strict": False},
        "odd-name": {"k k": "v"},
        "odd": odd_value(chance),
        "version": chance.choice(("1.2.3", "v1", "1.10.0-rc.1")),
    }


def _several(chance: Random, given: tuple[str, ...]) -> list[Value]:
    return [chance.choice(given) for _ in range(chance.randrange(4))]


def _number(chance: Random) -> Value:
    text = chance.choice(NUMBERS)
    return int(text) if text.lstrip("-").isdigit() else Number(text)
