"""A real mutual TLS handshake in memory: OpenSSL's verdict on our certificates, without a socket."""

import ssl
from pathlib import Path
from typing import NamedTuple

from authz_devkit.certs.authority import Authority, KeyPair


class Files(NamedTuple):
    cert: Path
    key: Path


def write_pair(folder: Path, name: str, pair: KeyPair) -> Files:
    files = Files(folder / f"{name}.crt", folder / f"{name}.key")
    files.cert.write_bytes(pair.cert_pem)
    files.key.write_bytes(pair.key_pem)
    return files


def write_ca(folder: Path, name: str, authority: Authority) -> Path:
    path = folder / f"{name}.crt"
    path.write_bytes(authority.cert_pem)
    return path


def handshake(*, server: Files, client: Files, trusted: Path, host: str, crl: Path | None = None) -> None:
    """Both sides verify the other against `trusted`. Raises ssl.SSLError when one of them refuses."""
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.verify_mode = ssl.CERT_REQUIRED
    client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for context, files in ((server_context, server), (client_context, client)):
        context.load_verify_locations(trusted)
        context.load_cert_chain(files.cert, files.key)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
    client_context.hostname_checks_common_name = False  # as every modern client: only the SAN counts
    if crl is not None:
        server_context.load_verify_locations(crl)
        server_context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client_context.wrap_bio(to_client, to_server, server_hostname=host),
        server_context.wrap_bio(to_server, to_client, server_side=True),
    ]
    while ends:
        ends = [end for end in ends if not _is_done(end)]


def _is_done(end: ssl.SSLObject) -> bool:
    try:
        end.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True
