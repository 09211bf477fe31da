"""The command `authz`. `authz -h` lists what it can do.

Reads arguments and prints; the work is done elsewhere.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path

import click

from authz_service.cli.documents import DOCUMENTS
from authz_service.cli.letters import accept_any_encoding
from authz_service.cli.mesh_commands import explain, lint, matrix
from authz_service.cli.record_commands import replay, suggest, trail
from authz_service.cli.telling import from_file, not_judged_if_broken, tell
from authz_service.errors import AuthzServiceError

DEFAULT_CONFIG = "/etc/authz/config.yaml"

config_option = click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="AUTHZ_CONFIG_PATH",
    default=DEFAULT_CONFIG,
    show_default=True,
    help="The configuration file; also by AUTHZ_CONFIG_PATH.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(None, "-V", "--version", package_name="authz-service")
def authz() -> None:
    """A sidecar that makes service-to-service calls safe."""


@authz.command()
@config_option
def run(config_path: Path) -> None:
    """Run the sidecar until SIGTERM. SIGHUP and every change of its files reload it."""
    from authz_service.control_plane.sidecar import run_sidecar

    run_sidecar(config_path, os.environ)


@authz.command()
@config_option
@click.option(
    "--anywhere",
    is_flag=True,
    help="Not what only the sidecar's host has: variables, secrets, certificates, audit file.",
)
@click.option(
    "--online",
    is_flag=True,
    help="Also what only the network knows: keys, tokens, names, targets' certificates. Changes nothing anywhere.",
)
def check(config_path: Path, *, anywhere: bool, online: bool) -> None:
    """Check configuration, certificates and policies as `run` would. Exit code 1 when something must be mended."""
    from authz_service.cli.check import check_all

    if anywhere and online:
        raise click.UsageError("--online needs the secrets and certificates that --anywhere does without")
    sys.exit(check_all(config_path, os.environ, anywhere=anywhere, online=online))


@authz.command()
@config_option
def render(config_path: Path) -> None:
    """Print the Envoy resources of this configuration, as YAML."""
    from authz_service.cli.render import rendered_yaml

    click.echo(rendered_yaml(config_path, os.environ), nl=False)


@authz.command()
@config_option
@click.option("--method", default="GET", show_default=True)
@click.option("--path", "target", default="/", show_default=True, help="With the query, as a client would send it.")
@click.option("--host", default="localhost", show_default=True)
@click.option(
    "--cert",
    type=click.Path(path_type=Path, exists=True),
    help="The client certificate, PEM, and what is sent beside it.",
)
@click.option("--token", help="The access token; @FILE reads it from a file.")
@click.option(
    "--jwks", type=click.Path(path_type=Path, exists=True), help="The issuer's keys, so that nothing is fetched."
)
@click.option("--header", "header_lines", multiple=True, help="Name: value; repeatable.")
def decide(  # noqa: PLR0913 - one per option
    config_path: Path,
    method: str,
    target: str,
    host: str,
    cert: Path | None,
    token: str | None,
    jwks: Path | None,
    header_lines: tuple[str, ...],
) -> None:
    """Judge one request as a running sidecar would.

    It needs none. It prints every step, and ends with 0: allowed, 1: refused, 2: it cannot be judged.
    """
    from authz_service.cli.decide import Question, explain

    question = Question(method, target, host, cert, from_file(token), jwks, header_lines)
    with not_judged_if_broken():
        sys.exit(explain(config_path, os.environ, question))


@authz.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option(
    "--run", "only", default="", metavar="REGEX", help="Only tests whose name (data.package.test_…) has this."
)
@click.option("--coverage", is_flag=True, help="Also say which lines of which file no test reached.")
@click.option("-v", "--verbose", is_flag=True, help="Also name the tests that passed.")
def test(folder: Path, only: str, *, coverage: bool, verbose: bool) -> None:
    """Run the Rego tests (`test_…` rules) below FOLDER, as `opa test`. Exit code 0 passed, 1 not, 2 without tests."""
    from authz_service.cli.policy_tests import test_folder

    sys.exit(test_folder(folder, only, coverage=coverage, verbose=verbose))


@authz.group()
def audit() -> None:
    """The audit records: are they whole and unchanged?"""


@audit.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, allow_dash=True))
@click.option(
    "--key-file",
    "key_files",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The file of audit.key_file; repeat it for older keys.",
)
@click.option(
    "--heads",
    type=click.Path(path_type=Path, exists=True),
    help="The last records that were written: a sidecar's state directory, or its /audit page as saved.",
)
@click.option(
    "--after",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Where earlier files ended: what --json printed for them.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def verify(
    files: tuple[str, ...], key_files: tuple[Path, ...], heads: Path | None, after: Path | None, *, as_json: bool
) -> None:
    """Find records that were changed, are missing or were cut off. FILES are of audit.path (also .gz; - is standard
    input). Exit code 0 intact, 1 not, 2 when it cannot be judged.
    """
    from authz_service.cli.audit import Inputs
    from authz_service.cli.audit import verify as verified

    with not_judged_if_broken():
        sys.exit(verified(Inputs(files, key_files, after, heads), as_json=as_json))


@authz.command()
def doctor() -> None:
    """Say what this host has for a sidecar, and what it lacks.

    It needs no configuration and changes nothing. Exit code 0 all is there, 1 a sidecar would not run, 2 it runs with
    less.
    """
    from authz_service.cli.doctor import examine

    sys.exit(examine(os.environ))


@authz.command()
@click.argument("document", type=click.Choice(["configuration", *DOCUMENTS]), default="configuration")
def schema(document: str) -> None:
    """Print the JSON Schema of the configuration.

    Or, by its name, of what a command prints with --format json.
    """
    from authz_service.cli.documents import schema_of
    from authz_service.config.describe.schema import json_schema

    click.echo(json.dumps(json_schema() if document == "configuration" else schema_of(document), indent=2))


authz.add_command(explain)
authz.add_command(lint)
authz.add_command(matrix)
authz.add_command(trail)
authz.add_command(replay)
authz.add_command(suggest)


def main() -> None:
    """The entry point: what is broken is told in plain lines, without a traceback, with exit code 1."""
    accept_any_encoding((sys.stdout, sys.stderr))
    logging.getLogger("authz_service").addHandler(logging.NullHandler())  # `run` logs; the others print
    try:
        authz(standalone_mode=True)
    except (AuthzServiceError, OSError) as error:
        tell(error)
        sys.exit(1)


if __name__ == "__main__":
    main()
