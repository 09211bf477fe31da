"""Which revocation lists Envoy processes, measured: for each shape, a good client gets in and a revoked one does not.

The list of our own judgement (`credentials.revocation_lists`) is right when it agrees with what Envoy does here.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple
from urllib.parse import quote

import pytest
from tests.support.certificates import Authority, Leaf, Life
from tests.support.envoy_pair import ORDERS, EnvoyPair
from tests.support.neighbours import ask
from tests.support.revocations import OTHER_URL, URL, Scope, below, revocations

from authz_service.credentials.certificates import CaBundle, parse_ca_bundle
from authz_service.credentials.revocation_lists import parse_crl
from authz_service.domain.refusals import Rejected
from authz_service.domain.rules import ClientRule, PeerRules
from authz_service.envoy import secrets
from authz_service.errors import CertificateProblems
from authz_service.identity.certificates import Peers

NOW = time.time()
ROOT = Authority("shapes-root", Life(NOW - 86_400, NOW + 86_400 * 300))
ISSUING = Authority("shapes-issuing", ROOT.life, ROOT)
WEEK, PAST = Life(NOW - 3600, NOW + 7 * 86_400), Life(NOW - 7200, NOW - 3600)
AT, USERS, CAS = Scope(url=URL), Scope(only_user=True), Scope(only_ca=True)
CALLER = ClientRule(attributes=(("CN", "caller-client"),))


def of_root(*serials: int, scope: Scope | None = None, **more: bool) -> bytes:
    return revocations(ROOT, *serials, life=WEEK, scope=scope, **more)


def of_issuing(*serials: int, scope: Scope | None = None) -> bytes:
    return revocations(ISSUING, *serials, life=WEEK, scope=scope)


class Shape(NamedTuple):
    name: str
    by: str  # who refuses the revoked: envoy, gate, or nobody (the list is refused)
    lists: Callable[[int], bytes]  # the serial that is revoked
    bundle: tuple[Authority, ...] = (ROOT,)
    chain: tuple[Authority, ...] = ()  # what the client sends beside its own
    url: str | None = None  # that the client's certificate names

    def clients(self) -> tuple[Leaf, Leaf]:
        """A good one, and one that is revoked."""
        signer = self.chain[0] if self.chain else self.bundle[-1]
        good, revoked = (below(signer, url=self.url) for _ in range(2))
        sent = b"".join(one.pem for one in self.chain)
        return good._replace(certificate=good.certificate + sent), revoked._replace(
            certificate=revoked.certificate + sent
        )


BOTH, BELOW = (ROOT, ISSUING), (ISSUING,)
SHAPES = [
    Shape("plain", "envoy", of_root),
    Shape("version 1", "envoy", lambda s: of_root(s, version_1=True)),
    Shape("30,000 entries", "envoy", lambda s: of_root(s, *range(1_000_000, 1_030_000))),
    Shape("the client names a place", "envoy", of_root, url=URL),
    Shape("root and issuing, both in the bundle", "envoy", lambda s: of_root() + of_issuing(s), BOTH),
    Shape("issuing is sent by the client", "envoy", lambda s: of_root() + of_issuing(s), (ROOT,), BELOW),
    Shape("for users and for CAs", "envoy", lambda s: of_root(scope=CAS) + of_root(s, scope=USERS)),
    Shape("expired beside renewed", "envoy", lambda s: revocations(ROOT, life=PAST) + of_root(s)),
    Shape("place, named by the client (AD CS, Boulder)", "gate", lambda s: of_root(s, scope=AT), url=URL),
    Shape("place, not named by the client (step-ca)", "gate", lambda s: of_root(s, scope=AT)),
    Shape("place, not critical", "gate", lambda s: of_root(s, scope=AT, critical=False)),
    Shape("two places", "gate", lambda s: of_root(scope=Scope(url=OTHER_URL)) + of_root(s, scope=AT), url=URL),
    Shape("for users only", "gate", lambda s: of_root(s, scope=USERS)),
    Shape("place and for users", "gate", lambda s: of_root(s, scope=Scope(url=URL, only_user=True))),
    Shape("no root in the bundle", "gate", of_issuing, BELOW),
    Shape("root plain, issuing with a place", "gate", lambda s: of_root() + of_issuing(s, scope=AT), BOTH),
    Shape("expired", "nobody", lambda s: revocations(ROOT, s, life=PAST)),
    Shape("indirect", "nobody", lambda s: of_root(s, scope=Scope(indirect=True))),
    Shape("some reasons", "nobody", lambda s: of_root(s, scope=Scope(reasons=True))),
    Shape("unknown critical extension", "nobody", lambda s: of_root(s, unknown=True)),
    Shape("for CAs only", "nobody", lambda s: of_root(s, scope=CAS)),
    Shape("delta", "nobody", lambda s: ROOT.revoke(s, life=WEEK, delta=True)),
    Shape("root has none", "nobody", of_issuing, BOTH),
    Shape("issuing has none", "nobody", of_root, BOTH),
]  # fmt: skip


@pytest.fixture(autouse=True)
def _as_before(pair: EnvoyPair) -> Iterator[None]:
    yield
    text = secrets.validation_context_secret(secrets.CLIENT_CA, pair.ca.pem.decode())
    pair.orders.change_secret(secrets.CLIENT_CA, text)


def bundle_of(shape: Shape) -> CaBundle:
    return parse_ca_bundle(b"".join(one.pem for one in shape.bundle), NOW)


def envoy_takes(pair: EnvoyPair, bundle: CaBundle, lists: str | None, *clients: Leaf) -> list[bool]:
    """With these lists: does each of the clients get in?"""
    pair.orders.change_secret(
        secrets.CLIENT_CA, secrets.validation_context_secret(secrets.CLIENT_CA, bundle.pem, lists)
    )
    return [_gets_in(pair, client) for client in clients]


def _gets_in(pair: EnvoyPair, client: Leaf) -> bool:
    try:
        return ask(ORDERS, "GET", "/api", tls=pair.client_tls(client)).status == 200
    except (ssl.SSLError, ConnectionError):
        return False


def by_envoy_alone(pair: EnvoyPair, shape: Shape) -> bool:
    """Whether a good client would get in if Envoy were given the lists as they are."""
    good, revoked = shape.clients()
    return envoy_takes(pair, bundle_of(shape), shape.lists(revoked.serial).decode(), good) == [True]


@pytest.mark.parametrize("shape", [one for one in SHAPES if one.by == "envoy"], ids=lambda shape: shape.name)
def test_envoy_refuses_the_revoked_only(pair: EnvoyPair, shape: Shape) -> None:
    """Given to it as we hand it over."""
    good, revoked = shape.clients()

    found = parse_crl(shape.lists(revoked.serial), bundle_of(shape), "deny", NOW)

    assert found.listed is None
    assert envoy_takes(pair, bundle_of(shape), found.pem, good, revoked) == [True, False]


@pytest.mark.parametrize("shape", [one for one in SHAPES if one.by == "gate"], ids=lambda shape: shape.name)
def test_the_gate_refuses_the_revoked_where_envoy_would_refuse_all(pair: EnvoyPair, shape: Shape) -> None:
    """Envoy gets no list, and the gate each client's certificate."""
    good, revoked = shape.clients()
    assert not by_envoy_alone(pair, shape)

    found = parse_crl(shape.lists(revoked.serial), bundle_of(shape), "deny", NOW)

    assert found.pem is None
    assert envoy_takes(pair, bundle_of(shape), None, good, revoked) == [True, True]
    rules = PeerRules(
        True,
        (CALLER,),
        revoked=tuple((issuer, f"{serial:x}") for issuer, serial in found.revoked),
        listed=found.listed,
    )
    gate = Peers(rules, time.time)
    assert gate.require_allowed(_as_envoy_says(good)).common_name == "caller-client"
    with pytest.raises(Rejected):
        gate.require_allowed(_as_envoy_says(revoked))


