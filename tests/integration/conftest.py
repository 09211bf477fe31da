"""What the demo services' tests run on here: SQLite. `tests/real/postgres` runs the same tests on PostgreSQL."""

from __future__ import annotations

import pytest
from tests.support.demo_services import NewDatabase


@pytest.fixture(scope="session")
def new_database(tmp_path_factory: pytest.TempPathFactory) -> NewDatabase:
    return lambda: f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('database')}/data.db"
