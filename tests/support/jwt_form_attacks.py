"""Hostile tokens, each beside its good twin: anything that two decoders could read in two ways (SECURITY T17, A2)."""

import json
from collections.abc import Callable, Iterator

from tests.support.jwt_attacks import RSA, Attack
from tests.support.tokens import NOW, as_json, b64, good_claims, mint, sign

from authz_service.domain.refusals import Reason


def attacks_on_encoding(now: float = NOW) -> Iterator[Attack]:
    """Segments, base64url and length."""

    def row(name: str, token: str, twin: str | None = None) -> Attack:
        return Attack(name, Reason.TOKEN_MALFORMED, token, twin or good)

    claims = good_claims(now)
    good = mint(claims)
    header, payload, signature = good.split(".")
    marked = mint(good_claims(now, mark="?~" * 40))  # its base64 has _ and - at every alignment
    yield row("empty", "")
    yield row("two segments", f"{header}.{payload}")
    yield row("four segments", f"{good}.")
    yield row("five segments, as a JWE has", f"{good}.{payload}.{signature}")
    yield row("dots alone", "..")
    yield row("JSON serialisation", json.dumps({"protected": header, "payload": payload, "signature": signature}))
    yield row("padded header", f"{header}{'=' * (-len(header) % 4) or '===='}.{payload}.{signature}")
    yield row("padded payload", f"{header}.{payload}=.{signature}")
    yield row("padded signature", f"{good}==")
    yield row("base64 instead of base64url", marked.replace("_", "/").replace("-", "+"), marked)
    yield row("trailing bits in the signature", good[:-1] + _next_letter(good[-1]))
    short = next(text for spaces in range(3) if len(b64((text := json.dumps(claims) + " " * spaces).encode())) % 4)
    odd = mint(short.encode())
    yield row(
        "trailing bits in the payload",
        _with_payload(odd, lambda segment: segment[:-1] + _next_letter(segment[-1])),
        odd,
    )
    yield row("a line break inside", _with_payload(good, lambda segment: f"{segment[:8]}\n{segment[8:]}"))
    yield row("a space behind", f"{good} ")
    yield row("a space before", f" {good}")
    yield row("a NUL behind", f"{good}\0")
    yield row("a letter that is not ASCII", f"{good}é")
    yield row("half of a surrogate pair outside", f"{good}\ud800")
    too_long, longest = _of_length(16 * 1024 + 1, now), _of_length(16 * 1024, now)
    yield Attack("one character too long", Reason.TOKEN_TOO_LONG, too_long, longest)
    yield Attack("a megabyte", Reason.TOKEN_TOO_LONG, good + "A" * (1 << 20), good)
    yield row("no payload", f"{header}..{signature}")


