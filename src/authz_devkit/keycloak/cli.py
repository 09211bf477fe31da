"""`authz-dev keycloak`: the real Keycloak in the place of the development provider, on the same realm files."""

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from authz_devkit.certs.tree import create_tree, leaf_cert, leaf_key
from authz_devkit.keycloak.distribution import VERSION, KeycloakProblem, cache_folder, install, require_java
from authz_devkit.keycloak.server import ADMIN, ADMIN_PASSWORD, Server, command, environment, prepare

_FILE = click.Path(path_type=Path, dir_okay=False)
_FOLDER = click.Path(path_type=Path, file_okay=False)
_LEAF = "identity-provider/server"


@click.command()
@click.option("--realms", type=_FOLDER, help="Folder of *.json.  [required, unless --install-only]")
@click.option("--listen", default="127.0.0.1:8443", show_default=True, metavar="ADDRESS:PORT")
@click.option("--cert", type=_FILE, help="Certificate chain.  [default: made, in the state folder]")
@click.option("--key", type=_FILE)
@click.option("--hostname", metavar="URL", help="Public URL, the start of every issuer.  [default: https://LISTEN]")
@click.option("--client-ca", type=_FILE, multiple=True, help="CA of clients' certificates; may be given often.")
@click.option("--state", type=_FOLDER, help="Its database, kept over a restart.  [default: in the cache folder]")
@click.option("--archive", type=_FILE, help=f"keycloak-quarkus-dist-{VERSION}.tar.gz, instead of asking Maven.")
@click.option("--install-only", is_flag=True, help="Bring, unpack and build it; start nothing.")
def keycloak(  # noqa: PLR0913 - one parameter per option
    *,
    realms: Path | None,
    listen: str,
    cert: Path | None,
    key: Path | None,
    hostname: str | None,
    client_ca: tuple[Path, ...],
    state: Path | None,
    archive: Path | None,
    install_only: bool,
) -> None:
    """Serve realm-import files with Keycloak itself. It takes the place of this process.

    FOR DEVELOPMENT ONLY: passwords lie in the realm files, and the administrator's is known to everybody.
    """
    address, _, port = listen.rpartition(":")
    if not address or not port.isdigit():
        raise click.BadParameter(f"{listen}: write ADDRESS:PORT", param_hint="--listen")
    if (cert is None) != (key is None):
        raise click.UsageError("--cert and --key go together")
    try:
        distribution = install(cache_folder(), archive)
        click.echo(f"Keycloak {VERSION} in {distribution}", err=True)
        if install_only:
            return
        if realms is None:
            raise click.UsageError("--realms is missing")
        folder = (state or cache_folder() / "keycloak-state").absolute()
        if cert is None or key is None:
            made = folder / "certs"
            create_tree(made, now=datetime.now(UTC), ips={"identity-provider": [address.strip("[]")]})
            cert, key = leaf_cert(made, _LEAF), leaf_key(made, _LEAF)
            click.echo(f"certificates in {made}; trust {made}/ca/identity-ca.crt", err=True)
        url = hostname or f"https://{listen}"
        server = Server(folder, realms, address.strip("[]"), int(port), cert, key, url, client_ca)
        prepare(server, distribution)
        words = command(server, require_java())
    except (KeycloakProblem, OSError) as problem:
        raise click.ClickException(str(problem)) from problem
    click.echo(f"{url}/admin: {ADMIN}, {ADMIN_PASSWORD}; DEVELOPMENT only", err=True)
    sys.stderr.flush()
    os.execve(words[0], words, {**os.environ, **environment()})  # noqa: S606 - it is Keycloak that we were asked to be
