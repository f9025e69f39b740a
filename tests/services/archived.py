"""What the tests of archives share: a month of old events, metered, and a look at where they are."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import psycopg

from app.db import db, in_transaction, raw_transaction, transaction
from app.domain.periods import bucket_start
from app.gateways.files import DirectoryStore
from app.models import EventArchive
from app.permissions import Actor
from app.services import archive_tables, archives, metering, verify
from app.services.event_store import Outcome, Row
from app.services.event_writer import write
from tests import factories as make
from tests.support.own import OwnDatabase

MONTH = "2025-03"
MARCH = datetime(2025, 3, 10, 6, 30, tzinfo=UTC)
# Long after: the events came just now, and 35 quiet days have to pass.
LATER = datetime(2028, 6, 10, tzinfo=UTC)
SYSTEM = Actor.system("tests")
EVENTS = 7


@dataclass
class Shop:
    """An account with a metric, on a database of its own whose application context is open."""

    own: OwnDatabase
    account_id: UUID
    metric_id: UUID

    def send(self, ids: Sequence[str], at: datetime = MARCH, *, properties: str = "{}") -> list[Outcome]:
        """Store events as a backfill does, one a minute, and meter them."""
        rows = [
            Row(
                self.account_id,
                event_id,
                b"x" * 32,
                at + timedelta(minutes=n),
                self.metric_id,
                Decimal("1.50"),
                properties,
                bucket_start(at + timedelta(minutes=n)),
                "{}",
            )
            for n, event_id in enumerate(ids)
        ]
        outcomes = write(rows)
        while in_transaction(metering.drain):
            pass
        return outcomes

    @property
    def store(self) -> DirectoryStore:
        """The file store of the application."""
        return DirectoryStore(self.own.settings.files_dir)


@contextmanager
def open_shop(own: OwnDatabase) -> Iterator[Shop]:
    """Open a shop with seven events of March 2025 and two of April."""
    with own.app():
        with transaction():
            metric = make.make_metric()
            account = make.make_account()
            ids = account.id, metric.id
        shop = Shop(own, *ids)
        shop.send(
            [f"march-{n}" for n in range(EVENTS)], properties='{"note": "a \\"quoted\\"\\nline, \\\\ é"}'
        )
        shop.send(["april-1", "april-2"], datetime(2025, 4, 1, tzinfo=UTC))
        yield shop


def archive(month: str = MONTH, at: datetime = LATER) -> dict[str, int]:
    """Have a month archived and do the work."""
    in_transaction(lambda: archives.request(month, at=at, actor=make.ACTOR).id)
    return archives.work(at=at, actor=SYSTEM, again=True)


def restore(month: str = MONTH, at: datetime = LATER) -> dict[str, int]:
    """Have a month restored and do the work."""
    in_transaction(lambda: len(archives.request_restore(month, at=at, actor=make.ACTOR)))
    return archives.work(at=at, actor=SYSTEM, again=True)


def rows_of(month: str = MONTH) -> list[EventArchive]:
    """Return the archives of a month by sequence."""

    def read() -> list[EventArchive]:
        query = db.select(EventArchive).where(EventArchive.month == month).order_by(EventArchive.sequence)
        found = list(db.session.scalars(query.execution_options(populate_existing=True)))
        db.session.expunge_all()
        return found

    return in_transaction(read)


def statuses(month: str = MONTH) -> list[str]:
    """Return the statuses of the archives of a month by sequence."""
    return [str(row.status) for row in rows_of(month)]


def events(month: str = MONTH) -> list[tuple[str, ...]]:
    """Return every event of a month as text, as the database has it."""
    span = archive_tables.span_of(month)
    with raw_transaction() as connection:
        found = connection.execute(
            "SELECT e::text FROM usage_events e WHERE occurred_at >= %s AND occurred_at < %s ORDER BY 1",
            (span.start, span.end),
        )
        return found.fetchall()


def months_there() -> list[str]:
    """Return the months before 2026 that have a partition."""
    return in_transaction(lambda: [one.month for one in archive_tables.partitions() if one.month < "2026"])


def left_tables(connection: psycopg.Connection) -> list[str]:
    """Return the detached partitions that were not dropped."""
    found = connection.execute("SELECT relname FROM pg_class WHERE relname LIKE 'archived_usage_events%'")
    return [name for (name,) in found if not name.endswith(("_pkey", "_idx"))]


def red_of(at: datetime = datetime(2026, 11, 22, tzinfo=UTC)) -> dict[str, list[str]]:
    """Return what the checks of usage and archives find wrong."""
    names = ["event_keys", "rollups", "archives", "archived_events"]
    report = in_transaction(lambda: verify.run(names, at=at))
    return {each.name: [one.message for one in each.problems] for each in report.results if not each.ok}
