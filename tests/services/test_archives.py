"""Old months go into files and come back, and at every moment each event is in exactly one place."""

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from sqlalchemy import select

from app.db import db, in_transaction
from app.errors import Conflict, Invalid, NotFound
from app.models import AuditRecord, EventArchive, UsageRollup
from app.services import archives
from app.services.event_store import DUPLICATE
from tests import factories as make
from tests.services.archived import (
    EVENTS,
    LATER,
    MARCH,
    MONTH,
    Shop,
    archive,
    events,
    left_tables,
    months_there,
    open_shop,
    red_of,
    restore,
    rows_of,
    statuses,
)
from tests.support.own import OwnDatabase

KEY = "archives/usage-events/2025-03-1.csv.gz"


@pytest.fixture
def shop(own_database: OwnDatabase) -> Iterator[Shop]:
    with open_shop(own_database) as shop:
        yield shop


def actions() -> list[str]:
    query = select(AuditRecord.action).where(AuditRecord.action.like("event_archive.%"))
    return in_transaction(lambda: list(db.session.scalars(query.order_by(AuditRecord.at, AuditRecord.id))))


def test_an_archived_month_is_a_file_and_no_partition(shop: Shop) -> None:
    assert archive() == {"archived": 1, "restored": 0, "failed": 0}
    (row,) = rows_of()
    content = (shop.own.settings.files_dir / KEY).read_bytes()
    assert (row.status, row.file_key, row.rows, row.size) == ("archived", KEY, EVENTS, len(content))
    assert row.sha256 == sha256(content).digest()
    assert (row.first_at, row.last_at) == (MARCH, MARCH + timedelta(minutes=EVENTS - 1))
    assert row.dropped_at == LATER
    assert months_there() == ["2025-04"]
    assert events() == []
    with shop.own.connect() as connection:
        assert left_tables(connection) == []
    assert in_transaction(archives.months) == [MONTH]
    assert red_of() == {}


def test_the_file_describes_itself_and_holds_every_event(shop: Shop) -> None:
    archive()
    lines = gzip.decompress((shop.own.settings.files_dir / KEY).read_bytes()).splitlines()
    assert json.loads(lines[0]) == {
        "format": "otpless-billing/usage-events",
        "version": 1,
        "month": MONTH,
        "rows": EVENTS,
        "columns": list(archive_files_columns()),
    }
    assert len(lines) == 1 + EVENTS
    assert lines[1].startswith(
        f"{shop.account_id},2025-03-10 06:30:00+00,march-0,{shop.metric_id},1.50,".encode()
    )


def archive_files_columns() -> tuple[str, ...]:
    return ("account_id", "occurred_at", "event_id", "metric_id", "quantity", "properties", "received_at")


def test_files_and_directories_are_for_their_owner_alone(shop: Shop) -> None:
    archive()
    files = shop.own.settings.files_dir
    assert oct((files / KEY).stat().st_mode)[-3:] == "600"
    for folder in (files, files / "archives", files / "archives/usage-events"):
        assert oct(folder.stat().st_mode)[-3:] == "700"
    assert not any((shop.own.settings.data_dir / "archiving").iterdir())


def test_a_restored_month_is_as_it_was(shop: Shop) -> None:
    before = events()
    archive()
    assert restore() == {"archived": 0, "restored": 1, "failed": 0}
    assert len(before) == EVENTS
    assert events() == before
    assert (statuses(), in_transaction(archives.months)) == (["restored"], [])
    assert red_of() == {}
    assert actions() == [
        "event_archive.requested",
        "event_archive.archived",
        "event_archive.restore_requested",
        "event_archive.restored",
    ]


def test_the_same_events_give_the_same_bytes(shop: Shop) -> None:
    archive()
    restore()
    archive()
    first, second = rows_of()
    assert (first.status, second.status, second.sequence) == ("restored", "archived", 2)
    assert first.sha256 == second.sha256
    assert second.file_key == KEY.replace("-1.", "-2.")
    assert red_of() == {}


def test_an_id_of_an_archived_month_is_still_a_duplicate(shop: Shop) -> None:
    archive()
    assert shop.send(["march-0"]) == [DUPLICATE]
    assert events() == []
    assert red_of() == {}


