"""What the example policies are asked when two implementations are compared: picked by hand, and made by chance."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from itertools import product

from tests.support.example_policies import DATA, GATEWAY, NEVER, ORDER, PAYMENT, Json, Policy, document

GOOD: dict[Policy, tuple[str, str, tuple[tuple[str, list[str]], ...]]] = {
    GATEWAY: ("", "web-app", (("POST", ["api", "v1", "orders"]), ("GET", ["api", "v1", "orders", "o-1"]))),
    ORDER: ("api-gateway-client", "web-app", (("POST", ["orders"]), ("GET", ["orders", "o-1"]))),
    PAYMENT: ("api-gateway-client", "web-app", (("POST", ["payments"]), ("GET", ["orders", "o-1"]))),
    DATA: ("payment-service-client", "payment-service", (("POST", ["payments"]), ("GET", ["orders", "o-1"]))),
}
METHODS = ("GET", "POST", "DELETE", "get")
PATHS: tuple[list[str], ...] = (
    [], [""], ["admin"], ["orders"], ["orders", ""], ["orders", "o-1"], ["orders", "o-1", "x"], ["orders-admin"],
    ["inventory"], ["inventory", "p"], ["payments"], ["payments", "p"], ["api", "v1", "orders"],
    ["api", "v1", "payments"], ["api", "v1", "orders", "o-1"], ["api", "v1", "orders-admin"],
    ["api", "v1", "orders", ""],
)  # fmt: skip
TOKENS: tuple[Json, ...] = (
    {}, {"sub": ""}, {"sub": None}, {"sub": 5}, {"sub": ["john"]}, {"exp": 1}, {"exp": str(NEVER)}, {"exp": None},
    {"exp": []}, {"exp": {}}, {"exp": float(NEVER)}, {"realm_access": {}}, {"realm_access": None},
    {"realm_access": {"roles": []}},
    {"realm_access": {"roles": "orders:create"}}, {"realm_access": {"roles": ["orders:create"]}},
    {"realm_access": {"roles": ["payments:create"]}}, {"realm_access": {"roles": ["payments:read"]}},
    {"realm_access": {"roles": {"x": "orders:create"}}}, {"azp": "order-service"}, {"azp": "api-gateway"}, {"azp": ""},
    {"azp": None}, {"azp": ["payment-service"]},
)  # fmt: skip
PEERS: tuple[Json, ...] = (
    {}, {"verified": False}, {"verified": "true"}, {"verified": None}, {"subject": {}}, {"subject": {"CN": ""}},
    {"subject": {"CN": "api-gateway-client"}}, {"subject": {"CN": "order-service-client"}}, {"subject": {"CN": "evil"}},
    {"subject": {"CN": ["api-gateway-client"]}},
)  # fmt: skip
ROLES = ["customer", "orders:create", "payments:create", "payments:read"]

_ROLES = (
    *ROLES, "orders:read", "admin", "data-service:read", "data-service:write", "inventory:read", "inventory:write",
    "orders:write", "payments:write", "Orders:create", "orders:create ", "",
)  # fmt: skip
_CLIENTS = ("api-gateway", "order-service", "payment-service", "data-service", "web-app", "evil")
_WORDS = ("api", "v1", "orders", "payments", "inventory", "users", "o-1", "x", "", "orders-admin", "%2e", "заказ")
_ODD: tuple[object, ...] = (
    None, True, False, 0, 1, -1, 0.5, 1.0, 1e300, 2**53, "", "true", "orders:create", [], [None], {}, {"": ""}, [[]],
    "\u0000", "\ud7ff", {"roles": ["admin"]},
)  # fmt: skip


def picked_inputs(policy: Policy) -> list[Json]:
    """Good requests, every method on every path, and each other token and peer."""
    peer, token, good = _good(policy)
    asked = [document(peer, token, method, path) for method, path in product(METHODS, PATHS)]
    for method, path in good:
        asked += [document(peer, {**token, **change}, method, path) for change in TOKENS]
        asked += [document({**peer, **change}, token, method, path) for change in PEERS]
        asked += [document(peer, {}, method, path), document({"verified": False, "subject": {}}, token, method, path)]
        asked.append(document(peer, token, method, path) | {"headers": {}})
    return asked


def generated_inputs(policy: Policy, count: int, seed: int = 1) -> Iterator[Json]:
    """The same for the same numbers. About half differ from a good request in a few places, the others in many."""
    chance = random.Random(f"{policy.folder} {seed}")
    peer, token, good = _good(policy)
    for _ in range(count):
        method, path = chance.choice(good)
        asked = copy.deepcopy(document(peer, token, method, path))
        for _ in range(chance.choice((0, 1, 1, 2, 5, 9))):
            chance.choice(_CHANGES)(asked, chance)
        yield asked


def _good(policy: Policy) -> tuple[Json, Json, tuple[tuple[str, list[str]], ...]]:
    name, azp, good = GOOD[policy]
    peer: Json = {"verified": bool(name), "subject": {"CN": name} if name else {}, "san": {"uri": [], "dns": []}}
    return peer, {"sub": "user-123", "azp": azp, "exp": NEVER, "realm_access": {"roles": ROLES}}, good


def _change_method(asked: Json, chance: random.Random) -> None:
    asked["request"]["method"] = chance.choice((*METHODS, "PUT", "PATCH", "HEAD", "POST "))


def _change_path(asked: Json, chance: random.Random) -> None:
    segments = chance.choice((*PATHS, [chance.choice(_WORDS) for _ in range(chance.randrange(5))]))
    asked["request"] |= {"segments": segments, "path": "/" + "/".join(segments)}


def _change_roles(asked: Json, chance: random.Random) -> None:
    asked["token"]["realm_access"] = {"roles": [chance.choice(_ROLES) for _ in range(chance.randrange(5))]}


def _change_client(asked: Json, chance: random.Random) -> None:
    client = chance.choice(_CLIENTS)
    asked["mtls"] |= {"verified": True, "subject": {"CN": f"{client}-client", "O": "MyOrg"}}
    if chance.random() < 0.7:  # as the gate sees to it
        asked["token"] |= {"azp": client, "client_id": client}


def _change_token(asked: Json, chance: random.Random) -> None:
    asked["token"] |= copy.deepcopy(chance.choice(TOKENS))


def _change_peer(asked: Json, chance: random.Random) -> None:
    asked["mtls"] |= copy.deepcopy(chance.choice(PEERS))


def _no_token(asked: Json, _: random.Random) -> None:
    asked["token"] = {}


def _something_odd(asked: Json, chance: random.Random) -> None:
    """Any value, or nothing, at a place of token or subject, whose makers are others; the rest is the gate's."""
    place = chance.choice((asked["token"], asked["mtls"]["subject"]))
    while place:
        name = chance.choice(sorted(place))
        if isinstance(place[name], dict) and place[name] and chance.random() < 0.8:
            place = place[name]
        elif chance.random() < 0.3:
            del place[name]
            return
        else:
            place[name] = copy.deepcopy(chance.choice(_ODD))
            return


_CHANGES = (
    _change_method, _change_path, _change_path, _change_roles, _change_roles, _change_client, _change_client,
    _change_token, _change_peer, _no_token, _something_odd, _something_odd,
)  # fmt: skip
