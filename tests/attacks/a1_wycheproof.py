"""A1: the JWS vectors of C2SP/wycheproof, as they are and carried over to claims of ours, at a live ingress.

Their payloads are no claims ("foo"), so whoever refuses the payload refuses all of them. Hence three times:

* the vector as it is, to the live ingress: none may pass;
* its header, key and signature, to the verifier's own steps: exactly the valid ones hold, but for `DEVIATIONS`;
* its header and forgery with good claims in between, under the group's key, published by an issuer of its own, to the
  live ingress: none may pass; the same claims rightly signed by that key pass wherever the key is one to verify with.
"""

from __future__ import annotations

import itertools
import json
import time

from tests.support import tokens
from tests.support.keep_alive import Connections, all_of, get
from tests.support.live import Live
from tests.support.lone_sidecar import HOST, LoneSidecar
from tests.support.published_keys import ALGORITHMS, PublishedKeys
from tests.support.wycheproof import Group, Vector, carried_over, signer, vectors
from tests.torture.row import Outcome, Progress, Row

from authz_service.domain import base64url
from authz_service.domain.refusals import Rejected
from authz_service.domain.signatures import is_signed_by
from authz_service.identity import strict_jwt
from authz_service.identity.key_set import usable_keys
from authz_service.identity.strict_json import decode_object

_FILLER = tokens.an_rsa_signer()._replace(kid="filler")  # an issuer without any usable key would never be ready
# Written before the run: which valid vectors we refuse, by the group's key or the header's algorithm.
DEVIATIONS = {
    "a shared secret": "HS256 proves nothing where keys are published; asymmetric algorithms only (RFC 8725 §3.1)",
    "ES521": "the key's `alg` is ES521, which is no registered algorithm (RFC 7518 §3.1 has ES512)",
    "PS384 under a PS256 key": "the key's `alg` is PS256, the header's PS384: a key has one algorithm (RFC 8725 §3.1)",
}


async def run(live: Live, size: int, progress: Progress) -> Outcome:
    """0 false accepts; each valid vector that is refused is a deviation with its reason."""
    chosen = vectors()[:: max(1, len(vectors()) // size)][:size]
    failures, deviations = _signature_layer(chosen)
    groups = [next(each).group for _, each in itertools.groupby(chosen, lambda vector: vector.group.number)]
    key_sets = {group.issuer: tokens.jwks(group.published, tokens.jwk(_FILLER)) for group in groups}
    with (
        PublishedKeys(live, key_sets, audience=tokens.AUDIENCE) as published,
        LoneSidecar(live, published.changes) as sidecar,
    ):
        live_row = _LiveRow(sidecar)
        async with Connections(sidecar.place, sidecar.tls(), HOST, count=8) as live_row.door:
            async for done in all_of(chosen, live_row.attempt, at_once=8):
                progress(done)
            for group in groups:
                await live_row.attempt_twin(group)
        if len(sidecar.echo.seen) != live_row.served:
            failures.append(f"{len(sidecar.echo.seen)} requests at the service, {live_row.served} twins served")
    figures: dict[str, str | int | float] = {
        "carried over": live_row.carried,
        "good twins served": live_row.served,
        "valid and refused": len(deviations),
    }
    return Outcome(len(chosen), failures + live_row.failures, deviations, figures)


class _LiveRow:
    """Sends and judges."""

    door: Connections

    def __init__(self, sidecar: LoneSidecar) -> None:
        self._sidecar = sidecar
        self.failures: list[str] = []
        self.carried = self.served = 0

    async def attempt(self, vector: Vector) -> None:
        """As it is, and carried over unless it is a right signature, which over another payload is merely wrong too."""
        as_it_is = await self.door.ask(get("/orders/1", HOST, vector.jws))
        if as_it_is.status != 401:
            self.failures.append(f"{vector.name} as it is: {as_it_is.status} {as_it_is.reason}")
        token = carried_over(vector, _claims(vector.group)) if not vector.valid else None
        if token is None:
            return
        self.carried += 1
        answer = await self.door.ask(get("/orders/1", HOST, token))
        if answer.status != 401:
            self.failures.append(f"{vector.name} carried over: {answer.status} {answer.reason}")

    async def attempt_twin(self, group: Group) -> None:
        """The same claims, rightly signed by the group's key."""
        twin = signer(group)
        expected = 401 if twin is None or _why_no_key(group) else 200
        signed = twin or tokens.Signer(group.private["kid"], "RS256", _FILLER.key)
        token = tokens.mint(_claims(group), signer=signed)
        answer = await self.door.ask(get("/orders/1", HOST, token))
        self.served += answer.status == 200
        if answer.status != expected:
            self.failures.append(f"the twin of group {group.number} ({group.name}): {answer.status} {answer.reason}")


def _signature_layer(chosen: tuple[Vector, ...]) -> tuple[list[str], list[str]]:
    """Failures and deviations of the verifier's own steps: strict base64url, header, key set, signature."""
    failures, deviations = [], []
    for vector in chosen:
        accepted = _signature_holds(vector)
        why = _expected_deviation(vector) if vector.valid else ""
        if accepted != (vector.valid and not why):
            failures.append(f"{vector.name}: {'accepted' if accepted else 'refused'} by the signature's check")
        elif why:
            deviations.append(f"{vector.name} is valid and refused: {why}")
    return failures, deviations


def _signature_holds(vector: Vector) -> bool:
    """As strict_jwt.decode and TokenVerifier do it, but for the payload, which is no JSON here."""
    try:
        header, payload, signature = vector.jws.encode("ascii").split(b".")
        algorithm, kid, _ = strict_jwt._require_header(decode_object(base64url.decode(header).decode()))
        base64url.decode(payload)
        proof = base64url.decode(signature)
    except (Rejected, ValueError):
        return False
    keys = usable_keys(json.dumps({"keys": [vector.group.published]}))
    if algorithm not in ALGORITHMS:
        return False
    fitting = [key for key in keys.get(kid or "", ()) if algorithm in key.algorithms]
    return any(is_signed_by(key, algorithm, header + b"." + payload, proof) for key in fitting)


def _expected_deviation(vector: Vector) -> str:
    """The reason, or "": the valid vector must be accepted."""
    group = vector.group
    if group.published["kty"] == "oct":
        return DEVIATIONS["a shared secret"]
    if group.published.get("alg") == "ES521":
        return DEVIATIONS["ES521"]
    if group.name.startswith("rfc7520") and group.published["alg"] == "PS256":
        return DEVIATIONS["PS384 under a PS256 key"]
    return ""


def _why_no_key(group: Group) -> str:
    """Why the group's key is none to verify with, or ""."""
    published = group.published
    if published.get("use", "sig") != "sig" or "verify" not in published.get("key_ops", ["verify"]):
        return "not for signatures"
    return DEVIATIONS["ES521"] if published.get("alg") == "ES521" else ""


def _claims(group: Group) -> bytes:
    return tokens.as_json(tokens.good_claims(time.time(), iss=group.issuer))


ROW = Row(
    id="A1",
    title="JWS vectors of C2SP/wycheproof",
    promise="0 false accepts; each valid vector that is refused is listed",
    full=401,
    sample=80,
    budget=60,
    run=run,
)
