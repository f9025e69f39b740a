"""Alembic's environment: migrate the application's own database, one transaction a revision."""

from alembic import context
from flask import current_app
from sqlalchemy import Connection, text
from sqlalchemy.sql.schema import SchemaItem

database = current_app.extensions["migrate"].db


def include_object(
    item: SchemaItem, name: str | None, kind: str, reflected: bool, compare_to: SchemaItem | None
) -> bool:
    """Leave the partitions out of autogenerate: the models name their parent only."""
    return not (kind == "table" and reflected and compare_to is None and name in partitions)


def list_partitions(connection: Connection) -> set[str]:
    """Return the names of all tables and indexes that are partitions of another."""
    return set(connection.scalars(text("SELECT inhrelid::regclass::text FROM pg_inherits")))


with database.engine.connect() as connection:
    partitions = list_partitions(connection)
    connection.rollback()
    context.configure(
        connection=connection,
        target_metadata=database.metadata,
        include_object=include_object,
        transaction_per_migration=True,
        compare_type=True,
    )
    with context.begin_transaction():
        # Two starts at once: the second waits and finds nothing left to do.
        connection.execute(text("SELECT pg_advisory_xact_lock(7310041)"))
        context.run_migrations()
