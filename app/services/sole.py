"""One process at a time at a piece of work that takes many transactions."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text

from app.db import db


@contextmanager
def alone(name: str) -> Iterator[bool]:
    """Yield whether nobody else is at the work of this name; the lock goes with the process that holds it."""
    named = {"name": name}
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as own:
        mine = bool(own.scalar(text("SELECT pg_try_advisory_lock(hashtext(:name))"), named))
        try:
            yield mine
        finally:
            if mine:
                own.execute(text("SELECT pg_advisory_unlock(hashtext(:name))"), named)
