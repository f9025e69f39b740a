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
