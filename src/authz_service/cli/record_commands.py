"""The commands that read what sidecars recorded: trail. Arguments only; the work is done elsewhere."""

from __future__ import annotations

import sys

import click

audit_files = click.argument(
    "audit", nargs=-1, required=True, metavar="AUDIT...", type=click.Path(dir_okay=False, exists=True, allow_dash=True)
)
output_format = click.option(
    "--format",
    "output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How to print it.",
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
def trail(correlation_id: str, audit: tuple[str, ...], output: str, *, follow: bool) -> None:
    """Show one request's way: each sidecar's decision, as a tree.

    ID is its correlation ID. AUDIT are files of audit.path, of all sidecars that have some (also .gz; - is standard
    input). It says who called whom, with whose token and for whom, and what is missing.

    Exit code 0: all of it is here. 1: nothing is, or not all. 2: a file cannot be read.
    """
    from authz_service.cli.trail import follow_trail, show_trail

    show = follow_trail if follow else show_trail
    sys.exit(show(correlation_id, audit, "json" if output == "json" else "text"))
