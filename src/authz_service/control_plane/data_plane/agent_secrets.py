"""What Envoy holds of the agent at `tls.sds`, read from what Envoy shows of it. Not the asking (`envoy_admin`)."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography import x509

from authz_service import pem_files
from authz_service.envoy.secrets import AgentSecret

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class AgentSecrets:
    """Those of `wanted` that Envoy has and serves by; the private keys are not shown to us."""

    wanted: frozenset[AgentSecret] = frozenset()
    ends: Mapping[str, float] = field(default_factory=dict)  # name -> when the soonest of its certificates ends
    near_ends: Mapping[str, float] = field(default_factory=dict)  # … and from when on it should have been renewed
    connected: bool = True

    def missing(self, *, for_ingress: bool) -> list[str]:
        """What has not arrived, or holds no certificate."""
        return sorted({one.name for one in self.wanted if one.for_ingress is for_ingress and one.name not in self.ends})


NO_AGENT = AgentSecrets()


def read_dump(text: bytes, wanted: frozenset[AgentSecret], *, connected: bool) -> AgentSecrets:
    """From `/config_dump?resource=dynamic_active_secrets`. A secret without a readable certificate is not there."""
    kinds = {one.name: one.is_ca for one in wanted}
    ends: dict[str, float] = {}
    near_ends: dict[str, float] = {}
    for entry in json.loads(text).get("configs", []):
        name, secret = entry.get("name", ""), entry.get("secret", {})
        if name in kinds:
            certificates = _authorities(secret) if kinds[name] else _chain(secret)
            if certificates:
                end = min(one.not_valid_after_utc.timestamp() for one in certificates)
                ends[name] = min(end, ends.get(name, end))
                near = pem_files.near_end_of(certificates)
                near_ends[name] = min(near, near_ends.get(name, near))
    return AgentSecrets(wanted, ends, near_ends, connected)


def _chain(secret: Json) -> list[x509.Certificate]:
    return _certificates(secret.get("tls_certificate", {}).get("certificate_chain"))


def _authorities(secret: Json) -> list[x509.Certificate]:
    """The CAs themselves, or, as SPIRE sends them, those of each trust domain for Envoy's SPIFFE validator."""
    context = secret.get("validation_context", {})
    validator = context.get("custom_validator_config", {}).get("typed_config", {})
    bundles = [
        context.get("trusted_ca"),
        *(domain.get("trust_bundle") for domain in validator.get("trust_domains", [])),
    ]
    return [certificate for bundle in bundles for certificate in _certificates(bundle)]


def _certificates(source: Json | None) -> list[x509.Certificate]:
    """Of a DataSource."""
    if not source:
        return []
    try:
        pem = base64.b64decode(source.get("inline_bytes", "")) or source.get("inline_string", "").encode()
        return x509.load_pem_x509_certificates(pem)
    except (ValueError, binascii.Error):
        return []
