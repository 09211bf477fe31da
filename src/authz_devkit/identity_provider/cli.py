"""`authz-dev idp`: serves the development identity provider over TLS."""

import asyncio
import contextlib
import logging
import signal
import ssl
import sys
from pathlib import Path
from types import FrameType

import click
import uvicorn
import uvloop
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from authz_devkit.identity_provider.app import CLIENT_CERTIFICATE, build_app
from authz_devkit.identity_provider.keys import StateProblem
from authz_devkit.identity_provider.realm import RealmProblems

log = logging.getLogger("authz_devkit.idp")

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.option("--realms", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder of *.json.")
@click.option("--listen", default="127.0.0.1:8443", show_default=True, metavar="ADDRESS:PORT")
@click.option("--cert", required=True, type=_FILE, help="Certificate chain; read again when it changes.")
@click.option("--key", required=True, type=_FILE)
@click.option("--hostname", metavar="URL", help="Public URL, the start of every issuer.  [default: https://LISTEN]")
@click.option("--client-ca", type=_FILE, multiple=True, help="CA of clients' certificates; may be given often.")
@click.option("--state", type=_FILE, help="Keep the signing keys here, unencrypted, over a restart.")
def idp(  # noqa: PLR0913 - one parameter per option
    *,
    realms: Path,
    listen: str,
    cert: Path,
    key: Path,
    hostname: str | None,
    client_ca: tuple[Path, ...],
    state: Path | None,
) -> None:
    """Serve Keycloak's URLs from realm-import files.

    FOR DEVELOPMENT ONLY: passwords and client secrets lie in the realm files, nothing slows a guesser down, and
    POST /dev/realms/REALM/rotate-keys is open to everybody.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    address, _, port = listen.rpartition(":")
    if not address or not port.isdigit():
        raise click.BadParameter(f"{listen}: write ADDRESS:PORT", param_hint="--listen")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    try:
        app = build_app(realms, hostname or f"https://{listen}", state_file=state)
        config = uvicorn.Config(
            app,
            host=address.strip("[]"),
            port=int(port),
            ssl_certfile=cert,
            ssl_keyfile=key,
            http=_WithClientCertificate,
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=2,
        )
        config.load()
        _ask_for_certificates(config, client_ca)
    except (RealmProblems, StateProblem) as problem:
        raise click.ClickException(str(problem)) from problem
    except (OSError, ssl.SSLError) as problem:
        raise click.ClickException(f"{', '.join(map(str, (cert, key, *client_ca)))}: {problem}") from problem
    log.warning("DEVELOPMENT identity provider: passwords in files, open key rotation; never let it near production")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(uvicorn.Server(config), cert, key))


class _WithClientCertificate(HttpToolsProtocol):
    """Tells the application who is at the other end (RFC 8705)."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        channel = self.transport.get_extra_info("ssl_object")
        self.scope[CLIENT_CERTIFICATE] = channel.getpeercert(binary_form=True)  # type: ignore[literal-required]


def _ask_for_certificates(config: uvicorn.Config, authorities: tuple[Path, ...]) -> None:
    """Who shows one must show one of these authorities; nobody must. Raises OSError."""
    assert config.ssl is not None
    for file in authorities:
        config.ssl.load_verify_locations(file)
    if authorities:
        config.ssl.verify_mode = ssl.CERT_OPTIONAL


async def _serve(server: uvicorn.Server, cert: Path, key: Path) -> None:
    watch = asyncio.create_task(_keep_certificate_fresh(server.config, cert, key))
    try:
        await server.serve()
    finally:
        watch.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watch


async def _keep_certificate_fresh(config: uvicorn.Config, cert: Path, key: Path) -> None:
    """New connections get the new certificate within a second of its rotation."""
    assert config.ssl is not None
    seen = _versions(cert, key)
    while True:
        await asyncio.sleep(0.5)
        current = _versions(cert, key)
        if current == seen:
            continue
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key)  # a bad pair must not touch the live one
            config.ssl.load_cert_chain(cert, key)
        except (OSError, ssl.SSLError) as problem:
            log.warning("certificate_not_reloaded cert=%s problem=%s", cert, problem)
            continue
        seen = current
        log.info("certificate_reloaded cert=%s", cert)


def _versions(*files: Path) -> list[tuple[int, int]]:
    found = [file.stat() if file.exists() else None for file in files]
    return [(status.st_ino, status.st_mtime_ns) if status else (0, 0) for status in found]


def _stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signal module's signature
    """Before uvicorn serves, and after its graceful end (it raises the signal again): leave without a traceback."""
    raise SystemExit(0)
