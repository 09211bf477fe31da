"""`authz-dev certs`: the commands over the certificate tree."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import click
from rich.console import Console

from authz_devkit.certs.authority import LEAF_LIFETIME
from authz_devkit.certs.own_names import add_names
from authz_devkit.certs.revocation import refresh_worn_crls, revoke
from authz_devkit.certs.rotation import finish_ca_overlap, rotate_leaf, start_ca_overlap
from authz_devkit.certs.show import told
from authz_devkit.certs.tree import create_tree, load_leaves

TREE = click.argument("root", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
A_WHILE = click.FloatRange(min=0, min_open=True)


class _CreateByDefault(click.Group):
    """`certs DIR` means `certs create DIR`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in {*self.commands, *ctx.help_option_names}:
            args = ["create", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_CreateByDefault)
def certs() -> None:
    """Make, show, replace and revoke development certificates.

    `certs DIR` is short for `certs create DIR`. The CA keys lie unencrypted beside the certificates: for development
    only.
    """


@certs.command()
@TREE
@click.option("--days", type=A_WHILE, default=LEAF_LIFETIME.days, show_default=True, help="Lifetime of new leaves.")
@click.option(
    "--ip", "ips", multiple=True, metavar="OWNER=IP", help="One more address of a server, e.g. gateway=127.1.1.1."
)
@click.option("--server", "servers", multiple=True, metavar="NAME=HOST", help="Your own: a server and its DNS name.")
@click.option("--client", "clients", multiple=True, metavar="NAME", help="Your own: a client, CN=NAME-client.")
@click.option("--zone", metavar="ZONE", help="Whose CA signs these servers and clients.  [default: dev]")
def create(
    root: Path,
    days: float,
    ips: tuple[str, ...],
    servers: tuple[str, ...],
    clients: tuple[str, ...],
    zone: str | None,
) -> None:
    """Make the tree, or mend it: what is good stays as it is.

    Without --server and --client these are the example's certificates, or those that this folder was made with.
    """
    if servers or clients:
        add_names(root, zone or "dev", _hosts(servers), clients)
    elif zone:
        raise click.UsageError("--zone goes with --server and --client")
    made = create_tree(root, now=_now(), lifetime=timedelta(days=days), ips=_addresses(ips))
    refresh_worn_crls(root, now=_now())
    click.echo(f"{root}: " + (f"made {', '.join(made)}" if made else "everything is there and good"))


@certs.command()
@TREE
@click.option("--leaf", "leaves", multiple=True, metavar="NAME", help="Replace this leaf; `show` has the names.")
@click.option("--all-leaves", is_flag=True, help="Replace every leaf.")
@click.option("--ca", metavar="ZONE", help="Replace the CA of this zone, in two phases.")
@click.option("--phase", type=click.Choice(("overlap", "finish")), help="With --ca: trust both, or drop the old one.")
@click.option("--days", type=A_WHILE, help="Lifetime of new leaves.  [default: as the old one]")
def rotate(
    root: Path, leaves: tuple[str, ...], ca: str | None, phase: str | None, days: float | None, *, all_leaves: bool
) -> None:
    """Replace leaves, or a CA.

    A CA takes three commands, each after every sidecar has reloaded:
    `--ca zone2 --phase overlap`, `--all-leaves`, `--ca zone2 --phase finish`.
    """
    if (ca is None) != (phase is None) or bool(ca) == bool(leaves or all_leaves):
        raise click.UsageError("say either --leaf NAME or --all-leaves, or --ca ZONE with --phase overlap|finish")
    if ca:
        {"overlap": start_ca_overlap, "finish": finish_ca_overlap}[phase or ""](root, ca, now=_now())
        click.echo(f"{root}: {ca} CA: {phase} done")
    for name in load_leaves(root) if all_leaves else leaves:
        rotate_leaf(root, name, now=_now(), lifetime=timedelta(days=days) if days else None)
        click.echo(f"{root}: {name} replaced")


@certs.command()
@TREE
def show(root: Path) -> None:
    """Print who has which certificate, from whom, and until when."""
    console = Console(highlight=False, soft_wrap=True)  # no line is long
    for line in told(root, now=_now()):
        console.print(line)


@certs.command(name="revoke")
@TREE
@click.argument("name")
def revoke_(root: Path, name: str) -> None:
    """Put a certificate on its CA's revocation list. `show` has the names."""
    serial = revoke(root, name, now=_now())
    click.echo(f"{root}: {name} revoked, serial {serial:x}; `rotate --leaf {name}` gives its owner a new one")


def _hosts(pairs: tuple[str, ...]) -> dict[str, str]:
    hosts: dict[str, str] = {}
    for pair in pairs:
        name, _, host = pair.partition("=")
        if not host or name in hosts:
            raise click.BadParameter(f"{pair}: write NAME=HOST, each name once", param_hint="--server")
        hosts[name] = host
    return hosts


def _addresses(pairs: tuple[str, ...]) -> dict[str, list[str]]:
    addresses: dict[str, list[str]] = {}
    for pair in pairs:
        owner, _, address = pair.partition("=")
        try:
            addresses.setdefault(owner, []).append(str(ip_address(address)))
        except ValueError as problem:
            raise click.BadParameter(f"{pair}: {problem}; write OWNER=IP", param_hint="--ip") from problem
    return addresses


def _now() -> datetime:
    return datetime.now(UTC)
