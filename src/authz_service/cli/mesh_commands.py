"""The commands over a whole mesh: explain, lint, matrix. Reads arguments; the work is done elsewhere."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from authz_service.cli.mesh_options import mesh_argument, output_format
from authz_service.cli.telling import from_file, not_judged_if_broken


@click.command(
    epilog="""\b
Examples:
  authz explain my-mesh POST /api/v1/orders --as john
  authz explain my-mesh GET /data/orders/1 --from order-service
  authz explain my-mesh --correlation-id req-abc /var/log/authz/*.jsonl
"""
)
@mesh_argument
@click.argument(
    "words", nargs=-1, required=True, metavar="(METHOD PATH | --correlation-id ID AUDIT...)", type=click.Path()
)
@click.option("--as", "principal", default="", metavar="NAME", help="Whose token: a user, a service, mesh.yaml's.")
@click.option("--from", "source", default="", metavar="SERVICE", help="Who sends it, through its egress.")
@click.option("--at", default="", metavar="SERVICE", help="Where it comes in, where that is not plain.")
@click.option(
    "--claims", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="A token that says this (JSON)."
)
@click.option("--token", help="A real token; @FILE reads it. Needs --jwks.")
@click.option("--jwks", type=click.Path(path_type=Path, exists=True), help="The issuers' keys, for --token.")
@click.option("--cert", type=click.Path(path_type=Path, exists=True), help="The client certificate it comes with, PEM.")
@click.option("--correlation-id", default="", metavar="ID", help="What really happened: of these AUDIT files.")
@click.option("--header", "header_lines", multiple=True, help="Name: value; repeatable.")
@output_format
def explain(  # noqa: PLR0913 - one per option
    mesh: Path,
    words: tuple[str, ...],
    principal: str,
    source: str,
    at: str,
    claims: Path | None,
    token: str | None,
    jwks: Path | None,
    cert: Path | None,
    correlation_id: str,
    header_lines: tuple[str, ...],
    form: str,
) -> None:
    """Say why one request passes or fails in a mesh.

    From the files of MESH alone, over all its sidecars: the first no, with its place and what to do. Exit code 0: it
    reaches the service, 1: it is refused, 2: the files do not tell.
    """
    from authz_service.cli.explain import explain as explained
    from authz_service.cli.mesh_options import asked_for

    with not_judged_if_broken():
        if correlation_id:
            from authz_service.cli.explain_recorded import explain_recorded

            sys.exit(explain_recorded(mesh, correlation_id, words, form))
        if len(words) != 2:
            raise click.UsageError("give METHOD and PATH, or --correlation-id and audit files")
        method, path = words
        asked = asked_for(method, path, principal, source, at, claims, from_file(token), jwks, cert, header_lines)
        sys.exit(explained(mesh, asked, form))


@click.command(
    epilog="""\b
Examples:
  authz lint my-mesh
  authz lint my-mesh --format github
  authz lint --rule AZ101
"""
)
@click.argument("mesh", type=click.Path(path_type=Path, exists=True), required=False)
@click.option("--rule", "rule", metavar="ID", help="Say what one rule means, in place of looking at a mesh.")
@click.option("--notes", is_flag=True, help="Also what the files only imply: no findings.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json", "sarif", "github"]), default="text", show_default=True
)
def lint(mesh: Path | None, rule: str | None, form: str, *, notes: bool) -> None:
    """Find what cannot work in a mesh, or should not be.

    From the files of MESH alone: certificates, tokens, routes, policies, each with its place, the two that disagree,
    and what to do. Exit code 0: nothing found, 1: errors or warnings, 2: there is no mesh to look at.
    """
    from authz_service.cli.lint import explain_rule, lint_mesh

    if (mesh is None) == (rule is None):
        raise click.UsageError("give either a MESH, or --rule ID")
    if rule is not None:
        sys.exit(explain_rule(rule))
    assert mesh is not None
    with not_judged_if_broken():
        sys.exit(lint_mesh(mesh, form, notes=notes))


@click.command(
    epilog="""\b
Examples:
  authz matrix my-mesh
  authz matrix my-mesh --format html > matrix.html
  authz matrix my-mesh --against main-branch --fail-on gained
"""
)
@mesh_argument
@click.option(
    "--against",
    type=click.Path(path_type=Path, exists=True),
    metavar="OLD",
    help="Say what is gained and what is lost since another mesh.",
)
@click.option(
    "--fail-on",
    type=click.Choice(["nothing", "gained", "lost", "any"]),
    default="nothing",
    show_default=True,
    help="Exit code 1 when there is such a change. Needs --against.",
)
@click.option(
    "--format", "form", type=click.Choice(["text", "html", "csv", "md", "json"]), default="text", show_default=True
)
def matrix(mesh: Path, against: Path | None, fail_on: str, form: str) -> None:
    """Say who may do what at every sidecar of a mesh.

    From the files of MESH alone, by asking the real gate and policies about every certificate, token, method and path
    that the files name. Exit code 0, 1: a change that --fail-on names, 2: something cannot be judged.
    """
    from authz_service.cli.matrix import print_matrix

    if fail_on != "nothing" and against is None:
        raise click.UsageError("--fail-on needs --against OLD")
    with not_judged_if_broken():
        sys.exit(print_matrix(mesh, form, against, fail_on))