def attacks_on_json(now: float = NOW) -> Iterator[Attack]:
    """Character sets, repeated members, depth and numbers."""

    def row(name: str, token: str, twin: str | None = None) -> Attack:
        return Attack(name, Reason.TOKEN_MALFORMED, token, twin or good)

    def raw(payload: bytes, header: bytes | None = None) -> str:
        return mint(payload, header=header)

    text = json.dumps(good_claims(now))
    body = text[1:-1].encode()
    good = raw(text.encode())
    yield row("a byte order mark before the header", raw(text.encode(), b"\xef\xbb\xbf" + _a_header()))
    yield row("a byte order mark before the payload", raw(b"\xef\xbb\xbf" + text.encode()), raw(text.encode()))
    yield row("UTF-16", raw(text.encode("utf-16-le")), raw(text.encode()))
    yield row("Latin-1", raw(b'{"x":"\xe9",' + body + b"}"), raw('{"x":"é",'.encode() + body + b"}"))
    yield row("overlong UTF-8", raw(b'{"x":"\xc0\xaf",' + body + b"}"), raw(b'{"x":"/",' + body + b"}"))
    yield row("the header is a list", raw(text.encode(), b"[" + _a_header() + b"]"))
    yield row("the payload is a list", raw(f"[{text}]".encode()), raw(text.encode()))
    yield row(
        "the payload is a token", raw(good.encode(), _a_header(cty="JWT")), raw(text.encode(), _a_header(cty="JWT"))
    )
    yield row("alg twice", raw(text.encode(), b'{"alg":"none",' + _a_header()[1:]), raw(text.encode(), _a_header()))
    yield row("kid twice", raw(text.encode(), b'{"kid":"x",' + _a_header()[1:]), raw(text.encode(), _a_header()))
    yield row("sub twice", raw(b'{"sub":"admin",' + body + b"}"), raw(b"{" + body + b"}"))
    yield row("sub twice, once escaped", raw(b'{"s\\u0075b":"admin",' + body + b"}"))
    yield row("roles twice", raw(text.replace('"roles": [', '"roles": ["admin"], "roles": [', 1).encode()))
    yield row("65 levels", mint(good_claims(now, x=_nested(64))), mint(good_claims(now, x=_nested(63))))
    yield row("65 levels of objects", raw(b'{"x":' + b'{"x":' * 63 + b"{}" + b"}" * 63 + b"," + body + b"}"))
    yield row("5,000 levels", raw(b'{"x":' + b"[" * 5000 + b"]" * 5000 + b"," + body + b"}"))
    yield row("5,000 open brackets", raw(b'{"x":' + b"[" * 5000))
    yield row("NaN", raw(b'{"x":NaN,' + body + b"}"), raw(b'{"x":1,' + body + b"}"))
    yield row("Infinity", raw(b'{"x":-Infinity,' + body + b"}"), raw(b'{"x":-1,' + body + b"}"))
    yield row("1e400000", raw(b'{"x":1e400000,' + body + b"}"), raw(b'{"x":1e999,' + body + b"}"))
    yield row("1e-400000", raw(b'{"x":1e-400000,' + body + b"}"), raw(b'{"x":1e-999,' + body + b"}"))
    many = b"9" * 5000
    yield row(
        "5,000 digits after a zero",
        raw(b'{"x":0' + many + b"," + body + b"}"),
        raw(b'{"x":' + many + b"," + body + b"}"),
    )
    yield row("two documents", raw(text.encode() + b"{}"), raw(text.encode() + b"\n"))
    yield row("a comment", raw(b"{/**/" + body + b"}"))
    yield row("single quotes", raw(text.replace('"', "'").encode()))
    yield row("a trailing comma", raw(b"{" + body + b",}"))
    yield row("a raw line break in a string", raw(b'{"x":"\n",' + body + b"}"), raw(b'{"x":"\\n",' + body + b"}"))


def _a_header(**changes: object) -> bytes:
    return as_json({"alg": RSA.alg, "typ": "JWT", "kid": RSA.kid, **changes})


def _next_letter(letter: str) -> str:
    """The letter whose six bits differ in the last one only, which the canonical form leaves at zero."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return alphabet[alphabet.index(letter) ^ 1]


def _with_payload(token: str, change: Callable[[str], str]) -> str:
    """The token with another form of its payload, signed as it then stands."""
    header, payload, _ = token.split(".")
    signing_input = f"{header}.{change(payload)}"
    return f"{signing_input}.{b64(sign(RSA, signing_input.encode('utf-8', 'surrogatepass')))}"


def _of_length(length: int, now: float) -> str:
    """A good token of exactly this many characters. Four hold three bytes: the kid's length makes up the rest."""
    signers = [RSA, RSA._replace(kid="k" * 256)]
    for signer in signers:
        for spare in range(4):
            size = (length - len(mint(good_claims(now, pad=""), signer=signer))) * 3 // 4 - spare
            token = mint(good_claims(now, pad="x" * size), signer=signer)
            if len(token) == length:
                return token
    raise AssertionError(length)  # pragma: no cover - one of the two always fits


def _nested(levels: int) -> object:
    value: object = "x"
    for _ in range(levels):
        value = [value]
    return value
