"""A2: hostile tokens at a live ingress, each refused for its own reason, its good twin served in the same run."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

from tests.support import tokens
from tests.support.faulty_server import FaultyServer
from tests.support.jwt_attacks import KEYS, OTHER_ISSUER, OTHER_KEYS, Attack, attacks_on_header, attacks_on_signature
from tests.support.jwt_claim_attacks import attacks_on_claims, attacks_on_issuers
from tests.support.jwt_form_attacks import attacks_on_encoding, attacks_on_json
from tests.support.jwt_key_attacks import brought_keys, named_keys, psychic_signatures, shared_secrets
from tests.support.keep_alive import Connections, all_of, get
from tests.support.live import Live
from tests.support.lone_sidecar import HOST, LoneSidecar
from tests.support.published_keys import PublishedKeys
from tests.torture.row import Outcome, Progress, Row

from authz_service.domain.refusals import ANSWERS

_ALGORITHMS = ("RS256", "PS256", "ES256", "ES384")
_AT_LEAST = 571  # the tables' length; a shorter one has lost rows


def hostile_tokens(now: float, mischief: str) -> list[Attack]:
    """The tables of tests/support, as far as a header can carry them and they need no key set of their own."""

    def all_tables() -> Iterator[Attack]:
        for table in (attacks_on_encoding, attacks_on_json, attacks_on_header, attacks_on_signature, attacks_on_claims,
                      attacks_on_issuers, psychic_signatures, shared_secrets):  # fmt: skip
            yield from table(now)
        yield from brought_keys(now, mischief)
        yield from named_keys(now, mischief)

    return [one for one in all_tables() if one.keys == one.twin_keys == KEYS and _is_header_value(one.token)]


async def run(live: Live, size: int, progress: Progress) -> Outcome:
    """And nobody fetches what a token points at."""
    with (
        FaultyServer(address=live.free_address()) as mischief,
        PublishedKeys(
            live,
            {tokens.ISSUER: KEYS, OTHER_ISSUER: OTHER_KEYS},
            audience=tokens.AUDIENCE,
            algorithms=_ALGORITHMS,
            service_tokens="none",  # users', whatever mark of a user a mutation takes away
        ) as published,
        LoneSidecar(live, published.changes) as sidecar,
    ):
        attacks = hostile_tokens(time.time(), mischief.url())
        failures: list[str] = []

        async def attempt(attack: Attack) -> None:
            refused = await door.ask(get("/orders/1", HOST, attack.token))
            if (refused.status, refused.reason) != (ANSWERS[attack.reason].status, attack.reason):
                failures.append(f"{attack.name}: {refused.status} {refused.reason}, not {attack.reason}")
            twin = await door.ask(get("/orders/1", HOST, attack.twin))
            if twin.status != 200:
                failures.append(f"the twin of {attack.name}: {twin.status} {twin.reason}")

        async with Connections(sidecar.place, sidecar.tls(), HOST, count=8) as door:
            async for done in all_of(attacks, attempt, at_once=8):
                progress(done)
        failures += [f"somebody fetched {seen.path}" for seen in mischief.seen()]
        if len(sidecar.echo.seen) != len(attacks):
            failures.append(f"{len(sidecar.echo.seen)} requests at the service, {len(attacks)} twins sent")
    return Outcome(len(attacks), failures, figures={"good twins served": len(sidecar.echo.seen)})


def _is_header_value(token: str) -> bool:
    """HTTP has no room for line breaks, trims spaces at the ends, and ends at 32 KiB."""
    return token == token.strip() and re.fullmatch(r"[ -~\x80-\xff]{1,30000}", token) is not None


ROW = Row(
    id="A2",
    title="hostile tokens",
    promise="each refused for its own reason, its good twin served",
    full=_AT_LEAST,
    sample=_AT_LEAST,
    budget=30,
    run=run,
)
