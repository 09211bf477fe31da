"""Hostile claims under a good signature, and hostile key sets, each beside its good twin (SECURITY T8, T17, A2)."""

import json
from collections.abc import Iterator, Sequence

from tests.support import tokens
from tests.support.jwt_attacks import EC, EC384, OTHER_ISSUER, OTHER_REALM, RSA, Attack
from tests.support.tokens import AUDIENCE, ISSUER, LEEWAY, NOW, Signer, b64, good_claims, jwk, jwks, mint

from authz_service.domain.refusals import Reason

_KEEP = object()
_INVALID = Reason.TOKEN_CLAIMS_INVALID


def attacks_on_claims(now: float = NOW) -> Iterator[Attack]:
    """What the right issuer signed, but not for us, not for now, not this kind of token, or not of this type."""

    def rows(claim: str, reason: Reason, values: Sequence[object], twin: object = _KEEP) -> Iterator[Attack]:
        good = mint(good_claims(now) if twin is _KEEP else good_claims(now, **{claim: twin}))
        for value in values:
            name = f"{claim}: {'absent' if value is ... else json.dumps(value)[:40]}"
            yield Attack(name, reason, mint(good_claims(now, **{claim: value})), good)

    wrong_issuers = [f"{ISSUER}/", ISSUER.upper(), f"{ISSUER}/../services", ISSUER[:-1], "", ..., None, [ISSUER], {}, 1]
    yield from rows("iss", Reason.TOKEN_ISSUER_REFUSED, wrong_issuers)
    wrong_audiences = ["order", "order-service-admin", "ORDER-SERVICE", "", [], ["api-gateway"], ..., None]
    yield from rows("aud", Reason.TOKEN_AUDIENCE_REFUSED, wrong_audiences, AUDIENCE)
    yield from rows("aud", _INVALID, [{AUDIENCE: 1}, [AUDIENCE, 1], [[AUDIENCE]], 1, True], [AUDIENCE])
    edge = now - LEEWAY
    yield from rows("exp", Reason.TOKEN_EXPIRED, [edge, edge - 1, 0, 1.5], edge + 20)  # live, 20 s are left for the way
    no_times: list[object] = [
        "x",
        str(int(now) + 300),
        [],
        {},
        None,
        True,
        [int(now) + 300],
        -1,
        (int(now) + 300) * 1000,
        1e300,
    ]
    yield from rows("exp", _INVALID, [*no_times, ...], now + 300.5)
    yield from rows("exp", _INVALID, [253402300800], 253402300799)  # the first second of the year 10000
    future = [now + LEEWAY + 60, now + 86400]
    for claim in ("nbf", "iat"):
        yield from rows(claim, Reason.TOKEN_NOT_YET_VALID, future, now + LEEWAY)
        yield from rows(claim, _INVALID, no_times, ...)
    yield from rows("typ", Reason.TOKEN_TYPE_REFUSED, ["ID", "Refresh", "Offline", "Logout", "DPoP", "", None, []], ...)
    yield from rows(
        "cnf", Reason.TOKEN_TYPE_REFUSED, [{"jkt": "abc"}, {"x5t#S256": "a" * 43, "jkt": "abc"}, {}, None], ...
    )
    yield from rows("cnf", _INVALID, [{"x5t#S256": "abc"}, {"x5t#S256": None}])
    names: list[object] = [
        "", " ", " admin", "admin ", "admin\r\nx-user-id: root", "admin\n", "a\0b", "a\tb", "\u202eadmin", "a\u00a0b",
        "a\u200bb", "a\u0085b", "a\u2028b", "\ufeffadmin", "\u2066admin", "a\x7fb", "\ud800", "x" * 256,
        {}, [], ["admin"], 1, True, None,
    ]  # fmt: skip
    yield from rows("sub", _INVALID, [*names, ...], "Ünï cödé" + "x" * 247)
    for claim, absent in (("azp", ""), ("client_id", None), ("preferred_username", ...), ("email", None)):
        yield from rows(claim, _INVALID, [name for name in names if name not in ("", None)], absent)
    yield from rows("scope", _INVALID, [["open id"], [""], ["openid", 1], 1, {}], ["openid"])
    no_roles = [{"roles": "admin"}, {"roles": [1]}, {"roles": [["admin"]]}, {"roles": {"admin": 1}}]
    yield from rows("realm_access", _INVALID, [*no_roles, [], "admin", ["roles"]], {"roles": None})
    yield from rows("resource_access", _INVALID, [{"a": {}, "b": bad} for bad in no_roles], {"a": {"roles": ["x"]}})
    yield from rows("resource_access", _INVALID, [[], "x", {"a": []}, {"a": ["x"]}], {"a": None})
    yield from rows("x", _INVALID, ["\ud800", {"\udfff": 1}, [["\udc00"]]], "\U0001f600")


