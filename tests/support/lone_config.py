"""The configuration of a lone sidecar: the order service's, and how tests change it."""

from __future__ import annotations

import copy
from pathlib import Path

from tests.support.live import Json, Live

from authz_devkit.certs.tree import ca_bundle, leaf_cert, leaf_key
from authz_devkit.demo.mesh import SECRETS

REMOVED = object()
HOST = "order-service.zone2.local"  # the name in its certificate
TARGET = "data-service.zone3.local"  # what its egress calls
GATEWAY = "gateway/client-zone2"  # the certificate that may call it
# What it allows may be repeated: it reads nothing that each request has of its own.
POLICY = """
package lone

import rego.v1

default allow := false

allow if input.request.segments[0] != "forbidden"

result := {
    "allow": allow,
    "reasons": [],
    "audit": {"verified": input.mtls.verified, "segments": input.request.segments},
}
"""


def ingress_config(live: Live, address: str, folder: Path, certs: Path) -> Json:
    """The order service's ingress, with a policy that refuses /forbidden."""
    own = certs / "order-service"
    return {
        "service": {"name": "order-service", "zone": "zone2"},
        "http": {
            "addr": f"{address}:8443",
            "tls": {
                "cert_file": str(own / "server.crt"),
                "key_file": str(own / "server.key"),
                "client_ca_file": str(ca_bundle(certs, "zone2")),
                "client_auth": "require",
            },
        },
        "jwt": {
            "issuer": f"{live.mesh.identity_url}/realms/users",
            "audience": "order-service",
            "ca_file": str(ca_bundle(certs, "identity")),
        },
        "proxy": {
            "upstream": f"http://{address}:9000",
            "authz": {"policy_query": "data.lone.result"},
            "mtls": {"allowed_clients": ["CN=api-gateway-client,O=MyOrg"]},
            "headers": {
                "inject_user_id": "X-User-ID",
                "inject_claims": {"email": "X-User-Email", "realm_access.roles": "X-User-Roles"},
                "extract": ["X-User-Context", "X-Correlation-ID"],
            },
        },
        "hosts": live.mesh.hosts,
        "policy": {"path": str(folder / "policies")},
        "audit": {"path": str(folder / "audit.jsonl")},
        "admin": {"addr": f"{address}:9901"},
        "runtime": {"state_dir": str(folder / "state"), "drain": "10s"},
    }


def egress_config(live: Live, address: str, certs: Path, target: tuple[str, int]) -> Json:
    """`/data/**` goes to the target's address under the name, and with a token for, the data service."""
    oauth2 = {
        "type": "oauth2_client_credentials",
        "token_url": f"{live.mesh.identity_url}/realms/services/protocol/openid-connect/token",
        "client_id": "order-service",
        "client_secret": SECRETS["ORDER_SERVICE_CLIENT_SECRET"],
        "scopes": ["data-service:read", "data-service:write"],
        "ca_file": str(ca_bundle(certs, "identity")),
    }
    tls = {
        "client_cert": str(leaf_cert(certs, "order-service/client-zone3")),
        "client_key": str(leaf_key(certs, "order-service/client-zone3")),
        "ca_cert": str(ca_bundle(certs, "zone3")),
    }
    data = {"url": f"https://{TARGET}:{target[1]}", "auth": oauth2, "tls": tls}
    return {
        "hosts": {**live.mesh.hosts, TARGET: target[0]},
        "egress": {
            "addr": f"{address}:8080",
            "targets": {"data-service": data},
            "routes": [{"path_prefix": "/data", "target": "data-service", "strip_prefix": "/data"}],
        },
    }


def put(tree: Json, path: str, value: object) -> None:
    """Set, or take away, the value at a dotted path."""
    *parents, last = path.split(".")
    for step in parents:
        tree = tree.setdefault(step, {})
    if value is REMOVED:
        tree.pop(last, None)
    else:
        tree[last] = copy.deepcopy(value)
