"""Brings a database to the schema of today, step by step (Alembic). Not the queries."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

_STEPS = Path(__file__).parent / "migrations"
_ONE_AT_A_TIME = 20261126  # any number that nobody else locks in this database


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Inside the caller's transaction: all of it or nothing. A second process waits, and then finds nothing to do."""
    if connection.dialect.name == "postgresql":  # SQLite's transactions exclude each other anyway
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _ONE_AT_A_TIME})
    command.upgrade(_config(connection), revision)


def downgrade(connection: Connection, revision: str) -> None:
    """Back to `revision`; "base" is an empty database. What only later tables hold is lost."""
    command.downgrade(_config(connection), revision)


def _config(connection: Connection) -> Config:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_STEPS))
    return config
