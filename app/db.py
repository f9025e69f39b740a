"""The database session, and the only module that commits.

The edges (an API view, an admin action, a job, a command) open `transaction()`; services never do. What
must follow a commit (a wake-up for a worker) is handed to `after_commit`, so that nobody is told of work
that was rolled back.
"""

import enum
import random
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

import psycopg
from flask_sqlalchemy import SQLAlchemy
from flask_sqlalchemy.session import Session as FlaskSession
from sqlalchemy import (
    Connection,
    Date,
    DateTime,
    Engine,
    Enum,
    LargeBinary,
    MetaData,
    Numeric,
    Text,
    Uuid,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import DeclarativeBase, registry

T = TypeVar("T")
M = TypeVar("M", bound="Base")

# serialization_failure, deadlock_detected, lock_not_available: the whole transaction may simply be tried
# again.
RETRIED_STATES = frozenset({"40001", "40P01", "55P03"})
ATTEMPTS = 5


class Base(DeclarativeBase):
    """The declarative base; constraint names are derived, so that migrations can name them."""

    registry = registry(
        type_annotation_map={
            str: Text(),
            bytes: LargeBinary(),
            UUID: Uuid(),
            Decimal: Numeric(),
            datetime: DateTime(timezone=True),
            date: Date(),
            dict[str, Any]: JSONB(none_as_null=True),
            list[Any]: JSONB(none_as_null=True),
            list[str]: ARRAY(Text()),
            enum.StrEnum: Enum(enum.StrEnum, native_enum=False, length=32, create_constraint=True),
        }
    )
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


def psycopg_url(url: str) -> str:
    """Return the address of a database as SQLAlchemy needs it to speak through psycopg."""
    return url.replace("postgres://", "postgresql://", 1).replace("postgresql://", "postgresql+psycopg://", 1)


_bound: Connection | None = None


class _Session(FlaskSession):
    def get_bind(self, *args: Any, **kwargs: Any) -> Engine | Connection:
        return super().get_bind(*args, **kwargs) if _bound is None else _bound


db = SQLAlchemy(
    model_class=Base,
    disable_autonaming=True,
    session_options={"class_": _Session, "join_transaction_mode": "create_savepoint"},
)


@contextmanager
def bind_to(connection: Connection) -> Iterator[None]:
    """Make every session and raw transaction run inside `connection`'s own transaction, as savepoints.

    For tests and dry runs: what is committed inside stays invisible outside and goes when `connection`
    rolls back.
    """
    global _bound
    previous, _bound = _bound, connection
    try:
        yield
    finally:
        _bound = previous


def is_isolated() -> bool:
    """Tell whether all runs inside somebody's own transaction (`bind_to`): what is read then is not
    remembered.
    """
    return _bound is not None


@contextmanager
def transaction() -> Iterator[Any]:
    """Commit what the block did, or roll all of it back; a nested use joins the outer one.

    Yields the session. The callbacks given to `after_commit` run once the commit is through.
    """
    session = db.session()
    if session.info.get("depth"):
        yield session
        return
    session.info.update(depth=1, after_commit=[])
    try:
        yield session
        session.commit()
        callbacks = session.info["after_commit"]
    except BaseException:
        session.rollback()
        raise
    finally:
        session.info.pop("depth", None)
        session.info.pop("after_commit", None)
    for callback in callbacks:
        callback()


def has_transaction() -> bool:
    """True inside `transaction()`: whoever talks to the outside world must not hold one meanwhile."""
    return bool(db.session().info.get("depth"))


def in_transaction(work: Callable[[], T]) -> T:
    """Run `work` in a transaction of its own, and run all of it again when the database asks for that.

    At most five attempts with a random pause, on serialization failures, deadlocks and lock timeouts.
    Inside an open transaction it joins that one and leaves the retry to whoever opened it.
    """
    if db.session().info.get("depth"):
        return work()
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with transaction():
                return work()
        except DBAPIError as error:
            if attempt == ATTEMPTS or getattr(error.orig, "sqlstate", None) not in RETRIED_STATES:
                raise
            time.sleep(random.uniform(0.005, 0.02) * 2**attempt)
    raise AssertionError("unreachable: the last attempt returns or raises")


def after_commit(callback: Callable[[], object]) -> None:
    """Run `callback` once the open transaction has committed; at once where none is open."""
    waiting = db.session().info.get("after_commit")
    if waiting is None:
        callback()
    else:
        waiting.append(callback)


def lock(model: type[M], ids: Iterable[Any]) -> list[M]:
    """Lock the rows with these ids for update, in primary-key order, and return them freshly read.

    One order for everybody is what keeps two transactions from waiting for each other. A missing id is
    simply absent.
    """
    key = model.__mapper__.primary_key[0]
    query = select(model).where(key.in_(list(ids))).order_by(key).with_for_update(of=model)
    return list(db.session.scalars(query.execution_options(populate_existing=True)))


@contextmanager
def raw_transaction() -> Iterator[psycopg.Connection[Any]]:
    """Yield a bare psycopg connection from the pool and commit at the end: for the few hot statements.

    Raises:
        psycopg.OperationalError: also when the connection broke at COMMIT; the outcome is then unknown.
    """
    if _bound is not None:
        with _bound.begin_nested():
            yield _bound.connection.driver_connection  # type: ignore[misc]
        return
    pooled = db.engine.raw_connection()
    try:
        yield pooled.driver_connection  # type: ignore[misc]
        pooled.commit()
    except BaseException:
        pooled.rollback()
        raise
    finally:
        pooled.close()
