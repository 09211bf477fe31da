"""The same rendered Envoy without authorisation: what the sidecar's own cost is measured against. Nothing is tuned.

Everything else stays: TLS and client certificates, header hygiene, correlation ids, limits, routes, pools.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from authz_service.envoy.messages import Message
from authz_service.envoy.resources import Resources

ASKS = "envoy.filters.http.ext_authz"
WATCHES = ("envoy.filters.network.set_filter_state", "envoy.filters.http.set_filter_state", "envoy.filters.http.wasm")
WATCHES_STRANGERS = WATCHES[1:]  # where nobody shows a certificate
INJECTS = "envoy.filters.http.credential_injector"


def without(resources: Resources, *filters: str) -> Resources:
    """The resources without the filters of these names. Raises ValueError for a name that is nowhere."""
    found: set[str] = set()
    bare = replace(
        resources,
        listeners=_stripped(resources.listeners, filters, found),
        clusters=_stripped(resources.clusters, filters, found),
    )
    if missing := set(filters) - found:
        raise ValueError(f"not in the rendered resources: {', '.join(sorted(missing))}")
    return bare


def _stripped(messages: Sequence[Message], filters: Sequence[str], found: set[str]) -> tuple[Message, ...]:
    return tuple(_walk(json.loads(json.dumps(message)), filters, found) for message in messages)


def _walk(value: Any, filters: Sequence[str], found: set[str]) -> Any:
    if isinstance(value, dict):
        return {key: _walk(item, filters, found) for key, item in value.items()}
    if isinstance(value, list):
        kept = []
        for item in value:
            name = item.get("name") if isinstance(item, dict) else None
            if name in filters:
                found.add(str(name))
            else:
                kept.append(_walk(item, filters, found))
        return kept
    return value
