"""The data service as an egress sees it, for a sidecar under test: its name, its certificate, and it shows what came.

with target_service(live) as target:
    with LoneSidecar(live, target=target.place) as sidecar:
        sidecar.call_egress("GET", "/data/x")
    assert target.seen[-1].values("authorization")
"""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.echo_service import EchoService, tls_server
from tests.support.live import Live

from authz_devkit.certs.tree import ca_bundle, leaf_cert, leaf_key

_NAME = "data-service/server"


@contextmanager
def target_service(live: Live) -> Iterator[EchoService]:
    """Zone 3's certificate; a client certificate of that zone is required."""
    certs = live.mesh.certs
    tls = tls_server(leaf_cert(certs, _NAME), leaf_key(certs, _NAME), ca_bundle(certs, "zone3"))
    with EchoService(live.free_address(), 9443, tls) as service:
        yield service
