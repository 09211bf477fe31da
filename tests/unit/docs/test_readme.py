"""The README's own service is the one that `authz-dev new` makes: its lines, its policy."""

from __future__ import annotations

from tests.unit.docs.pages import fenced, read, section

from authz_devkit.new_service.files import render

OWN_SERVICE = section(read("README.md"), "## Use it for your own service")
_NAMES = {
    "NAME": "hello",
    "HOST": "hello.example.com",
    "CALLER": "web",
    "FOLDER": "/tmp/hello",
    "UPSTREAM": "http://127.0.0.1:9000",
    "ADDRESS": "127.0.0.1",
}
FILES = render(_NAMES)
SHORT = 27  # lines


def _commands(text: str) -> list[str]:
    """Line by line, without what is said of them."""
    return [line.partition(" # ")[0].strip() for block in fenced(text, "sh") for line in block.splitlines() if line]


def test_the_lines_of_the_folder_are_lines_of_the_readme() -> None:
    """So whoever pastes either sees the same; `test_the_lines_of_the_readme_do_what_it_says` pastes them."""
    own = _commands(FILES["README.md"])

    assert len(own) == 7
    assert [line for line in _commands(OWN_SERVICE) if line in own] == own


def test_the_policy_of_the_readme_is_the_folders() -> None:
    """It has its tests there."""
    (shown,) = fenced(OWN_SERVICE, "rego")

    assert FILES["policies/access.rego"].endswith(shown)


def test_the_configuration_is_short() -> None:
    """One screen, with room to spare."""
    assert len(FILES["config.yaml"].splitlines()) <= SHORT


def test_nothing_is_left_to_be_filled_in() -> None:
    """Every name between two @ has its value."""
    assert [path for path, text in FILES.items() for name in _NAMES if f"@{name}@" in text] == []
