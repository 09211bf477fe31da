"""What Envoy shows of the agent's secrets, and what counts as arrived."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta

from authz_devkit.certs.authority import Authority, server_request
from authz_service.control_plane.data_plane.agent_secrets import read_dump
from authz_service.envoy.secrets import AgentSecret

NOW = datetime(2030, 1, 1, tzinfo=UTC)
OWN = AgentSecret("default", is_ca=False, for_ingress=True)
CA = AgentSecret("ROOTCA", is_ca=True, for_ingress=True)
OTHER = AgentSecret("spiffe://mesh", is_ca=True, for_ingress=False)
WANTED = frozenset({OWN, CA, OTHER})
SOON, LATE = NOW + timedelta(days=1), NOW + timedelta(days=400)


def pem(end: datetime) -> dict[str, str]:
    """A DataSource with one certificate."""
    request = server_request("a.example", now=NOW, lifetime=end - NOW)
    text = Authority.create("ca", now=NOW).issue(request).cert_pem
    return {"inline_bytes": base64.b64encode(text).decode()}


def certificate(end: datetime) -> dict[str, object]:
    return {"tls_certificate": {"certificate_chain": pem(end), "private_key": {"inline_bytes": "W3JlZGFjdGVkXQ=="}}}


def plain(end: datetime) -> dict[str, object]:
    return {"validation_context": {"trusted_ca": pem(end)}}


def by_trust_domain(*ends: datetime) -> dict[str, object]:
    domains = [{"name": f"mesh{number}", "trust_bundle": pem(end)} for number, end in enumerate(ends)]
    validator = {"name": "envoy.tls.cert_validator.spiffe", "typed_config": {"trust_domains": domains}}
    return {"validation_context": {"custom_validator_config": validator}}


def dump(**secrets: object) -> bytes:
    return json.dumps({"configs": [{"name": name, "secret": secret} for name, secret in secrets.items()]}).encode()


def test_what_has_arrived_is_told_with_its_end() -> None:
    """CAs themselves, or those of trust domains, as SPIRE sends them; names that nobody asked for are left out."""
    shown = dump(default=certificate(SOON), ROOTCA=by_trust_domain(LATE, SOON), other=plain(LATE))
    found = read_dump(shown, WANTED, connected=True)

    assert found.ends == {"default": SOON.timestamp(), "ROOTCA": SOON.timestamp()}
    assert found.near_ends.keys() == found.ends.keys()
    assert all(found.near_ends[name] < end for name, end in found.ends.items())
    assert found.missing(for_ingress=True) == []
    assert found.missing(for_ingress=False) == ["spiffe://mesh"]
    assert read_dump(dump(ROOTCA=plain(LATE)), WANTED, connected=True).ends == {"ROOTCA": LATE.timestamp()}


def test_what_holds_no_certificate_has_not_arrived() -> None:
    """Empty, unreadable, or of the other kind: a certificate is no CA, and a CA is no certificate of ours."""
    garbage = {"tls_certificate": {"certificate_chain": {"inline_bytes": "!"}}}
    for found in (
        dump(),
        b"{}",
        dump(default={}, ROOTCA={"validation_context": {}}),
        dump(default=garbage, ROOTCA=by_trust_domain()),
        dump(default=plain(LATE), ROOTCA=certificate(LATE)),
    ):
        assert read_dump(found, WANTED, connected=True).missing(for_ingress=True) == ["ROOTCA", "default"]
