"""The monthly partitions of usage events: what there is, and how one is taken off and put back.

A partition is detached by plain `DETACH PARTITION`, not `CONCURRENTLY`: it then commits together with the row
that says where the events are, so that events in the table and events in files add up at every instant, and
a kill leaves no half-detached partition. Its price is an exclusive lock on `usage_events` for a few
milliseconds. Ingest does not queue behind it: it is asked for only while no long query holds the table, for a
twentieth of a second, and again later.

The tables belong to the owner's role of the database and not to ours: what changes them are functions of the
owner (migration 0019), which take a month and the number of its archive.
"""

import random
import time
from dataclasses import dataclass
from datetime import datetime

from psycopg.errors import LockNotAvailable
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from app.db import db
from app.domain.periods import Period, calendar_month
from app.errors import Conflict
from app.services.inputs import refusals

PREFIX = "usage_events_"
LOCK_ATTEMPTS = 40
SHORTEST_PAUSE_MS, LONGEST_PAUSE_MS = 50, 400

PARTITIONS = text("""
    SELECT c.relname AS name, pg_total_relation_size(c.oid) AS size,
           greatest(c.reltuples::bigint, s.n_live_tup, 0) AS about
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    LEFT JOIN pg_stat_user_tables s ON s.relid = c.oid
    WHERE i.inhparent = 'usage_events'::regclass ORDER BY c.relname
""")

HELD_LONG = text("""
    SELECT EXISTS (
        SELECT FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
        WHERE l.relation = 'usage_events'::regclass AND l.pid <> pg_backend_pid()
          AND a.xact_start < clock_timestamp() - interval '1 second'
    )
""")


@dataclass(frozen=True, slots=True)
class Partition:
    """One month's table. `about` is PostgreSQL's own estimate of its events, `size` bytes with indexes."""

    month: str
    size: int
    about: int


class MonthInUse(Conflict):
    """Somebody reads the table without a pause; nothing was changed, try again later."""

    code = "month_in_use"


def month_of(at: datetime) -> str:
    """Return the month of an instant, as partitions are cut: in UTC.

    >>> from datetime import UTC
    >>> month_of(datetime(2025, 3, 31, 23, 59, tzinfo=UTC))
    '2025-03'
    """
    return f"{at.year:04d}-{at.month:02d}"


def span_of(month: str) -> Period:
    """Return the instants of a month, in UTC.

    Raises:
        Invalid: `month` is none.
    """
    with refusals():
        return calendar_month(month, "UTC", pointer="/month")


def plus(month: str, months: int) -> str:
    """Return the month so many months later.

    >>> plus("2025-11", 3), plus("2026-02", -12)
    ('2026-02', '2025-02')
    """
    number = int(month[:4]) * 12 + int(month[5:]) - 1 + months
    return f"{number // 12:04d}-{number % 12 + 1:02d}"


def table_of(month: str) -> str:
    """Return the name of a month's partition."""
    return PREFIX + month.replace("-", "_")


def parked_table_of(month: str, sequence: int) -> str:
    """Return the name that a detached partition bears until it is dropped; the month may have a new one."""
    return f"archived_{table_of(month)}_{sequence}"


def partitions() -> list[Partition]:
    """Return the months that have a partition, the oldest first."""
    return [
        Partition(row.name.removeprefix(PREFIX).replace("_", "-"), row.size, row.about)
        for row in db.session.execute(PARTITIONS)
    ]


def exists(table: str) -> bool:
    """Tell whether there is a table of that name."""
    return db.session.scalar(text("SELECT to_regclass(:name)"), {"name": table}) is not None


def has_partition(month: str) -> bool:
    """Tell whether a month has a partition."""
    return any(one.month == month for one in partitions())


def ensure(month: str) -> None:
    """Make the partition of a month if it has none."""
    db.session.execute(text("SELECT ensure_usage_partition(:at)"), {"at": span_of(month).start})


def count(table: str) -> int:
    """Return the exact number of events in a partition."""
    return int(db.session.scalar(text(f"SELECT count(*) FROM {table}")) or 0)  # noqa: S608


def freeze(month: str) -> None:
    """Let nobody write into one partition until the transaction ends; reading and all other months go on."""
    db.session.execute(text("SELECT freeze_usage_partition(:month)"), {"month": month})


def detach(month: str, sequence: int) -> None:
    """Take a frozen partition, whose archive is written, off `usage_events` and give it another name
    (`parked_table_of`), in the open transaction.

    Raises:
        MonthInUse: a long query kept the table for all attempts; the partition is as it was.
    """
    for attempt in range(LOCK_ATTEMPTS):
        if attempt:
            time.sleep(random.randint(SHORTEST_PAUSE_MS, LONGEST_PAUSE_MS) / 1000)
        if not db.session.scalar(HELD_LONG) and _detached(month, sequence):
            return
    raise MonthInUse("usage_events is read without a pause. The month is archived later.")


def _detached(month: str, sequence: int) -> bool:
    try:
        with db.session.begin_nested():
            db.session.execute(text("SET LOCAL lock_timeout = '50ms'"))
            detached = text("SELECT detach_usage_partition(:month, :sequence)")
            db.session.execute(detached, {"month": month, "sequence": sequence})
    except OperationalError as error:
        if isinstance(error.orig, LockNotAvailable):
            return False
        raise
    return True


def drop(month: str, sequence: int) -> None:
    """Drop a detached partition, whose archive is complete; one that is gone already is well."""
    dropped = text("SELECT drop_usage_partition(:month, :sequence)")
    db.session.execute(dropped, {"month": month, "sequence": sequence})
