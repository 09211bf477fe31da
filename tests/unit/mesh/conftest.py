"""A copy of the example with its certificates, for tests that plant a fault in it."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.support.compiled_once import compiled_once

from authz_devkit.certs.tree import create_tree

__all__ = ["change", "compiled_once", "example_copy", "whole_example"]
EXAMPLE = Path(__file__).parents[3] / "examples/three_zones"


@pytest.fixture(scope="session")
def whole_example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Not to be changed: `example_copy` is."""
    folder = tmp_path_factory.mktemp("example") / "mesh"
    shutil.copytree(EXAMPLE, folder)
    create_tree(folder / "certs", now=datetime.now(UTC))
    return folder


@pytest.fixture
def example_copy(whole_example: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "mesh"
    shutil.copytree(whole_example, folder)
    return folder


def change(file: Path, old: str, new: str) -> None:
    """In one place that is there."""
    text = file.read_text(encoding="utf-8")
    assert old in text, f"{file} has no {old!r}"
    file.write_text(text.replace(old, new), encoding="utf-8")