def attacks_on_issuers(now: float = NOW) -> Iterator[Attack]:
    """One issuer's key for another issuer's token. Both are configured, each with its own keys."""
    theirs = good_claims(now, iss=OTHER_ISSUER)
    twin = mint(theirs, signer=OTHER_REALM)
    yield Attack("our key, their name", Reason.TOKEN_KEY_UNKNOWN, mint(theirs), twin)
    as_theirs = mint(theirs, signer=RSA._replace(kid=OTHER_REALM.kid))
    yield Attack("our key, their name and kid", Reason.TOKEN_SIGNATURE_INVALID, as_theirs, twin)
    ours = mint(good_claims(now), signer=OTHER_REALM)
    yield Attack("their key, our name", Reason.TOKEN_KEY_UNKNOWN, ours, mint(good_claims(now)))


def attacks_on_keys(now: float = NOW) -> Iterator[Attack]:
    """Keys that were published, but not to verify tokens with."""
    claims = good_claims(now)
    rsa, small = Signer("k", "RS256", tokens.rsa_key()), Signer("k", "RS256", tokens.rsa_key("small", 1024))
    cube = Signer("k", "RS256", tokens.rsa_key("cube", 2048, 3))
    ec, ed = EC._replace(kid="k"), Signer("k", "RS256", tokens.ed_key())
    good = jwks(jwk(EC384), jwk(rsa))
    private = tokens.rsa_key().private_numbers()

    def row(name: str, *published: object, signer: Signer = rsa, twin_keys: str = good) -> Attack:
        token, twin = mint(claims, signer=signer), mint(claims, signer=ec if twin_keys is ec_good else rsa)
        keys = json.dumps({"keys": [jwk(EC384), *published]})
        return Attack(f"key: {name}", Reason.TOKEN_KEY_UNKNOWN, token, twin, keys, twin_keys)

    ec_good = jwks(jwk(EC384), jwk(ec))
    x, y = str(jwk(ec)["x"]), str(jwk(ec)["y"])
    point = tokens.ec_key().public_key().public_numbers()
    longer_x, longer_y = b64(point.x.to_bytes(33)), b64(point.y.to_bytes(33))
    n = tokens.rsa_key().public_key().public_numbers().n
    broken: tuple[dict[str, object], ...] = (
        {"use": "enc"}, {"use": None}, {"use": ["sig"]},
        {"key_ops": ["encrypt"]}, {"key_ops": []}, {"key_ops": "verify"},
        {"alg": "RSA-OAEP"}, {"alg": "HS256"}, {"alg": "none"}, {"alg": None}, {"alg": "ES256"}, {"alg": ["RS256"]},
        {"kty": "oct"}, {"kty": "rsa"}, {"kty": ...}, {"kty": "EC"},
        {"kid": 7}, {"kid": ""}, {"kid": "k" * 257}, {"kid": "other"}, {"kid": ["k"]},
        {"n": ...}, {"n": 5}, {"n": "é"}, {"n": ""}, {"n": f"{jwk(rsa)['n']}="}, {"n": b64((n >> 1).to_bytes(256))},
        {"n": b64((1 << 8192 | 1).to_bytes(1025))},
        {"e": ...}, {"e": "AQAA"}, {"e": "AQAC"}, {"e": "AQ"}, {"e": ""}, {"e": b64((1 << 32 | 1).to_bytes(5))},
        {"d": b64(private.d.to_bytes(256))}, {"p": "AQ"}, {"q": "AQ"}, {"dp": "AQ"}, {"dq": "AQ"}, {"qi": "AQ"},
        {"oth": []}, {"k": "AQ"},
    )  # fmt: skip
    for number, members in enumerate(broken):
        yield row(f"{number} {_summary(members)}", jwk(rsa, **members))
    yield row("not an object", "k", 7, None, [jwk(rsa)])
    yield row("RSA of 1024 bits", jwk(small), signer=small)
    yield row("RSA with exponent 3", jwk(cube), signer=cube)
    yield row("shared secret", {"kty": "oct", "kid": "k", "k": b64(b"x" * 32), "use": "sig"})
    yield row("Ed25519 of 31 bytes", jwk(ed, x=b64(bytes(31)), alg=...))
    yield row("X25519", jwk(ed, crv="X25519", alg=...))
    broken_points: tuple[dict[str, object], ...] = (
        {"crv": "secp256k1"}, {"crv": "P-384"}, {"crv": None}, {"crv": ["P-256"]}, {"x": ...}, {"y": ...},
        {"x": y, "y": x}, {"x": b64(bytes(32)), "y": b64(bytes(32))}, {"x": x[:-2]}, {"x": longer_x}, {"y": longer_y},
        {"x": longer_x, "y": longer_y},
    )  # fmt: skip
    for number, members in enumerate(broken_points):
        yield row(f"EC {number} {_summary(members)}", jwk(ec, **members), signer=ec, twin_keys=ec_good)


def _summary(members: dict[str, object]) -> str:
    """The same in every run: parts of keys, which are made anew, are told by their length."""
    return json.dumps({name: _told(value) for name, value in members.items()})


def _told(value: object) -> object:
    if value is ...:
        return "absent"
    return f"{len(value)} characters" if isinstance(value, str) and len(value) > 10 else value
