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
from authz_devkit.identity_provider.own_realm import own_realm
from authz_realm.realm import Realm, RealmProblems, load_realms

log = logging.getLogger("authz_devkit.idp")

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.option("--realms", type=click.Path(path_type=Path, file_okay=False), help="Folder of *.json.")
@click.option("--client", "clients", multiple=True, metavar="NAME=SECRET", help="Your own, without --realms: a client.")
@click.option("--user", "users", multiple=True, metavar="NAME=PASSWORD", help="Your own: a user.")
@click.option("--role", "roles", multiple=True, metavar="USER=ROLE", help="Your own: a realm role of a user.")
@click.option("--audience", "audiences", multiple=True, metavar="NAME", help="Your own: whom tokens are for.")
@click.option("--realm", metavar="NAME", help="Your own: the realm's name.  [default: dev]")
@click.option("--listen", default="127.0.0.1:8443", show_default=True, metavar="ADDRESS:PORT")
@click.option("--cert", required=True, type=_FILE, help="Certificate chain; read again when it changes.")
@click.option("--key", required=True, type=_FILE)
@click.option("--hostname", metavar="URL", help="Public URL, the start of every issuer.  [default: https://LISTEN]")
@click.option("--client-ca", type=_FILE, multiple=True, help="CA of clients' certificates; may be given often.")
@click.option("--state", type=_FILE, help="Keep the signing keys here, unencrypted, over a restart.")
def idp(  # noqa: PLR0913 - one parameter per option
    *,
    realms: Path | None,
    clients: tuple[str, ...],
    users: tuple[str, ...],
    roles: tuple[str, ...],
    audiences: tuple[str, ...],
    realm: str | None,
    listen: str,
    cert: Path,
    key: Path,
    hostname: str | None,
    client_ca: tuple[Path, ...],
    state: Path | None,
) -> None:
    """Serve Keycloak's URLs, from realm files or names of your own.

    FOR DEVELOPMENT ONLY: passwords and client secrets lie in the realm files, nothing slows a guesser down, and
    POST /dev/realms/REALM/rotate-keys is open to everybody.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    address, _, port = listen.rpartition(":")
    if not address or not port.isdigit():
        raise click.BadParameter(f"{listen}: write ADDRESS:PORT", param_hint="--listen")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    own = clients or users or roles or audiences or realm
    if bool(realms) == bool(own) or (own and not clients):
        raise click.UsageError("say either --realms, or --client NAME=SECRET with what belongs to it")
    try:
        loaded = load_realms(realms) if realms else _own(realm or "dev", clients, users, roles, audiences)
        app = build_app(loaded, hostname or f"https://{listen}", state_file=state)
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


def _own(
    realm: str,
    clients: tuple[str, ...],
    users: tuple[str, ...],
    roles: tuple[str, ...],
    audiences: tuple[str, ...],
) -> dict[str, Realm]:
    of: dict[str, list[str]] = {}
    for user, role in _pairs("--role", roles):
        of.setdefault(user, []).append(role)
    return own_realm(
        realm, clients=_once("--client", clients), users=_once("--user", users), roles=of, audiences=audiences
    )


def _once(option: str, texts: tuple[str, ...]) -> dict[str, str]:
    pairs = _pairs(option, texts)
    found = dict(pairs)
    if len(found) < len(pairs):
        raise click.BadParameter("each name once", param_hint=option)
    return found


def _pairs(option: str, texts: tuple[str, ...]) -> list[tuple[str, str]]:
    """What stands behind `=` may be a secret: it is in no message."""
    pairs = []
    for text in texts:
        name, _, value = text.partition("=")
        if not name or not value:
            raise click.BadParameter(f"{name or '(no name)'}: write NAME=VALUE", param_hint=option)
        pairs.append((name, value))
    return pairs


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
