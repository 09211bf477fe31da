"""Configurations for tests: one good one, changed in one thing at a time."""

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from authz_service.config.loader import load_config
from authz_service.config.model import Config
from authz_service.errors import ConfigProblems, Problem

SECRET = "hunter2-canary"
REMOVED = object()
TARGET = "egress.targets.data-service"

GOOD: dict[str, Any] = {
    "http": {
        "addr": ":8443",
        "tls": {
            "cert_file": "/certs/server.crt",
            "key_file": "/certs/server.key",
            "client_ca_file": "/certs/ca.crt",
            "client_auth": "require",
        },
    },
    "jwt": {"issuer": "https://idp.example.com/realms/users", "audience": "order-service"},
    "proxy": {
        "authz": {"policy_query": "data.order.allow"},
        "mtls": {"allowed_clients": ["CN=api-gateway-client,O=MyOrg"]},
        "headers": {"inject_user_id": "X-User-ID", "inject_claims": {}, "extract": ["X-User-Context"]},
        "routes": [{"path": "/orders/**"}, {"path": "/api/v1/orders/**"}],
    },
    "egress": {
        "targets": {
            "data-service": {
                "url": "https://data-service.zone3.local:8443",
                "auth": {
                    "type": "oauth2_client_credentials",
                    "token_url": "https://idp.example.com/token",
                    "client_id": "order-service",
                    "client_secret": SECRET,
                },
                "tls": {"client_cert": "/certs/c.crt", "client_key": "/certs/c.key", "ca_cert": "/certs/ca3.crt"},
            }
        },
        "routes": [{"path_prefix": "/data", "target": "data-service"}],
    },
}


def changed(changes: Mapping[str, object]) -> dict[str, Any]:
    """The good configuration with other values at dotted paths; REMOVED takes the key away."""
    tree = copy.deepcopy(GOOD)
    for path, value in changes.items():
        *parents, last = path.split(".")
        node: Any = tree
        for step in parents:
            node = node[int(step)] if isinstance(node, list) else node.setdefault(step, {})
        key = int(last) if isinstance(node, list) else last
        if value is REMOVED:
            del node[key]
        else:
            node[key] = copy.deepcopy(value)
    return tree


def load_tree(folder: Path, tree: object, env: Mapping[str, str] | None = None) -> Config:
    return load_text(folder, json.dumps(tree), env)  # JSON is YAML


def load_text(folder: Path, text: str, env: Mapping[str, str] | None = None) -> Config:
    file = folder / "config.yaml"
    file.write_text(text, encoding="utf-8")
    return load_config(file, env or {})


def problems_in(folder: Path, text: str, env: Mapping[str, str] | None = None) -> tuple[Problem, ...]:
    """What the loader says; empty when it accepts the text."""
    try:
        load_text(folder, text, env)
    except ConfigProblems as refused:
        return refused.problems
    return ()


def problems_of(folder: Path, changes: Mapping[str, object]) -> tuple[Problem, ...]:
    return problems_in(folder, json.dumps(changed(changes)))
