"""The test of a thing is found by its name, and a unit test is quick: it starts no process."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

UNIT = Path(__file__).parent
SOURCES = UNIT.parents[1] / "src"
# What is no part of `src`: documents, deployments, tools of our own, policies of the examples.
OF_OTHER_THINGS = {"bench", "deploy", "docs", "mutate", "policies"}
PACKAGES = {"devkit": SOURCES / "authz_devkit", "realm": SOURCES / "authz_realm"}
STARTS_ONE = {"subprocess", "multiprocessing", "pexpect"}


def _tests() -> Iterator[Path]:
    for file in sorted(UNIT.rglob("test_*.py")):
        if file.relative_to(UNIT).parts[0] not in OF_OTHER_THINGS and file != Path(__file__):
            yield file.relative_to(UNIT)


def _counterpart(test: Path) -> Path:
    package = PACKAGES.get(test.parts[0])
    return SOURCES / "authz_service" / test.parent if package is None else package.joinpath(*test.parts[1:-1])


@pytest.mark.parametrize("test", list(_tests()), ids=str)
def test_a_test_is_named_after_what_it_tests(test: Path) -> None:
    """`test_<module>.py`, or `test_<module>_<aspect>.py`, in the folder of the module or in one above it."""
    names = {
        found.stem
        for found in _counterpart(test).rglob("*")
        if (found.suffix == ".py" or found.is_dir()) and not found.name.startswith("__")
    }
    name = test.stem.removeprefix("test_")

    assert any(name == one or name.startswith(f"{one}_") for one in names), f"no module for {test}"


def test_a_unit_test_starts_no_process() -> None:
    """Such tests are in tests/processes. (Two of the audit's fork themselves, and kill the child at once.)"""
    found = [
        f"{file.relative_to(UNIT)}: {name}"
        for file in UNIT.rglob("*.py")
        if any(word in (source := file.read_text(encoding="utf-8")) for word in STARTS_ONE)  # to parse each is slow
        for name in _imported(ast.parse(source))
        if name.partition(".")[0] in STARTS_ONE
    ]

    assert found == []


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
