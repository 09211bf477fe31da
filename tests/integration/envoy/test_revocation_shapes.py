"""Which lists Envoy does not process: given to it as they are, they refuse everybody. So the gate looks at them.

What comes of each shape in a whole sidecar is in tests/integration/test_revocation_lists.py.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator

import pytest
from tests.support.certificates import Leaf
from tests.support.envoy_pair import ORDERS, EnvoyPair
from tests.support.neighbours import ask
from tests.support.revocation_shapes import NOW, SHAPES, Shape

from authz_service.envoy import secrets
from authz_service.trust.ca_bundles import parse_ca_bundle

LIVING = [shape for shape in SHAPES if shape.by == "gate" and shape.expired == "deny"]


@pytest.fixture(autouse=True)
def _as_before(pair: EnvoyPair) -> Iterator[None]:
    yield
    text = secrets.validation_context_secret(secrets.CLIENT_CA, pair.ca.pem.decode())
    pair.orders.change_secret(secrets.CLIENT_CA, text)


@pytest.mark.parametrize("shape", [SHAPES[0], *LIVING], ids=lambda shape: shape.name)
def test_lists_of_these_shapes_would_refuse_everybody(pair: EnvoyPair, shape: Shape) -> None:
    """All but the first, which is plain; and nobody is refused without them."""
    good, revoked = shape.clients()
    bundle, lists = parse_ca_bundle(shape.trusted, NOW).pem, shape.lists(revoked.serial).decode()

    for given, gets_in in ((None, True), (lists, shape.by == "envoy")):
        text = secrets.validation_context_secret(secrets.CLIENT_CA, bundle, given)
        pair.orders.change_secret(secrets.CLIENT_CA, text)
        assert _gets_in(pair, good) == gets_in


def _gets_in(pair: EnvoyPair, client: Leaf) -> bool:
    try:
        return ask(ORDERS, "GET", "/api", tls=pair.client_tls(client)).status == 200
    except (ssl.SSLError, ConnectionError):
        return False
