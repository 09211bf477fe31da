"""The one way in which the control plane calls anybody over TLS: identity providers, bundles, logs, Redis. Not Envoy's.

Not `ssl.create_default_context`: that writes the keys of its sessions wherever SSLKEYLOGFILE says, and its flags change
with Python's version.
"""

import ssl
from pathlib import Path

from authz_service.errors import CertificateProblems, Problem
from authz_service.pem import what_is_torn

# TLS 1.2 with forward secrecy and authenticated encryption only (ASVS 12.1); TLS 1.3 has nothing else.
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"


def strict_context(ca_file: Path | None, client_pair: tuple[Path, Path] | None = None) -> ssl.SSLContext:
    """Without `ca_file` the system's authorities are trusted, with it its own, in their place.

    Raises CertificateProblems. A server is known by its subject alternative names, never by its CN (RFC 9525 §2).
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks chain and name
    context.hostname_checks_common_name = False
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    if ca_file is None:
        context.load_default_certs()
    else:
        _load_authorities(context, ca_file)
    if client_pair is not None:
        try:
            context.load_cert_chain(*client_pair)
        except (OSError, ssl.SSLError) as error:
            fix = "give a certificate and its own key, both PEM, the key without a password"
            raise CertificateProblems([Problem("client_cert", _reason(error), fix, str(client_pair[0]))]) from error
    return context


def _load_authorities(context: ssl.SSLContext, ca_file: Path) -> None:
    fix = "give a PEM file with the authorities that sign the server's certificate"
    try:
        content = ca_file.read_bytes()
        torn = what_is_torn(content)
        if torn:
            raise CertificateProblems([Problem("ca_file", torn, fix, str(ca_file))])
        context.load_verify_locations(cadata=content.decode("utf-8-sig", "replace"))
    except (OSError, ValueError) as error:  # an SSLError is an OSError
        raise CertificateProblems([Problem("ca_file", _reason(error), fix, str(ca_file))]) from error


def _reason(error: Exception) -> str:
    return str(error).strip() or type(error).__name__