def test_usage_of_an_archived_month_reads_as_before(shop: Shop) -> None:
    def read() -> list[tuple[object, ...]]:
        query = select(UsageRollup.bucket_at, UsageRollup.quantity, UsageRollup.events)
        return in_transaction(
            lambda: [tuple(row) for row in db.session.execute(query.order_by(UsageRollup.bucket_at))]
        )

    before = read()
    archive()
    assert read() == before


def test_late_events_of_an_archived_month_get_a_file_of_their_own_and_both_come_back(shop: Shop) -> None:
    before = events()
    archive()
    shop.send(["late-1", "late-2"], MARCH + timedelta(days=1))
    late = events()
    assert len(late) == 2
    assert red_of() == {}
    archive()
    assert (statuses(), [row.rows for row in rows_of()]) == (["archived", "archived"], [EVENTS, 2])
    assert (events(), red_of()) == ([], {})
    shop.send(["later-still"], MARCH + timedelta(days=2))
    last = events()
    assert restore() == {"archived": 0, "restored": 2, "failed": 0}
    assert events() == sorted(before + late + last)
    assert red_of() == {}


def test_whoever_needs_an_archived_event_is_told_how_to_have_it_back(shop: Shop) -> None:
    archive()
    with pytest.raises(archives.EventArchived) as refused:
        in_transaction(lambda: archives.refuse_archived(MARCH))
    assert refused.value.message == (
        "Events of 2025-03 are archived. Restore the month first: flask archive restore 2025-03"
    )
    in_transaction(lambda: archives.refuse_archived(MARCH + timedelta(days=30)))
    restore()
    in_transaction(lambda: archives.refuse_archived(MARCH))


def test_months_that_reach_into_a_span_are_named(shop: Shop) -> None:
    archive()
    april = datetime(2025, 4, 1, tzinfo=UTC)
    asked = (
        (None, None),
        (None, MARCH),
        (april, None),
        (None, datetime(2025, 3, 1, tzinfo=UTC)),
        (MARCH, april),
    )
    found = [in_transaction(lambda span=span: archives.months_between(*span)) for span in asked]
    assert found == [[MONTH], [MONTH], [], [], [MONTH]]


def test_the_calendar_run_takes_old_months_once(shop: Shop) -> None:
    def ask(before: str | None = None) -> list[str]:
        return in_transaction(
            lambda: [row.month for row in archives.request_old(at=LATER, actor=make.ACTOR, before=before)]
        )

    assert ask("2025-03") == []
    assert ask("2025-04") == ["2025-03"]
    assert ask() == ["2025-03", "2025-04"]
    assert archives.work(at=LATER, actor=make.ACTOR) == {"archived": 2, "restored": 0, "failed": 0}
    assert ask() == []
    assert in_transaction(archives.has_work) is False


def test_a_restored_month_stays_until_the_day_that_was_said(shop: Shop) -> None:
    archive()
    restore()

    def ask(at: datetime) -> list[str]:
        def work() -> list[str]:
            found = [row.month for row in archives.request_old(at=at, actor=make.ACTOR, before="2025-04")]
            db.session.rollback()
            return found

        return in_transaction(work)

    assert ask(LATER + timedelta(days=30) - timedelta(seconds=1)) == []
    assert ask(LATER + timedelta(days=30)) == [MONTH]


@pytest.mark.parametrize(
    ("month", "error", "message"),
    [
        ("2025-13", Invalid, "Write a month as a year and a month: 2026-10."),
        ("2024-01", NotFound, "There are no events of 2024-01."),
    ],
)
def test_a_month_that_is_none_or_empty_is_refused(
    shop: Shop, month: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as refused:
        archive(month)
    assert str(refused.value) == message
    assert in_transaction(lambda: db.session.scalars(select(EventArchive.id)).all()) == []


def test_a_month_that_is_archived_or_not_is_told_so(shop: Shop) -> None:
    with pytest.raises(NotFound, match="No events of 2025-03 are archived"):
        restore()
    archive()
    with pytest.raises(Conflict, match="2025-03 is archived already"):
        archive()
    assert statuses() == ["archived"]
