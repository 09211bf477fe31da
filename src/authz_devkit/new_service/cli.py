"""`authz-dev new`: a folder in which a service of one's own is protected."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import click

from authz_devkit.certs.own_names import add_names
from authz_devkit.certs.tree import create_tree
from authz_devkit.new_service.files import SCRIPTS, render

_CALLER = "web"
_TAKEN = {_CALLER, "idp", "ca"}
# What stands in YAML, in curl's file and in shell lines as it is.
_PLAIN_PATH = re.compile(r"[\w./+-]+", re.ASCII)
_UPSTREAM = re.compile(r"http://[\w.-]+:\d+", re.ASCII)
_LONGEST_PATH = 70  # a socket's path has at most 107 bytes (unix(7)), and ours are some 30 below the folder


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--upstream", default="http://127.0.0.1:9000", show_default=True, help="Where your service listens.")
@click.option("--name", help="The service's name.  [default: the folder's]")
@click.option(
    "--address",
    default="127.0.0.1",
    show_default=True,
    help="Where sidecar and identity provider listen; a second service beside the first: 127.0.0.2.",
)
def new(folder: Path, upstream: str, name: str | None, address: str) -> None:
    """Make FOLDER: a sidecar for a service of yours.

    Configuration, a policy with its tests, certificates of a development CA, users and a client of the development
    identity provider, and the lines that call your service. FOR DEVELOPMENT ONLY.
    """
    folder = folder.absolute()
    name = name or folder.name
    _require_usable(folder, name, upstream, address)
    host = f"{name}.example.com"
    add_names(folder / "certs", "dev", {name: host, "idp": "idp.example.com"}, [_CALLER])
    create_tree(folder / "certs", now=datetime.now(UTC))
    names = {"NAME": name, "HOST": host, "FOLDER": str(folder), "UPSTREAM": upstream, "ADDRESS": address}
    for path, text in render(names | {"CALLER": _CALLER}).items():
        file = folder / path
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
        file.chmod(0o755 if path in SCRIPTS else 0o644)
    click.echo(f"{folder} is made. `./up` in it starts the sidecar; its README has the lines to try.")


def _require_usable(folder: Path, name: str, upstream: str, address: str) -> None:
    """All of it is written into files that others read, so only what none of them takes for more than a word."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise click.ClickException(f"{folder} is not empty: name a new folder")
    if not _PLAIN_PATH.fullmatch(str(folder)) or len(str(folder)) > _LONGEST_PATH:
        raise click.ClickException(
            f"{folder}: name a folder whose whole path has at most {_LONGEST_PATH} of a-z, A-Z, 0-9 and . / _ + -"
        )
    if name in _TAKEN:
        raise click.ClickException(f"{name} is a name of the development kit's own: choose another with --name")
    if not _is_url(upstream):
        raise click.BadParameter(f"{upstream}: write http://HOST:PORT", param_hint="--upstream")
    try:
        is_here = ip_address(address).is_loopback and ":" not in address
    except ValueError:
        is_here = False
    if not is_here:
        raise click.BadParameter(f"{address}: write an address of this host, 127.…", param_hint="--address")


def _is_url(text: str) -> bool:
    if not _UPSTREAM.fullmatch(text):
        return False
    try:
        return bool(urlsplit(text).port)
    except ValueError:
        return False
