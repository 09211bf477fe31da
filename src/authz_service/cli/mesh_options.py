"""What the command line says about a mesh, and about a request to it, read. Not what becomes of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from authz_service.cli.telling import header_pairs

if TYPE_CHECKING:
    from authz_service.mesh.asked import AskedFor


def _require_mesh(_: click.Context, __: click.Parameter, mesh: Path) -> Path:
    """An audit file in its place would be read as a configuration."""
    if mesh.is_file() and mesh.suffix not in {".yaml", ".yml"}:
        raise click.BadParameter(f"{mesh} is no mesh. MESH comes first: the folder of the configurations")
    return mesh


mesh_argument = click.argument("mesh", type=click.Path(path_type=Path, exists=True), callback=_require_mesh)
output_format = click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How to print it.",
)


def asked_for(  # noqa: PLR0913 - one per option
    method: str,
    target: str,
    principal: str,
    source: str,
    at: str,
    claims: Path | None,
    token: str | None,
    jwks: Path | None,
    certificate: Path | None,
    header_lines: tuple[str, ...],
) -> AskedFor:
    """Raises click's errors for what contradicts itself."""
    if sum((bool(principal), claims is not None, token is not None)) > 1:
        raise click.UsageError("--as, --claims and --token each say whose token it is: give one of them")
    if token is not None and jwks is None:
        raise click.UsageError("--token needs --jwks: nothing is fetched, so the issuer's keys have to be given")
    if source and certificate is not None:
        raise click.UsageError("--from shows the certificate of that service's configuration: leave --cert out")
    headers = header_pairs(header_lines)
    from authz_service.mesh.asked import AskedFor  # `run` loads none of it

    return AskedFor(
        method=method.upper(),
        target=target if target.startswith("/") else f"/{target}",
        principal=principal,
        claims=None if claims is None else _object(claims, "--claims"),
        token=token,
        source=source,
        at=at,
        certificate=certificate,
        headers=headers,
        keys=() if jwks is None else _keys(jwks),
        host=dict(headers).get("host", ""),
    )


def _object(file: Path, option: str) -> dict[str, object]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise click.BadParameter(f"{file} is no JSON: {error}", param_hint=option) from error
    if not isinstance(found, dict):
        raise click.BadParameter(f"{file} holds no JSON object", param_hint=option)
    return found


def _keys(file: Path) -> tuple[dict[str, object], ...]:
    keys = _object(file, "--jwks").get("keys")
    if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys):
        raise click.BadParameter(f"{file} is no key set: it has no list `keys`", param_hint="--jwks")
    return tuple(keys)
