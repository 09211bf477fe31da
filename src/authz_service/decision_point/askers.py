"""Who may ask: TLS of a listener that other hosts reach, and the certificate of whoever connects. Not what he asks."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from authz_service.decision_point.rules import Asker
from authz_service.domain.refusals import Rejected
from authz_service.domain.rules import PeerRules
from authz_service.identity.certificates import Peers

# TLS 1.2 with forward secrecy and authenticated encryption only (ASVS 12.1); TLS 1.3 has nothing else.
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
_OLDEST = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class Askers:
    """Of one listener. Each certificate is read once; its time is looked at with every question (SECURITY T2)."""

    def __init__(self, asker: Asker, now: Callable[[], float] = time.time) -> None:
        self._everybody = not asker.allowed
        self._peers = Peers(PeerRules(required=True, allowed=asker.allowed), now)

    def is_welcome(self, transport: asyncio.BaseTransport) -> bool:
        if self._everybody:
            return True
        connection = transport.get_extra_info("ssl_object")
        shown = None if connection is None else connection.getpeercert(binary_form=True)
        if shown is None:
            return False
        pem = quote(ssl.DER_cert_to_PEM_cert(shown), safe="").encode()
        try:
            self._peers.require_allowed(pem)
        except Rejected:
            return False
        return True


def server_context(certificate: Path, client_ca: Path, oldest: str, protocol: str) -> ssl.SSLContext:
    """From the secrets that the control plane has checked and written. Raises OSError or ValueError.

    Without a certificate of the named authorities nobody gets in. A session of TLS 1.2 may be resumed, as proxies do,
    but by this very context: any change of certificates, lists or rules makes another, which knows none of them.
    """
    pair = _secret(certificate)["tls_certificate"]
    trust = _secret(client_ca)["validation_context"]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _OLDEST[oldest]
    context.set_ciphers(_CIPHERS)
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
    context.num_tickets = 0
    context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols(["h2" if protocol == "ext_authz_grpc" else "http/1.1"])
    with _file(pair["certificate_chain"]) as chain, _file(pair["private_key"]) as key:
        context.load_cert_chain(chain, key)
    with _file(trust["trusted_ca"]) as authorities:
        context.load_verify_locations(authorities)
    if "crl" in trust:
        with _file(trust["crl"]) as lists:
            context.load_verify_locations(lists)
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN
    return context


def _secret(path: Path) -> dict[str, dict[str, dict[str, str]]]:
    [secret] = json.loads(path.read_bytes())["resources"]
    return dict(secret)


@contextmanager
def _file(source: dict[str, str]) -> Iterator[str]:
    """Python's ssl reads keys and lists from files only: one in memory, of nobody else."""
    descriptor = os.memfd_create("pem", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, source["inline_string"].encode())
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
