"""The dashboard's chart of usage, day by day, as it is kept in Redis."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest
from redis import Redis

from app.db import transaction
from app.models import Account, Metric
from app.permissions import Role
from app.services import reports, usage_charts, users
from app.services.usage_charts import Days
from tests.factories import ACTOR, make_account, make_metric
from tests.services.metered import NOON, add_usage, meter
from tests.support.own import OwnDatabase


@pytest.fixture
def stored(own_database: OwnDatabase) -> Iterator[Redis]:
    """The Redis of an application where commits stay, so that answers are kept."""
    with own_database.app() as app, Redis.from_url(app.extensions["settings"].redis_url) as redis:
        yield redis


@pytest.fixture
def used(stored: Redis) -> tuple[Account, Metric]:
    """An account that used 1 at noon, committed and metered."""
    with transaction():
        account, metric = make_account(), make_metric(name="Passwords")
        add_usage(account, metric, 1, channel="sms")
        meter()
    return account, metric


def test_of_a_chart_over_all_accounts_only_the_day_that_grew_is_read_again(
    used: tuple[Account, Metric], stored: Redis
) -> None:
    account, metric = used
    days = Days(NOON.date() - timedelta(days=2), NOON.date() + timedelta(days=1), "Asia/Kolkata")
    usage_charts.of_all(days)
    for key in stored.keys("cache:usage-day:*"):
        stored.set(key, stored.get(key).replace(b'"quantity":"1"', b'"quantity":"7"'))
    first, *_, last = (sum(total.quantity for total in each) for each in usage_charts.of_all(days).values())
    assert (first, last) == (0, 7)
    with transaction():
        add_usage(account, metric, 5, at=NOON - timedelta(days=2), channel="sms")
        meter()
    first, *_, last = (sum(total.quantity for total in each) for each in usage_charts.of_all(days).values())
    assert (first, last) == (5, 7)


def test_the_dashboard_is_made_anew_for_the_zones_of_the_staff(
    used: tuple[Account, Metric], stored: Redis
) -> None:
    with transaction():
        for name, role, zone in (
            ("a", Role.support, "Asia/Kathmandu"),
            ("b", Role.finance_admin, "Asia/Kathmandu"),
            ("c", Role.super_admin, "Asia/Jakarta"),
        ):
            user = users.create(f"{name}@example.com", role=role, timezone=zone, actor=ACTOR)
            user.active = zone != "Asia/Jakarta"
    kept = f"cache:usage-day:Asia/Kathmandu:{NOON.date()}"

    def shown() -> Decimal:
        return reports.usage_by_day(NOON.date(), "Asia/Kathmandu").lines[0][1][-1]

    assert shown() == 1
    stored.set(kept, stored.get(kept).replace(b'"quantity":"1"', b'"quantity":"7"'))
    assert shown() == 7
    assert reports.refresh_usage(NOON) == 1
    assert shown() == 1
    assert len(stored.keys("cache:usage-day:*")) == 30
