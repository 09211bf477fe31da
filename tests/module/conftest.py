"""Fixtures of the module's tests: a ground, and a host on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.module import host as hosts
from tests.module.ground import Ground
from tests.module.host import Host


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _compiled("host", tmp_path_factory)


@pytest.fixture(scope="session")
def fuzzer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _compiled("fuzz", tmp_path_factory)


def _compiled(name: str, factory: pytest.TempPathFactory) -> Path:
    if hosts.COMPILER is None:
        pytest.skip(hosts.WITHOUT)
    base = factory.getbasetemp()
    return hosts.compiled(name, base.parent if base.name.startswith("popen-") else base)


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path)


@pytest.fixture
def host(program: Path, ground: Ground) -> Iterator[Host]:
    with Host(program, ground) as one:
        yield one


@pytest.fixture(scope="module")
def shared_host(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """For tables whose rows leave nothing behind."""
    with Host(program, Ground(tmp_path_factory.mktemp("shared"))) as one:
        yield one
