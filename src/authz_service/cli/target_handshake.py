"""Tries whether a target would be reached: its name, a connection, a handshake. Sends no request.

The handshake is OpenSSL's with the rules of our own calls; that of a request is Envoy's, by the same files.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import Mapping

from cryptography import x509

from authz_service import pem_files
from authz_service.config.addresses import Endpoint, is_ip
from authz_service.config.model import Target, TargetTlsOfAgent, TargetTlsOfFiles
from authz_service.errors import CertificateProblems, Problem
from authz_service.tls_context import strict_context

LOOK_UP = 5.0  # seconds for a name
# TLS 1.3 (RFC 8446 §4.4.2.4): we are done before the other side has judged our certificate. Silence is no complaint.
_OBJECTION = 1.0  # seconds
_EXPIRED, _NOT_YET, _OTHER_NAME, _OTHER_ADDRESS = 10, 9, 62, 64  # X509_V_ERR_…, x509_vfy.h
_NETWORK = "see that it runs, and that this host may connect to it"


async def reach(at: str, target: Target, hosts: Mapping[str, str]) -> str:
    """What was found there. Raises CertificateProblems; `at` is the target's place in the configuration."""
    address = await look_up(f"{at}.url", target.url, hosts)
    if isinstance(target.tls, TargetTlsOfAgent):
        return f"{address}, and no handshake: its certificates are the agent's"
    try:
        async with asyncio.timeout(target.connect_timeout):
            reader, writer = await _connect(target, address)
    except TimeoutError as error:
        found = f"{target.url} at {address}: no connection within connect_timeout ({target.connect_timeout:g} s)"
        raise _problem(f"{at}.url", found, _NETWORK) from error
    except ssl.SSLCertVerificationError as error:
        raise _bad_certificate(at, target, address, error) from error
    except OSError as error:  # an SSLError is one
        raise _problem(f"{at}.url", f"{target.url} at {address}: {_reason(error)}", _NETWORK) from error
    try:
        return f"{address}{await _judged(at, target, reader, writer)}"
    finally:
        writer.transport.abort()


async def look_up(at: str, endpoint: Endpoint, hosts: Mapping[str, str]) -> str:
    """Its address, as Envoy would choose it: IPv4 first. Raises CertificateProblems."""
    if endpoint.scheme == "unix":
        return endpoint.socket
    host = hosts.get(endpoint.host, endpoint.host)
    if is_ip(host):
        return host
    fix = "correct the name, ask those who keep DNS, or write its address into `hosts`"
    try:
        async with asyncio.timeout(LOOK_UP):
            found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except TimeoutError as error:
        raise _problem(at, f"DNS has no answer for {host} within {LOOK_UP:g} s", fix) from error
    except (OSError, UnicodeError) as error:
        raise _problem(at, f"DNS has no address for {host} ({_reason(error)})", fix) from error
    return str(min(found, key=lambda one: one[0] != socket.AF_INET)[4][0])


async def _connect(target: Target, address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if target.url.scheme == "unix":
        return await asyncio.open_unix_connection(address)
    if not isinstance(target.tls, TargetTlsOfFiles):
        return await asyncio.open_connection(address, target.url.port)
    own = target.tls
    context = strict_context(own.ca_cert, own.client_pair)
    context.check_hostname = own.spiffe_id is None  # else it is compared in `_judged`
    context.set_alpn_protocols(["h2", "http/1.1"])
    name = own.server_name or target.url.host
    return await asyncio.open_connection(address, target.url.port, ssl=context, server_hostname=name)


async def _judged(at: str, target: Target, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
    tls = writer.get_extra_info("ssl_object")
    if tls is None or not isinstance(target.tls, TargetTlsOfFiles):
        return ", without TLS"
    if target.tls.spiffe_id is not None:
        shown = [value for kind, value in tls.getpeercert().get("subjectAltName", ()) if kind == "URI"]
        if target.tls.spiffe_id not in shown:
            said = f"the certificate is of {' '.join(shown) or 'no SPIFFE ID'}, not of {target.tls.spiffe_id}"
            raise _problem(f"{at}.tls.spiffe_id", said, "correct it, or see what else answers at this address")
    await _require_no_objection(at, target, reader)
    certificate = x509.load_der_x509_certificate(tls.getpeercert(binary_form=True))
    end = certificate.not_valid_after_utc
    soon = ", which is soon" if pem_files.near_end_of([certificate]) < time.time() else ""
    return f", {tls.version()}, its certificate until {end:%Y-%m-%d %H:%M} UTC{soon}"


async def _require_no_objection(at: str, target: Target, reader: asyncio.StreamReader) -> None:
    shown = target.tls.client_cert if isinstance(target.tls, TargetTlsOfFiles) else None
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_OBJECTION):
                if await reader.read(1):
                    return  # HTTP/2's first words
                raise ConnectionError("it hangs up after the handshake")
    except OSError as error:
        what = f"the certificate in {shown}" if shown is not None else "that we show no certificate"
        fix = (
            "see which CA the target's http.tls.client_ca_file has, and whether ours is revoked"
            if shown is not None
            else "give client_cert and client_key, signed by the target zone's CA"
        )
        raise _problem(f"{at}.tls", f"{target.url} does not accept {what} ({_reason(error)})", fix) from error


def _bad_certificate(at: str, target: Target, address: str, error: ssl.SSLCertVerificationError) -> CertificateProblems:
    found = f"the certificate of {target.url} at {address} is refused: {error.verify_message.rstrip('.')}"
    if error.verify_code in {_OTHER_NAME, _OTHER_ADDRESS}:
        return _problem(f"{at}.tls.server_name", found, "write a name that it has, or give it one for this name")
    if error.verify_code in {_EXPIRED, _NOT_YET}:
        return _problem(f"{at}.url", found, "renew the target's certificate, or set this host's clock")
    fix = "give the CA that signs the target's certificate, or see what else answers at this address"
    return _problem(f"{at}.tls.ca_cert", found, fix)


def _problem(at: str, found: str, fix: str) -> CertificateProblems:
    return CertificateProblems([Problem(at, found, fix)])


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or type(error).__name__).lower().replace("_", " ")
    return (error.strerror if isinstance(error, OSError) else "") or str(error) or type(error).__name__
