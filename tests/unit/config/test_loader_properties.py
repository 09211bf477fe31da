"""Whatever the file holds: a Config or ConfigProblems, and never a secret in them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.config_files import GOOD, SECRET, changed, load_text

from authz_service.config.model import Config
from authz_service.errors import ConfigProblems


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("config")


def outcome(folder: Path, text: str) -> Config | ConfigProblems:
    """Anything else that is raised fails the test."""
    try:
        return load_text(folder, text, {"A": "1", "CANARY": SECRET})
    except ConfigProblems as refused:
        return refused


def paths(tree: object, prefix: str = "") -> Iterator[str]:
    entries = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in entries:
        yield f"{prefix}{key}"
        yield from paths(value, f"{prefix}{key}.")


PATHS = sorted(path for path in paths(GOOD) if "data-service" not in path or "data-service" in path.split("."))
SCALARS = st.sampled_from(
    ["", "${A}", "${CANARY}", "${X}", "${", "0", "true", "/", "::1", "https://a", "\0", "x" * 300]
)
ANYTHING = st.recursive(
    SCALARS | st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
YAML_PIECES = st.sampled_from([
    "a", ": ", "- ", "\n", "  ", "{", "}", "[", "]", ", ", "&x ", "*x", "<<", "!t ", "'", '"', "|\n", "#", "? ",
    "---\n", "proxy", "egress", "jwt", "issuers", "http", "${A}", "${", "~", "\t", "%", "é", "\x85",
])  # fmt: skip


@settings(max_examples=max(60, settings().max_examples // 4), deadline=None)
@given(text=st.lists(YAML_PIECES | TEXT, max_size=40).map("".join))
def test_any_text_is_a_configuration_or_a_list_of_problems(folder: Path, text: str) -> None:
    found = outcome(folder, text)

    assert isinstance(found, Config) or found.problems


@settings(max_examples=max(60, settings().max_examples // 4), deadline=None)
@given(places=st.dictionaries(st.sampled_from(PATHS), ANYTHING, min_size=1, max_size=3))
def test_any_value_at_any_place_is_accepted_or_is_a_problem_without_the_secret(
    folder: Path, places: dict[str, Any]
) -> None:
    """The good configuration with up to three values replaced by anything."""
    try:
        tree = changed(places)
    except (KeyError, IndexError, TypeError, AttributeError, ValueError):
        return  # one change took away the place of another
    found = outcome(folder, json.dumps(tree))

    if isinstance(found, Config):
        return  # a name that is no secret shows what it was given
    assert found.problems
    assert SECRET not in str(found)
    assert SECRET not in repr(found)


def test_the_good_configuration_is_good(folder: Path) -> None:
    """Without this, the properties above could hold because nothing is ever accepted."""
    assert isinstance(outcome(folder, json.dumps(GOOD)), Config)
