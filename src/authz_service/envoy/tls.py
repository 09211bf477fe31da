"""TLS on both sides of Envoy: what is offered, and whose certificates are believed. Not the certificates themselves."""

import ipaddress

from authz_service.config.model import HttpTlsOfAgent, HttpTlsOfFiles, TargetTlsOfAgent, TargetTlsOfFiles
from authz_service.domain.strong_keys import GROUPS, SIGNATURES
from authz_service.envoy import secrets
from authz_service.envoy.messages import Json, Message, extension, file_source
from authz_service.envoy.paths import StatePaths

# Forward secrecy and authenticated encryption only; TLS 1.3 has no others.
_TLS12_CIPHERS = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
)
AGENT_CLUSTER = "sds_agent"

_NAME = "envoy.transport_sockets.tls"
_KIND = "extensions.transport_sockets.tls.v3"


def secret_source(name: str, paths: StatePaths) -> Message:
    """A secret by name, from its own file."""
    return {
        "name": name,
        "sds_config": {**file_source(str(paths.secret(name))), "initial_fetch_timeout": "2s"},
    }


def agent_source(name: str) -> Message:
    """A secret by name, from the agent that hands out certificates."""
    return {
        "name": name,
        "sds_config": {
            "api_config_source": {
                "api_type": "GRPC",
                "transport_api_version": "V3",
                "grpc_services": [{"envoy_grpc": {"cluster_name": AGENT_CLUSTER}}],
            },
            "resource_api_version": "V3",
            "initial_fetch_timeout": "2s",  # an agent that is away delays the start, it does not stop it
        },
    }


def ingress_tls(tls: HttpTlsOfFiles | HttpTlsOfAgent, paths: StatePaths) -> Message:
    """Resumption is off: a resumed session would outlive the certificate it was made with (SECURITY T2)."""
    common: dict[str, Json] = {
        "tls_params": _parameters(minimum=tls.min_version),
        "tls_certificate_sds_secret_configs": [
            agent_source(tls.sds_certificate)
            if isinstance(tls, HttpTlsOfAgent)
            else secret_source(secrets.SERVER_CERTIFICATE, paths)
        ],
        "alpn_protocols": ["h2", "http/1.1"],
    }
    if tls.client_auth != "none" and isinstance(tls, HttpTlsOfAgent):
        # With a name to match, Envoy takes no context without a CA, which would let everybody in.
        common["combined_validation_context"] = {
            "default_validation_context": {
                "match_typed_subject_alt_names": [{"san_type": "URI", "matcher": {"prefix": "spiffe://"}}]
            },
            "validation_context_sds_secret_config": agent_source(tls.sds_ca),
        }
    elif tls.client_auth != "none":
        common["validation_context_sds_secret_config"] = secret_source(secrets.CLIENT_CA, paths)
    return extension(
        _NAME,
        f"{_KIND}.DownstreamTlsContext",
        require_client_certificate=tls.client_auth == "require",
        common_tls_context=common,
        disable_stateless_session_resumption=True,
        disable_stateful_session_resumption=True,
    )


def target_tls(name: str, host: str, own: TargetTlsOfFiles | TargetTlsOfAgent, paths: StatePaths) -> Message:
    """The target must show a certificate of its zone's CA for its own name; we show ours if we have one."""
    host = own.server_name or host
    common: dict[str, Json] = {
        "tls_params": _parameters(minimum="1.2"),
        "combined_validation_context": {
            "default_validation_context": {
                "match_typed_subject_alt_names": [_subject_name(own.spiffe_id, host)],
            },
            "validation_context_sds_secret_config": (
                agent_source(own.sds_ca)
                if isinstance(own, TargetTlsOfAgent)
                else secret_source(secrets.target_ca(name), paths)
            ),
        },
    }
    if isinstance(own, TargetTlsOfAgent):
        common["tls_certificate_sds_secret_configs"] = [agent_source(own.sds_certificate)]
    elif own.client_pair is not None:
        common["tls_certificate_sds_secret_configs"] = [secret_source(secrets.target_certificate(name), paths)]
    sni: Message = {} if is_ip(host) else {"sni": host}  # RFC 6066 §3: no addresses
    return extension(_NAME, f"{_KIND}.UpstreamTlsContext", **sni, common_tls_context=common)


def _subject_name(spiffe_id: str | None, host: str) -> Message:
    """One only: of several, Envoy takes any."""
    if spiffe_id is not None:
        return {"san_type": "URI", "matcher": {"exact": spiffe_id}}
    return {"san_type": "IP_ADDRESS" if is_ip(host) else "DNS", "matcher": {"exact": host}}


def _parameters(minimum: str) -> Message:
    return {
        "tls_minimum_protocol_version": f"TLSv{minimum.replace('.', '_')}",
        "tls_maximum_protocol_version": "TLSv1_3",
        "cipher_suites": _TLS12_CIPHERS,
        "ecdh_curves": GROUPS,
        "signature_algorithms": SIGNATURES,
    }


def is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
