"""Alembic's environment: migrate the application's own database as the owner of its tables, one transaction a
revision, and give the runtime role its rights.
"""

from alembic import context
from flask import current_app
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool
from sqlalchemy.sql.schema import SchemaItem

from app import rights
from app.config import current_settings
from app.db import psycopg_url

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
    runtime = connection.scalar(text("SELECT current_user"))
owner_url = current_settings().owner_database_url
options = {"options": "-c timezone=UTC -c lock_timeout=5000", "application_name": "otpless-billing upgrade"}
owner = (
    create_engine(psycopg_url(owner_url), poolclass=NullPool, connect_args=options)
    if owner_url
    else database.engine
)

with owner.connect() as connection:
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
    rights.give(connection, runtime)
    connection.commit()
