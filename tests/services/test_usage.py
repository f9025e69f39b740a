"""Usage read back: cut by the account's own days and months, by dimension, in pages."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy.orm import Session

from app.errors import Invalid
from app.models import Account, Metric
from app.services import usage
from app.services.usage import Reading
from tests.factories import make_account, make_metric
from tests.services.metered import add_usage, meter

MIDNIGHT = datetime(2026, 10, 31, 18, 30, tzinfo=UTC)  # 1 November, 00:00 IST
BEFORE = MIDNIGHT - timedelta(minutes=1)


@pytest.fixture
def used(session: Session) -> tuple[Account, Metric]:
    """An account that used 1 before and 2 at Indian midnight, and 4 an hour later by another channel."""
    account, metric = make_account(), make_metric()
    add_usage(account, metric, 1, at=BEFORE, channel="sms")
    add_usage(account, metric, 2, at=MIDNIGHT, channel="sms")
    add_usage(account, metric, 4, at=MIDNIGHT + timedelta(hours=1), channel="email")
    meter()
    return account, metric


def read(account: Account, granularity: str, **more: object) -> list[tuple[str, str, Decimal, int]]:
    """Return start, end, quantity and events of every row of two days around midnight."""
    reading = Reading(
        account, MIDNIGHT - timedelta(days=1), MIDNIGHT + timedelta(days=1), granularity=granularity, **more
    )
    rows = usage.read(reading, limit=100)
    return [(f"{row.start:%d %H:%M}", f"{row.end:%d %H:%M}", row.quantity, row.events) for row in rows]


@pytest.mark.parametrize(
    ("granularity", "rows"),
    [
        (
            "15m",
            [("31 18:15", "31 18:30", 1, 1), ("31 18:30", "31 18:45", 2, 1), ("31 19:30", "31 19:45", 4, 1)],
        ),
        (
            "hour",
            [("31 17:30", "31 18:30", 1, 1), ("31 18:30", "31 19:30", 2, 1), ("31 19:30", "31 20:30", 4, 1)],
        ),
        ("day", [("30 18:30", "31 18:30", 1, 1), ("31 18:30", "01 18:30", 6, 2)]),
        ("month", [("30 18:30", "31 18:30", 1, 1), ("31 18:30", "30 18:30", 6, 2)]),
    ],
)
def test_intervals_are_those_of_the_accounts_zone(
    used: tuple[Account, Metric], granularity: str, rows: list[object]
) -> None:
    assert read(used[0], granularity) == rows


def test_usage_is_grouped_by_a_dimension(used: tuple[Account, Metric]) -> None:
    account, metric = used
    reading = Reading(account, BEFORE, MIDNIGHT + timedelta(days=1), metric=metric, group_by="channel")
    rows = usage.read(reading, limit=10)
    assert [(row.dimensions, row.quantity) for row in rows] == [
        ({"channel": "email"}, 4),
        ({"channel": "sms"}, 2),
    ]


def test_pages_follow_each_other_without_gap_or_repeat(used: tuple[Account, Metric]) -> None:
    account, metric = used
    since, until = MIDNIGHT - timedelta(days=1), MIDNIGHT + timedelta(days=1)
    reading = Reading(account, since, until, granularity="hour", metric=metric, group_by="channel")
    seen, after = [], None
    while rows := usage.read(reading, limit=1, after=after):
        seen.append(rows[0].quantity)
        after = (rows[0].start, rows[0].metric, rows[0].dimensions["channel"] or "")
    assert seen == [1, 2, 4]


def test_a_day_has_25_hours_where_the_clocks_go_back(session: Session) -> None:
    account, metric = make_account(timezone="America/New_York"), make_metric()
    add_usage(account, metric, 1, at=datetime(2026, 11, 1, 12, tzinfo=UTC))
    meter()
    (row,) = usage.read(
        Reading(account, datetime(2026, 10, 31, tzinfo=UTC), datetime(2026, 11, 3, tzinfo=UTC)), limit=10
    )
    assert (row.start, row.end) == (
        datetime(2026, 11, 1, 4, tzinfo=UTC),
        datetime(2026, 11, 2, 5, tzinfo=UTC),
    )


def rows_of(
    account: Account, metric: Metric, granularity: str, *times: datetime
) -> list[tuple[str, str, Decimal]]:
    """Use 1 at each time, and return start, end and quantity of every row around them."""
    for at in times:
        add_usage(account, metric, 1, at=at)
    meter()
    reading = Reading(
        account, times[0] - timedelta(days=2), times[-1] + timedelta(days=2), granularity=granularity
    )
    rows = usage.read(reading, limit=100)
    return [(f"{row.start:%d %H:%M}", f"{row.end:%d %H:%M}", row.quantity) for row in rows]


@pytest.mark.parametrize(
    ("granularity", "rows"),
    [
        ("hour", [("31 17:15", "31 18:15", 1), ("31 18:15", "31 19:15", 1)]),
        ("day", [("30 18:15", "31 18:15", 1), ("31 18:15", "01 18:15", 1)]),
        ("month", [("30 18:15", "31 18:15", 1), ("31 18:15", "30 18:15", 1)]),
    ],
)
def test_nepal_changes_day_and_month_at_a_quarter_past(
    session: Session, granularity: str, rows: list[object]
) -> None:
    account = make_account(timezone="Asia/Kathmandu")
    midnight = datetime(2026, 10, 31, 18, 15, tzinfo=UTC)
    last_instant = midnight - timedelta(microseconds=1)
    assert rows_of(account, make_metric(), granularity, last_instant, midnight) == rows


def test_the_hour_that_comes_twice_is_two_hours(session: Session) -> None:
    account = make_account(timezone="America/New_York")
    first = datetime(2026, 11, 1, 5, 30, tzinfo=UTC)  # 01:30 EDT, and an hour later 01:30 EST
    assert rows_of(account, make_metric(), "hour", first, first + timedelta(hours=1)) == [
        ("01 05:00", "01 06:00", 1),
        ("01 06:00", "01 07:00", 1),
    ]


def test_a_day_has_23_hours_where_the_clocks_go_forward(session: Session) -> None:
    account = make_account(timezone="America/New_York")
    assert rows_of(account, make_metric(), "day", datetime(2026, 3, 8, 12, tzinfo=UTC)) == [
        ("08 05:00", "09 04:00", 1)
    ]


@pytest.mark.parametrize("granularity", ["15m", "hour", "day", "month"])
def test_any_instant_within_a_bucket_asks_the_same(used: tuple[Account, Metric], granularity: str) -> None:
    account, _ = used
    answers = [
        usage.read(
            Reading(account, BEFORE - shift, MIDNIGHT + timedelta(minutes=61) - shift, granularity), limit=9
        )
        for shift in (timedelta(0), timedelta(seconds=30), timedelta(microseconds=1))
    ]
    assert answers[0] == answers[1] == answers[2]


@pytest.mark.parametrize(
    ("more", "pointer"),
    [
        ({"granularity": "minute"}, "/granularity"),
        ({"until": MIDNIGHT}, "/to"),
        ({"granularity": "15m", "until": MIDNIGHT + timedelta(days=32)}, "/from"),
        ({"group_by": "colour"}, "/group_by"),
    ],
)
def test_what_cannot_be_read_is_refused_at_its_field(
    used: tuple[Account, Metric], more: dict[str, object], pointer: str
) -> None:
    account, metric = used
    given = {"since": MIDNIGHT, "until": MIDNIGHT + timedelta(days=1), "metric": metric, **more}
    with pytest.raises(Invalid) as refused:
        usage.read(Reading(account, **given), limit=1)
    assert refused.value.fields[0].pointer == pointer
