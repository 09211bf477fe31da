"""A copy of the example with its certificates, for tests that plant a fault in it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

import pytest

from authz_devkit.certs.tree import create_tree
from authz_service.mesh import ground
from authz_service.policy.vetting import checks

EXAMPLE = Path(__file__).parents[3] / "examples/three_zones"


@pytest.fixture(autouse=True, scope="session")
def _compiled_once() -> Iterator[None]:
    """A policy of the same text is the same: most tests change another file of the mesh."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ground, "compiled", lru_cache(maxsize=64)(checks.compiled))
        yield


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
