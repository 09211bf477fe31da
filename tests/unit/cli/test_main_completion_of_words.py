"""A shell can complete our commands: what the page tells it to ask for is there."""

from __future__ import annotations

import pytest
from click.shell_completion import BashComplete

from authz_devkit.cli import main as authz_dev
from authz_service.cli.main import authz


@pytest.mark.parametrize(
    ("words", "incomplete", "wanted"),
    [([], "ma", "matrix"), (["lint"], "--fo", "--format"), (["lint", "--format"], "sa", "sarif")],
)
def test_commands_options_and_choices_are_completed(words: list[str], incomplete: str, wanted: str) -> None:
    found = BashComplete(authz, {}, "authz", "_AUTHZ_COMPLETE").get_completions(words, incomplete)

    assert wanted in {item.value for item in found}


def test_the_development_kit_is_completed_too() -> None:
    found = BashComplete(authz_dev, {}, "authz-dev", "_AUTHZ_DEV_COMPLETE").get_completions([], "ce")

    assert "certs" in {item.value for item in found}
