"""Revocation lists and PKIs of every shape that we know of, and who must refuse the revoked client of each.

Written from RFC 5280 §5 and from what authorities publish (step-ca, AD CS, Boulder, Entrust), before any was tried.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal, NamedTuple

from tests.support.certificates import Authority, Leaf, Life
from tests.support.revocations import OTHER_URL, URL, Scope, below, revocations

NOW = time.time()
DAY = 86_400.0
CALLER = "caller-client"
WEEK, PAST = Life(NOW - 3600, NOW + 7 * DAY), Life(NOW - 7200, NOW - 3600)
EARLIER, FUTURE = Life(NOW - 7200, NOW + 5 * DAY), Life(NOW + DAY, NOW + 2 * DAY)
LONG = Life(NOW - DAY, NOW + 300 * DAY)

ROOT, OTHER_ROOT = Authority("shapes-root", LONG), Authority("shapes-other-root", LONG)
ISSUING, SECOND = Authority("shapes-issuing", LONG, ROOT), Authority("shapes-second", LONG, ROOT)
CROSSED = Authority("shapes-crossed", LONG, ROOT)
CROSS = Authority("shapes-crossed", LONG, OTHER_ROOT, key=CROSSED.private)  # the same, signed by the other root
NEW_ROOT = Authority("shapes-new-root", LONG)
NEW_BY_OLD = Authority("shapes-new-root", LONG, ROOT, key=NEW_ROOT.private)
REKEYED = Authority("shapes-root", LONG)  # the root's name, and another key
OLD_KEY, NEW_KEY = (Authority("shapes-rekeyed", LONG, identified=True) for _ in range(2))
AT, AT_OTHER, USERS, CAS = Scope(url=URL), Scope(url=OTHER_URL), Scope(only_user=True), Scope(only_ca=True)
DIRECTORY, RELATIVE, INDIRECT = Scope(directory=True), Scope(relative=True), Scope(indirect=True)
REASONS, ATTRIBUTES = Scope(reasons=True), Scope(only_attribute=True)


def of(authority: Authority, *serials: int, scope: Scope | None = None, life: Life = WEEK, **more: bool) -> bytes:
    return revocations(authority, *serials, life=life, scope=scope, **more)


def three_authorities(serial: int) -> bytes:
    return of(ROOT) + of(OTHER_ROOT) + of(CROSSED, serial)


def by_other_root(serial: int) -> bytes:
    return of(OTHER_ROOT) + of(CROSSED, serial)


def rekeyed_without_identifiers(serial: int) -> bytes:
    """As `of`, of two authorities which say which is which, by lists that do not."""
    return OLD_KEY.revoke(life=WEEK) + NEW_KEY.revoke(serial, life=WEEK)


class Shape(NamedTuple):
    name: str
    by: Literal["envoy", "gate", "nobody"]  # who refuses the revoked; nobody: the file is refused
    lists: Callable[[int], bytes]  # the serial that is revoked
    bundle: tuple[Authority, ...] = (ROOT,)
    chain: tuple[Authority, ...] = ()  # what the client sends beside its own
    url: str | None = None  # that the client's certificate names
    expired: Literal["deny", "ignore"] = "deny"
    told: str = ""  # what is said: of a file that is refused, or as a warning

    def clients(self) -> tuple[Leaf, Leaf]:
        """A good one, and one that is revoked."""
        signer = self.chain[0] if self.chain else self.bundle[-1]
        sent = b"".join(one.pem for one in self.chain)
        good, revoked = (below(signer, url=self.url, name=CALLER) for _ in range(2))
        return good._replace(certificate=good.certificate + sent), revoked._replace(
            certificate=revoked.certificate + sent
        )

    @property
    def trusted(self) -> bytes:
        return b"".join(one.pem for one in self.bundle)


BOTH, BELOW = (ROOT, ISSUING), (ISSUING,)
SHAPES = [
    Shape("root only", "envoy", lambda s: of(ROOT, s)),
    Shape("version 1", "envoy", lambda s: of(ROOT, s, version_1=True)),
    Shape("30,000 entries", "envoy", lambda s: of(ROOT, s, *range(1_000_000, 1_030_000))),
    Shape("the client names a place", "envoy", lambda s: of(ROOT, s), url=URL),
    Shape("root and issuing, both in the bundle", "envoy", lambda s: of(ROOT) + of(ISSUING, s), BOTH),
    Shape("issuing is sent by the client", "envoy", lambda s: of(ROOT) + of(ISSUING, s), (ROOT,), BELOW),
    Shape("two issuing", "envoy", lambda s: of(ROOT) + of(ISSUING) + of(SECOND, s), (*BOTH, SECOND)),
    Shape("two roots", "envoy", lambda s: of(ROOT) + of(OTHER_ROOT, s), (ROOT, OTHER_ROOT)),
    Shape("two keys of one name", "envoy", lambda s: of(OLD_KEY) + of(NEW_KEY, s), (OLD_KEY, NEW_KEY)),
    Shape("cross-signed, both in the bundle", "envoy", three_authorities, (ROOT, OTHER_ROOT, CROSS, CROSSED)),
    Shape("cross-signed, the other root only", "envoy", by_other_root, (OTHER_ROOT,), (CROSS,)),
    Shape("cross-signed, both sent", "envoy", by_other_root, (OTHER_ROOT,), (CROSS, CROSSED)),
    Shape("new root, signed by the old one", "envoy", lambda s: of(ROOT) + of(NEW_ROOT, s), (ROOT,), (NEW_BY_OLD,)),
    Shape("both of them", "envoy", lambda s: of(ROOT) + of(NEW_ROOT, s), (ROOT, NEW_ROOT), (NEW_BY_OLD,)),
    Shape("for users and for CAs", "envoy", lambda s: of(ROOT, scope=CAS) + of(ROOT, s, scope=USERS)),
    Shape("renewed: expired beside its successor", "envoy", lambda s: of(ROOT, life=PAST) + of(ROOT, s)),
    Shape("renewed: an earlier one beside its successor", "envoy", lambda s: of(ROOT, life=EARLIER) + of(ROOT, s)),
    Shape("place, named by the client (AD CS, Boulder)", "gate", lambda s: of(ROOT, s, scope=AT), url=URL),
    Shape("place, not named by the client (step-ca)", "gate", lambda s: of(ROOT, s, scope=AT)),
    Shape("place, not critical", "gate", lambda s: of(ROOT, s, scope=AT, critical=False)),
    Shape("two places", "gate", lambda s: of(ROOT, scope=AT_OTHER) + of(ROOT, s, scope=AT), url=URL),
    Shape("for users only", "gate", lambda s: of(ROOT, s, scope=USERS)),
    Shape("place and for users", "gate", lambda s: of(ROOT, s, scope=Scope(url=URL, only_user=True))),
    Shape("no root in the bundle", "gate", lambda s: of(ISSUING, s), BELOW),
    Shape("root plain, issuing with a place", "gate", lambda s: of(ROOT) + of(ISSUING, s, scope=AT), BOTH),
    Shape("two keys of one name, not told", "gate", rekeyed_without_identifiers, (OLD_KEY, NEW_KEY)),
    Shape("expired, ignored", "gate", lambda s: of(ROOT, s, life=PAST), expired="ignore", told="expired; certificates"),
    Shape("expired", "nobody", lambda s: of(ROOT, s, life=PAST), told="it has expired"),
    Shape("from the future", "nobody", lambda s: of(ROOT, s, life=FUTURE), told="from the future"),
    Shape("for CAs only", "nobody", lambda s: of(ROOT, s, scope=CAS), told="no list of"),
    Shape("for attribute certificates", "nobody", lambda s: of(ROOT, s, scope=ATTRIBUTES), told="attribute"),
    Shape("indirect", "nobody", lambda s: of(ROOT, s, scope=INDIRECT), told="indirect"),
    Shape("some reasons", "nobody", lambda s: of(ROOT, s, scope=REASONS), told="some reasons"),
    Shape("place by a directory name (Entrust)", "nobody", lambda s: of(ROOT, s, scope=DIRECTORY), told="no URL"),
    Shape("place relative to the issuer", "nobody", lambda s: of(ROOT, s, scope=RELATIVE), told="no URL"),
    Shape("unknown critical extension", "nobody", lambda s: of(ROOT, s, unknown=True), told="1.2.3.4.5"),
    Shape("critical extension of an entry", "nobody", lambda s: of(ROOT, s, of_another=True), told="2.5.29.29"),
    Shape("weak digest", "nobody", lambda s: of(ROOT, s, weak=True), told="weak or unusual digest"),
    Shape("delta", "nobody", lambda s: of(ROOT, s, delta=True), told="changes only"),
    Shape("delta beside its base", "nobody", lambda s: of(ROOT) + of(ROOT, s, delta=True), told="changes only"),
    Shape("root has none", "nobody", lambda s: of(ISSUING, s), BOTH, told="no list of"),
    Shape("issuing has none", "nobody", lambda s: of(ROOT, s), BOTH, told="no list of"),
    Shape("signed by another key", "nobody", lambda s: of(REKEYED, s), told="its signature is not that of"),
    Shape("half", "nobody", lambda s: of(ROOT, s)[:-60], told="it was cut"),
    Shape("empty", "nobody", lambda _: b"", told="no revocation list"),
]  # fmt: skip
