"""The migrations and the tables that the queries are written for are the same, and lead back to nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect

from authz_devkit.demo.services import schema
from authz_devkit.demo.services.store import metadata

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection


@pytest.fixture
def connection() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def test_the_migrations_make_the_tables_that_the_queries_expect(connection: Connection) -> None:
    assert compare_metadata(MigrationContext.configure(connection), metadata)  # an empty database differs

    schema.upgrade(connection)

    assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_they_can_be_run_again_and_taken_back(connection: Connection) -> None:
    schema.upgrade(connection)
    schema.upgrade(connection)
    schema.downgrade(connection, "base")

    assert set(inspect(connection).get_table_names()) == {"alembic_version"}
