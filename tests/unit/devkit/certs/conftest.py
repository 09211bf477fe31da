from datetime import UTC, datetime
from pathlib import Path

import pytest

from authz_devkit.certs.tree import create_tree


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def tree(tmp_path: Path, now: datetime) -> Path:
    root = tmp_path / "certs"
    create_tree(root, now=now)
    return root
