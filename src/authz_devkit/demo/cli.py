"""`authz-dev demo` and `authz-dev up`: the whole mesh, played and ended, or kept running."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import AsyncIterator, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from authz_devkit.demo import report
from authz_devkit.demo.caller import Caller, Tokens
from authz_devkit.demo.identity import IdentityProvider
from authz_devkit.demo.leftovers import forget, forget_killed, new_folder
from authz_devkit.demo.matrix import load_matrix, one_of_each
from authz_devkit.demo.matrix_run import try_all
from authz_devkit.demo.mesh import EXAMPLE, PODS, Mesh, MeshError, free_block
from authz_devkit.demo.play import Expectation, Play

_IDENTITY_PROVIDER = click.option(
    "--idp", type=click.Choice([kind.value for kind in IdentityProvider]), default=IdentityProvider.DEVELOPMENT.value,
    show_default=True, help="Who issues the tokens: the development kit's provider, or Keycloak itself.",
)  # fmt: skip


@click.command()
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Also write the expectations here."
)
@_IDENTITY_PROVIDER
@click.option("--full", is_flag=True, help="Try every request of the security matrix, not one of each kind.")
def demo(json_file: Path | None, idp: str, *, full: bool) -> None:
    """Run the mesh, play flows and security matrix, and end. Exit code 0 only if all held."""
    sys.exit(asyncio.run(_until_interrupted(_demo(_console(), IdentityProvider(idp), json_file, full=full))))


@click.command()
@_IDENTITY_PROVIDER
def up(idp: str) -> None:
    """Run the whole mesh until Ctrl-C, and print what to try."""
    sys.exit(asyncio.run(_until_interrupted(_up(_console(), IdentityProvider(idp)))))


def _console() -> Console:
    """As wide as the terminal; in a file a line may be longer."""
    return Console() if sys.stdout.isatty() else Console(width=150)


async def _until_interrupted(work: Coroutine[Any, Any, int]) -> int:
    """The same end for Ctrl-C, SIGTERM and success: whatever was started is stopped, and its files are gone."""
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    ends = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def end() -> None:
        for number in ends:  # a second one would cut the end short, and leave keys behind
            loop.add_signal_handler(number, lambda: None)
        task.cancel()

    for number in ends:
        loop.add_signal_handler(number, end)
    try:
        return await task
    except asyncio.CancelledError:
        click.echo("interrupted; everything is stopped, and nothing is left", err=True)
        return 130
    except MeshError as error:
        click.echo(f"the mesh failed: {error}", err=True)
        return 1


@contextlib.asynccontextmanager
async def running_mesh(console: Console, idp: IdentityProvider) -> AsyncIterator[Mesh]:
    """The mesh from nothing to ready, and back to nothing, whatever happens. A failure leaves logs and audit."""
    for folder in forget_killed():
        console.print(f"[dim]removed {folder}: its mesh was killed[/]")
    block = free_block()
    mesh = Mesh(new_folder(), block, identity=idp)
    kept: tuple[str, ...] = ("logs", "audit")
    try:
        await _start(mesh, console)
        yield mesh
    except asyncio.CancelledError:
        kept = ()
        raise
    finally:
        mesh.on_event = lambda name, state: None
        await mesh.stop()
        forget(mesh.folder, keep=kept)


async def _start(mesh: Mesh, console: Console) -> None:
    with report.Progress(console) as progress:
        mesh.on_event = progress.event
        console.print(f"[bold]starting the mesh[/] [dim]on 127.{mesh.block}.x.y, in {mesh.folder}[/]")
        started = time.perf_counter()
        await mesh.start()
    console.print(
        f"[green]ready[/] after {time.perf_counter() - started:.1f} s: identity provider ({mesh.identity}), "
        "three services, four sidecars"
    )


async def _demo(console: Console, idp: IdentityProvider, json_file: Path | None, *, full: bool) -> int:
    expectations: list[Expectation] = []
    async with running_mesh(console, idp) as mesh:
        caller, tokens = Caller(mesh), Tokens(mesh)
        try:
            play = Play(mesh, caller, tokens, partial(report.show_step, console))
            console.rule("the spec's flows", align="left")
            await play.run()
            report.show_trail(console, mesh, "john creates an order", play.correlation_id("order"))
            report.show_trail(console, mesh, "john pays for it", play.correlation_id("payment"))
            console.rule("only the drawn arrows", align="left")
            every = load_matrix(EXAMPLE / "security_matrix.yaml")
            cells = every if full else one_of_each(every)
            with report.counting(console, len(cells)) as count:
                tried = await try_all(cells, caller, tokens, count)
            report.show_matrix(console, tried, len(every))
            expectations = [*play.expectations, *(row.expectation() for row in tried)]
        finally:
            await caller.close()
    expectations.append(_nothing_left(mesh))
    report.show_summary(console, expectations, mesh)
    if json_file is not None:
        report.write_json(json_file, expectations)
    if not all(expectation.held for expectation in expectations):
        return 1
    forget(mesh.folder)
    return 0


def _nothing_left(mesh: Mesh) -> Expectation:
    alive = [name for name, process in mesh.processes.items() if process.returncode is None]
    return Expectation("no process is left behind", not alive, f"still running: {alive}" if alive else "all ended")


async def _up(console: Console, idp: IdentityProvider) -> int:
    async with running_mesh(console, idp) as mesh:
        console.print(instructions(mesh), soft_wrap=True, highlight=False, markup=False)
        await asyncio.Event().wait()
    return 0


def instructions(mesh: Mesh) -> str:
    """Shell lines to try, the spec's own examples; they work as they stand in another terminal."""
    gateway, order = mesh.address(PODS[0]), mesh.address(PODS[1])
    return f"""
# The certificates of this mesh, and where its names are:
export CURL_CA_BUNDLE={mesh.folder}/ca-bundle.crt
mesh-curl() {{ curl -sS --resolve keycloak.example.com:8443:{mesh.identity_address} \\
  --resolve api-gateway.zone1.local:8443:{gateway} "$@"; }}

# A user's token (spec, example 1):
USER_TOKEN=$(mesh-curl -X POST "{mesh.identity_url}/realms/users/protocol/openid-connect/token" \\
  -d grant_type=password -d client_id=web-app -d username=john -d password=secret |
  python3 -c 'import json,sys; print(json.load(sys.stdin)["access_token"])')

# John creates an order through the gateway:
mesh-curl -i -X POST https://api-gateway.zone1.local:8443/api/v1/orders \\
  -H "Authorization: Bearer $USER_TOKEN" -H "Content-Type: application/json" \\
  -d '{{"product_id": "PROD-123", "quantity": 2}}'

# The order service's own call through its egress (spec, example 2):
curl -sS http://{order}:8080/data/inventory/PROD-123 -H "X-User-Context: user-123" -H "X-Correlation-ID: req-abc"

# What a sidecar says about itself, and the audit trail:
curl -sS http://{order}:9901/readyz
{Path(sys.executable).with_name("authz")} trail req-abc {mesh.folder}/audit/*.jsonl

# Ctrl-C, here, ends everything.
"""
