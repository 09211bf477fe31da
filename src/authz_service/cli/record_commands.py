"""The commands that read what sidecars recorded: trail, replay, suggest. Arguments only; the work is done elsewhere."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from authz_service.cli.mesh_options import mesh_argument, output_format
from authz_service.cli.telling import not_judged_if_broken

audit_files = click.argument(
    "audit", nargs=-1, required=True, metavar="AUDIT...", type=click.Path(exists=True, allow_dash=True)
)


@click.command(
    epilog="""\b
Example:
  authz trail req-abc-123 /var/log/authz/*.jsonl
"""
)
@click.argument("correlation_id", metavar="ID")
@audit_files
@click.option("--follow", is_flag=True, help="Print each hop when it is recorded, until Ctrl-C.")
@output_format
def trail(correlation_id: str, audit: tuple[str, ...], form: str, *, follow: bool) -> None:
    """Show one request's way: each sidecar's decision, as a tree.

    ID is its correlation ID. AUDIT are files of audit.path, of all sidecars that have some (also .gz; - is standard
    input). It says who called whom, with whose token and for whom, and what is missing.

    Exit code 0: all of it is here. 1: nothing is, or not all. 2: a file cannot be read.
    """
    from authz_service.cli.trail import follow_trail, show_trail

    show = follow_trail if follow else show_trail
    with not_judged_if_broken():
        sys.exit(show(correlation_id, audit, form))


@click.command(
    epilog="""\b
Example:
  authz replay new-policies/ decisions.jsonl --fail-on any
"""
)
@click.argument("policies", metavar="MESH|POLICIES", type=click.Path(path_type=Path, exists=True))
@click.argument(
    "decisions",
    nargs=-1,
    required=True,
    metavar="DECISIONS...",
    type=click.Path(exists=True, allow_dash=True),
)
@click.option(
    "--query", default="", metavar="data.PACKAGE.RULE", help="For a folder of policies: in place of the recorded rule."
)
@click.option(
    "--fail-on",
    type=click.Choice(["gained", "lost", "any", "nothing"]),
    default="gained",
    show_default=True,
    help="Which flips end with 1.",
)
@output_format
def replay(policies: Path, decisions: tuple[str, ...], query: str, fail_on: str, form: str) -> None:
    """Decide recorded decisions anew, by other policies.

    DECISIONS are files of audit.opa_decision_log (also .gz; - is standard input). They are decided by the policies of
    a mesh, of one configuration, or of a folder. It says which verdicts flip, by rule and principal; gained: what was
    refused is allowed.

    Exit code 0: no flip of --fail-on. 1: there is one. 2: it cannot be judged.
    """
    from authz_service.cli.replay import replay as replayed

    with not_judged_if_broken():
        sys.exit(replayed(policies, decisions, query=query, fail_on=fail_on, form=form))


@click.command(
    epilog="""\b
Example:
  authz suggest my-mesh /var/log/authz/*.jsonl*
"""
)
@mesh_argument
@audit_files
@output_format
def suggest(mesh: Path, audit: tuple[str, ...], form: str) -> None:
    """Find what is granted and was never used.

    From the files of MESH and the records of some time: clients, routes, methods, roles and scopes that no allowed
    request needed, as a list and as a patch to read. It applies nothing.

    Exit code 0: everything was used. 1: something was not. 2: there is no record, or a file cannot be read.
    """
    from authz_service.cli.suggest import suggest as suggested

    with not_judged_if_broken():
        sys.exit(suggested(mesh, audit, form))
