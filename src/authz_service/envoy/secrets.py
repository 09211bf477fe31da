"""The files in which Envoy finds certificates, keys and tokens (SDS), as text. Not the writing: rename, mode 0600."""

import hashlib
import json
from typing import NamedTuple

from authz_service.envoy.messages import Message, message


class AgentSecret(NamedTuple):
    """What Envoy gets from the agent at `tls.sds`, and not from a file of ours."""

    name: str  # the agent's
    is_ca: bool
    for_ingress: bool


SERVER_CERTIFICATE = "server"
CLIENT_CA = "client_ca"


def target_certificate(target: str) -> str:
    return f"target_{target}_certificate"


def target_ca(target: str) -> str:
    return f"target_{target}_ca"


def target_token(target: str) -> str:
    return f"target_{target}_token"


def tls_certificate_secret(name: str, chain_pem: str, key_pem: str) -> str:
    """One file for both, so that one rename changes both."""
    certificate: Message = {
        "certificate_chain": {"inline_string": chain_pem},
        "private_key": {"inline_string": key_pem},
    }
    return _secret(name, tls_certificate=certificate)


def validation_context_secret(name: str, ca_pem: str, crl_pem: str | None = None) -> str:
    """With a version, which Envoy shows when it has taken it over.

    Raises ValueError without a CA: Envoy would then accept every certificate.
    """
    if not ca_pem.strip():
        raise ValueError("a validation context without a CA would accept every certificate")
    context: Message = {"trusted_ca": {"inline_string": ca_pem}}
    if crl_pem is not None:
        context["crl"] = {"inline_string": crl_pem}
    version = hashlib.sha256(json.dumps(context, sort_keys=True).encode()).hexdigest()
    return _secret(name, version, validation_context=context)


def token_secret(name: str, token: str) -> str:
    """`token` "" withdraws it: requests to the target get 503. (Deleting the file would leave the old one in use.)

    Raises ValueError for a token that could not stand in a header.
    """
    if not all("!" <= character <= "~" for character in token):
        raise ValueError("a token holds visible ASCII characters only (RFC 6750 §2.1)")
    return _secret(name, generic_secret={"secret": {"inline_string": token}})


def _secret(name: str, version: str = "", **content: Message) -> str:
    secret = message("extensions.transport_sockets.tls.v3.Secret", name=name, **content)
    versioned = {"version_info": version} if version else {}
    return json.dumps({**versioned, "resources": [secret]}, sort_keys=True) + "\n"
