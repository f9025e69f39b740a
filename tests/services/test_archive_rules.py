"""A month goes into a file only when it is old, metered, proved and billed; the checks see what is lost."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from sqlalchemy import text

from app import clock
from app.db import in_transaction, transaction
from app.errors import Conflict
from app.models import Account, Metric
from app.services import archive_rules, archive_tables, archives, billing, metering
from app.services.events import ingest
from tests import factories as make
from tests.services.archived import (
    LATER,
    MARCH,
    MONTH,
    SYSTEM,
    Shop,
    archive,
    events,
    months_there,
    open_shop,
    red_of,
    restore,
    rows_of,
    statuses,
)
from tests.support.own import OwnDatabase

NOVEMBER = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def shop(own_database: OwnDatabase) -> Iterator[Shop]:
    with open_shop(own_database) as shop:
        yield shop


def reasons(month: str = MONTH, at: datetime = LATER, *, asked_for: bool = False) -> list[str]:
    return in_transaction(lambda: archive_rules.reasons_against(month, at=at, asked_for=asked_for))


def refused(shop: Shop) -> str:
    before = events()
    with pytest.raises(Conflict) as error:
        archive()
    assert (events(), rows_of()) == (before, [])
    return error.value.message


def test_twelve_full_months_are_kept(shop: Shop) -> None:
    kept = ["Events are kept for 12 full months, now from 2025-11 on."]
    assert reasons("2025-11", NOVEMBER) == kept
    assert reasons("2025-10", NOVEMBER) == []
    last_day = datetime(2026, 3, 31, 23, 59, tzinfo=UTC)
    assert reasons(MONTH, last_day, asked_for=True) == [kept[0].replace("2025-11", "2025-03")]
    assert reasons(MONTH, last_day + timedelta(minutes=1), asked_for=True) == []


def test_a_month_that_was_filled_lately_stays_unless_somebody_asks_for_it(shop: Shop) -> None:
    today = clock.now()
    told = f"Events of it arrived on {today:%Y-%m-%d}; it stays until {today + timedelta(days=35):%Y-%m-%d}."
    assert reasons(at=today) == [told]
    assert reasons(at=today, asked_for=True) == []
    assert reasons(at=today + timedelta(days=35, minutes=1)) == []


def test_a_month_with_usage_that_waits_to_be_metered_stays(shop: Shop) -> None:
    with transaction() as session:
        session.execute(
            text(
                "INSERT INTO usage_deltas (account_id, metric_id, bucket_at, dimensions, quantity, events)"
                " VALUES (:account, :metric, :at, '{}', 1, 1)"
            ),
            {"account": shop.account_id, "metric": shop.metric_id, "at": MARCH},
        )
    assert refused(shop) == "2025-03 stays: Usage of it waits to be metered, in 1 parts."


@pytest.mark.parametrize("change", ["events = events + 1", "quantity = quantity + 1"])
def test_a_month_whose_rollups_differ_from_its_events_stays(shop: Shop, change: str) -> None:
    with transaction() as session:
        session.execute(text(f"UPDATE usage_rollups SET {change} WHERE bucket_at = :at"), {"at": MARCH})
    assert refused(shop) == "2025-03 stays: Its rollups and its events differ; flask verify says where."


def test_a_month_that_is_not_invoiced_stays_until_it_is(shop: Shop) -> None:
    with transaction() as session:
        make.make_seller()
        make.make_tax_rate("18")
        metric, account = session.get_one(Metric, shop.metric_id), session.get_one(Account, shop.account_id)
        started = datetime(2025, 2, 28, 18, 30, tzinfo=UTC)
        plan = make.make_plan(components=[make.per_unit(metric, "1")])
        metering.adopt(make.make_subscription(account, plan, start_at=started))
    # 31 March, 18:30 in UTC is April in India: the month in UTC has charges of both.
    told = "2025-03 stays: {} charges of it are not invoiced yet: flask billing run --period 2025-04."
    assert refused(shop) == told.format(2)
    for month, left in (("2025-03", [told.format(1).removeprefix("2025-03 stays: ")]), ("2025-04", [])):
        assert [str(step.status) for step in billing.run(month, at=LATER, actor=make.ACTOR)] == ["issued"]
        assert reasons() == left
    assert archive()["archived"] == 1
    assert red_of() == {}


def test_a_bucket_that_does_not_add_takes_a_late_event_only_where_its_month_is(shop: Shop) -> None:
    with transaction() as session:
        make.make_metric("users", aggregation="unique_count", value_property="user")
        account_id = session.get_one(Account, shop.account_id).external_id
    event = {
        "event_id": "late",
        "account_id": account_id,
        "metric": "users",
        "timestamp": MARCH.isoformat(),
        "properties": {"user": "asha"},
    }

    def send(event_id: str) -> tuple[str, str | None]:
        (answer,) = ingest([{**event, "event_id": event_id}], source="import", actor=SYSTEM)
        return answer.status, answer.code

    assert send("first") == ("accepted", None)
    while in_transaction(metering.drain):
        pass
    archive()
    assert send("second") == ("rejected", "month_archived")
    assert red_of() == {}
    restore()
    assert send("second") == ("accepted", None)


def lose_an_event(connection: psycopg.Connection) -> None:
    connection.execute("ALTER TABLE usage_events DISABLE TRIGGER USER")
    connection.execute("DELETE FROM usage_events WHERE event_id = 'late-1'")


def lose_a_file_of_the_books(connection: psycopg.Connection) -> None:
    connection.execute("DELETE FROM event_archives")


def count_twice(connection: psycopg.Connection) -> None:
    connection.execute("UPDATE usage_rollups SET events = events + 1 WHERE bucket_at < '2025-04-01Z'")


@pytest.mark.parametrize(
    ("damage", "check"),
    [
        (lose_an_event, "archived_events"),
        (count_twice, "archived_events"),
        (lose_a_file_of_the_books, "event_keys"),
    ],
)
def test_an_event_that_is_lost_or_counted_twice_is_found(
    shop: Shop, damage: Callable[[psycopg.Connection], None], check: str
) -> None:
    archive()
    shop.send(["late-1", "late-2"])
    assert red_of() == {}
    with shop.own.connect() as connection:
        damage(connection)
    assert check in red_of()


def test_a_file_that_is_damaged_cut_or_gone_is_found_and_never_restored(shop: Shop) -> None:
    archive()
    (row,) = rows_of()
    path = shop.own.settings.files_dir / row.file_key
    whole = path.read_bytes()
    turned = bytes([*whole[:40], whole[40] ^ 1, *whole[41:]])
    told = "The archive was changed or damaged. Restore it from a backup."
    damages = (
        (turned, told, told),
        (whole[:-1], f"It has {len(whole) - 1} bytes and should have {len(whole)}.", told),
        (None, "There is no such file.", "There is no such file."),
    )
    in_transaction(lambda: len(archives.request_restore(MONTH, at=LATER, actor=make.ACTOR)))
    for content, found, error in damages:
        path.unlink() if content is None else path.write_bytes(content)
        assert red_of() == {"archives": [found]}
        assert archives.work(at=LATER, actor=SYSTEM, again=True) == {
            "archived": 0,
            "restored": 0,
            "failed": 1,
        }
        assert (statuses(), rows_of()[0].error, events()) == (["restoring"], error, [])
    path.write_bytes(whole)
    assert archives.work(at=LATER, actor=SYSTEM, again=True) == {"archived": 0, "restored": 1, "failed": 0}
    assert (red_of(), rows_of()[0].error) == ({}, None)


def test_what_failed_is_tried_again_after_a_quarter_of_an_hour(shop: Shop) -> None:
    archive()
    (row,) = rows_of()
    (shop.own.settings.files_dir / row.file_key).write_bytes(b"")
    in_transaction(lambda: len(archives.request_restore(MONTH, at=LATER, actor=make.ACTOR)))
    now = clock.now()
    failed, idle = {"archived": 0, "restored": 0, "failed": 1}, {"archived": 0, "restored": 0, "failed": 0}
    assert archives.work(at=now, actor=SYSTEM) == failed
    assert archives.work(at=now, actor=SYSTEM) == idle
    assert archives.work(at=now + timedelta(minutes=16), actor=SYSTEM) == failed


def test_a_month_that_a_long_query_reads_is_archived_later_and_ingest_goes_on(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_tables, "LOCK_ATTEMPTS", 3)
    with shop.own.connect() as connection, connection.transaction():
        connection.execute("SELECT count(*) FROM usage_events")
        in_transaction(lambda: archives.request(MONTH, at=LATER, actor=make.ACTOR).id)
        assert archives.work(at=LATER, actor=SYSTEM, again=True)["failed"] == 1
        assert (statuses(), len(events()), red_of()) == (["written"], 7, {})
        assert [outcome.accepted for outcome in shop.send(["meanwhile"], MARCH + timedelta(days=2))] == [True]
    assert archives.work(at=LATER, actor=SYSTEM, again=True)["archived"] == 1
    assert [row.rows for row in rows_of()] == [8]
    assert red_of() == {}


def test_an_event_of_a_month_without_a_table_makes_it(shop: Shop) -> None:
    slept_until = datetime(2027, 5, 3, tzinfo=UTC)
    assert "2027-05" not in in_transaction(lambda: [one.month for one in archive_tables.partitions()])
    assert [outcome.accepted for outcome in shop.send(["awake"], slept_until)] == [True]
    assert "2027-05" in in_transaction(lambda: [one.month for one in archive_tables.partitions()])
    assert months_there() == ["2025-03", "2025-04"]
    assert red_of() == {}