@pytest.mark.parametrize("shape", [one for one in SHAPES if one.by == "nobody"], ids=lambda shape: shape.name)
def test_what_neither_can_use_is_refused_as_a_file(shape: Shape) -> None:
    _, revoked = shape.clients()

    with pytest.raises(CertificateProblems):
        parse_crl(shape.lists(revoked.serial), bundle_of(shape), "deny", NOW)


def test_a_revoked_issuing_authority_takes_its_clients_with_it(pair: EnvoyPair) -> None:
    """By Envoy, also one that the client brings along; by the gate, one of the bundle."""
    serial = ISSUING.certificate.serial_number
    shape = Shape("", "", of_root, (ROOT,), BELOW)
    good, _ = shape.clients()
    found = parse_crl(of_root(serial) + of_issuing(), bundle_of(shape), "deny", NOW)
    assert envoy_takes(pair, bundle_of(shape), found.pem, good) == [False]

    both = parse_ca_bundle(ROOT.pem + ISSUING.pem, NOW)
    at_gate = parse_crl(of_root(serial, scope=AT) + of_issuing(), both, "deny", NOW)
    gate = Peers(PeerRules(True, (CALLER,), listed=at_gate.listed), time.time)
    with pytest.raises(Rejected):
        gate.require_allowed(_as_envoy_says(below(ISSUING)))
    assert gate.require_allowed(_as_envoy_says(below(ROOT)))


def _as_envoy_says(leaf: Leaf) -> bytes:
    pem = leaf.certificate.decode()
    return quote(pem[: pem.index("-----END CERTIFICATE-----") + 26], safe="").encode()
