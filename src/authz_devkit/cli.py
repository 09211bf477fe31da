"""`authz-dev`: the development kit's commands. Each one is imported only when it is called."""

import io
import sys
from importlib import import_module

import click

COMMANDS = {
    "new": "authz_devkit.new_service.cli:new",
    "certs": "authz_devkit.certs.cli:certs",
    "idp": "authz_devkit.identity_provider.cli:idp",
    "keycloak": "authz_devkit.keycloak.cli:keycloak",
    "demo": "authz_devkit.demo.cli:demo",
    "up": "authz_devkit.demo.cli:up",
}


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command = getattr(import_module(module), name)
        assert isinstance(command, click.Command)
        return command


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(None, "-V", "--version", package_name="authz-devkit")
def main() -> None:
    """What a developer needs around authz-service: certificates, an identity provider, the demo mesh."""
    for stream in (sys.stdout, sys.stderr):  # Latin-1 has no ✓
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


if __name__ == "__main__":
    main()
