"""Which headers the service gets for an identity: each one we own is set or removed, never left. Not who decides."""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import sha256
from typing import NamedTuple, TypeGuard

from authz_rego.values.json_text import to_json
from authz_rego.values.value import Value
from authz_service import headers
from authz_service.domain.bounded import Bounded
from authz_service.domain.decision import NO_CLAIMS, NO_PEER, Claims, Peer
from authz_service.domain.refusals import Reason, Rejected
from authz_service.domain.rules import HeaderRules

MAX_BYTES = 8192  # Envoy refuses an answer above 32 KiB with 500, and many a service headers above 8 KiB
_CACHE_SIZE = 4096  # as many as there are verified tokens
_REMOVE = headers.REMOVE.encode()
_USER_KEY = headers.USER_KEY.encode()
_Said = tuple[tuple[str, str], ...]
_Values = dict[str, bytes | None]  # by header; None: it is removed
_OUTER_SPACES = re.compile(r"\A +| +\Z")


class Owned(NamedTuple):
    """What Envoy is told about one request's headers."""

    lines: bytes  # each with CRLF
    shortened: str  # what was too long, for the audit record; "" = nothing


NOTHING_OWNED = Owned(b"", "")


class OwnedHeaders:
    """Turns claims, and what the policy says, into header lines for Envoy's ext_authz answer
    (`allowed_upstream_headers`).
    """

    def __init__(self, rules: HeaderRules) -> None:
        self._inject = tuple((path, name.lower()) for path, name in rules.inject)
        self._hidden = () if rules.pass_token else (rules.auth_header.lower(),)
        self._user_key = rules.user_key
        self._from_policy = tuple(name.lower() for name in rules.from_policy)
        self._cut = rules.cut
        self._blocks: Bounded[tuple[int, bool, _Said], tuple[Claims, Owned]] = Bounded(_CACHE_SIZE)

    def for_app(self, peer: Peer, claims: Claims, said: _Said = ()) -> Owned:
        """For an allowed request; `said`: `Verdict.headers`. Raises Rejected when a claim cannot be a header."""
        key = (id(claims), peer is NO_PEER, said)
        known = self._blocks.get(key)
        if known is not None:
            return known[1]
        block = self._render(peer, claims, said)
        self._blocks[key] = claims, block  # kept, or another token's claims could be given their id
        return block

    def _render(self, peer: Peer, claims: Claims, said: _Said) -> Owned:
        values: _Values = {name: header_value(claim_at(claims.values, path)) for path, name in self._inject}
        values.update(dict.fromkeys((*self._hidden, *self._from_policy)))
        values.update((name, text.encode()) for name, text in said)
        if peer is NO_PEER:
            # A stranger does not say on whose behalf he acts (SECURITY T25).
            values.setdefault(headers.USER_CONTEXT, None)
        key = user_key(claims) if self._user_key and claims is not NO_CLAIMS else b""
        lines = _lines(values, key)
        return Owned(lines, "") if len(lines) <= MAX_BYTES else self._shortened(claims, values, key)

    def _shortened(self, claims: Claims, values: _Values, key: bytes) -> Owned:
        """A user of many groups is not locked out for them. Raises Rejected where other headers are too long."""
        told = []
        # A user's id is short, and what the policy says is its own affair.
        spare = {name: path for path, name in self._inject if path != "sub" and values[name] is not None}
        while len(lines := _lines(values, key)) > MAX_BYTES:
            longest = max(spare, key=lambda name: len(values[name] or b""), default=None)
            if longest is None:
                raise Rejected(Reason.TOKEN_CLAIMS_INVALID, f"the injected headers would exceed {MAX_BYTES} bytes")
            value, excess = values[longest] or b"", len(lines) - MAX_BYTES
            is_list = _is_list_of_strings(claim_at(claims.values, spare.pop(longest)))
            room = len(value) - excess if self._cut and is_list else 0
            values[longest] = value[: room + 1].rpartition(b",")[0] or None if room > 0 else None
            told.append(f"{longest}: {len(value)} bytes {'left out' if values[longest] is None else 'cut'}")
        return Owned(lines, "too long for headers: " + ", ".join(told))


def _lines(values: _Values, key: bytes) -> bytes:
    lines = [name.encode() + b": " + value + b"\r\n" for name, value in values.items() if value is not None]
    if key:
        lines.append(_USER_KEY + b": " + key + b"\r\n")
    removed = [name for name, value in values.items() if value is None]
    if removed:
        lines.append(_REMOVE + b": " + ",".join(removed).encode() + b"\r\n")
    return b"".join(lines)


def without(block: bytes, names: frozenset[str]) -> bytes:
    """The header lines of `for_app` with these names removed from the request instead of set."""
    if not names:
        return block
    dropped = {name.encode() for name in names}
    removed = sorted(dropped)
    lines = []
    for line in block.splitlines(keepends=True):
        name, _, value = line.partition(b": ")
        if name == _REMOVE:
            removed += [one for one in value.strip().split(b",") if one not in dropped]
        elif name not in dropped:
            lines.append(line)
    return b"".join(lines) + _REMOVE + b": " + b",".join(removed) + b"\r\n"


def user_key(claims: Claims) -> bytes:
    """One short word for one user: a `sub` is unique within its issuer only (OpenID Connect Core §2)."""
    subject = claims.values.get("sub")
    who = f"\0{claims.client}" if subject is None else f"{subject}"  # a service may have none; no `sub` begins with NUL
    return sha256(f"{claims.issuer}\0{who}".encode()).hexdigest()[:32].encode()


def claim_at(values: dict[str, Value], path: str | tuple[str, ...]) -> Value:
    """The claim at a dotted path, such as `realm_access.roles`, be it one name or a way through objects; None when
    absent. Raises Rejected where it is both, for two claims that differ could be meant.
    """
    if not isinstance(path, str):
        return _descended(values, path)
    if "." not in path:
        return values.get(path)
    whole, found = values.get(path), _descended(values, path.split("."))
    if whole is not None and found is not None:
        raise Rejected(Reason.TOKEN_CLAIMS_INVALID, f"{path} is there as one claim, and as a way through objects")
    return found if whole is None else whole


def _descended(values: dict[str, Value], names: Iterable[str]) -> Value:
    found: Value = values
    for part in names:
        if not isinstance(found, dict):
            return None
        found = found.get(part)
    return found


def header_value(claim: Value) -> bytes | None:
    """The claim as a header value in UTF-8; None when it has none. Raises Rejected for one with a control character.

    Lists of strings are joined by commas; what would change an item on the way (`,`, `%`, a space at its ends) is
    percent-escaped.
    """
    match claim:
        case None:
            return None
        case str():
            text = claim
        case list() if _is_list_of_strings(claim):
            text = ",".join(map(_list_item, claim))
        case _:
            text = to_json(claim)
    if headers.has_control(text):
        raise Rejected(Reason.TOKEN_CLAIMS_INVALID, "a claim that becomes a header has a control character")
    return text.strip(" ").encode() or None


def _is_list_of_strings(claim: Value) -> TypeGuard[list[str]]:
    return isinstance(claim, list) and all(isinstance(item, str) for item in claim)


def _list_item(item: str) -> str:
    """Else the role " admin" would arrive as "admin"."""
    escaped = item.replace("%", "%25").replace(",", "%2C")
    return _OUTER_SPACES.sub(lambda spaces: "%20" * len(spaces[0]), escaped)
