"""Quantities that do not add, as they are read: by interval and dimension, on charts, behind an invoice."""

from datetime import date, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.models import Account, Metric
from app.services import invoices, own_usage, reports, usage, usage_charts
from app.services.usage import Reading
from app.services.usage_charts import Days
from tests.factories import (
    make_account,
    make_metric,
    make_plan,
    make_seller,
    make_subscription,
    make_tax_rate,
    per_unit,
)
from tests.services.invoicing import IN_NOVEMBER, OCTOBER, issue_for
from tests.services.metered import NOON, add_usage, meter
from tests.services.observed import HOUR, a_metric, a_month, send
from tests.support.application import QueryCounter

INDIA = "Asia/Kolkata"


@pytest.mark.parametrize(
    ("granularity", "rows"),
    [
        ("15m", ["3", "5", "4"]),
        ("hour", ["5", "4"]),
        ("day", ["5"]),
        ("month", ["5"]),
    ],
)
def test_reading_takes_the_greatest_of_each_interval(
    session: Session, granularity: str, rows: list[str]
) -> None:
    subscription, _, metric = a_month("max")
    for minutes, value in ((0, "3"), (15, "5"), (75, "4")):
        send(subscription.account, metric, value, at=NOON + timedelta(minutes=minutes), channel="sms")
    send(subscription.account, metric, "1", channel="email")
    meter()
    reading = Reading(subscription.account, NOON - HOUR, NOON + 9 * HOUR, granularity=granularity)
    assert [str(row.quantity) for row in usage.read(reading, limit=9)] == rows


def test_reading_by_a_dimension_keeps_its_values_apart(session: Session) -> None:
    account, metric = make_account(), a_metric("unique_count")
    for user, channel in (("ann", "sms"), ("bob", "sms"), ("ann", "email"), ("ann", "sms")):
        send(account, metric, user, channel=channel)
    meter()
    day = Reading(account, NOON - HOUR, NOON + 9 * HOUR, metric=metric, group_by="channel")
    assert [(row.dimensions, row.quantity, row.events) for row in usage.read(day, limit=9)] == [
        ({"channel": "email"}, 1, 1),
        ({"channel": "sms"}, 2, 3),
    ]
    (whole,) = usage.read(Reading(account, NOON - HOUR, NOON + 9 * HOUR, metric=metric), limit=9)
    assert (whole.quantity, whole.events) == (2, 4)


@pytest.fixture
def peaks(session: Session) -> tuple[Account, Metric]:
    """An account that peaked at 3 and 8 on the 10th, and at 5 on the 11th; another one peaked at 2."""
    metric = a_metric("max", name="Peak", unit="seat", dimensions=["channel"])
    account, other = make_account(), make_account()
    send(account, metric, "3", channel="sms")
    send(account, metric, "8", at=NOON + HOUR, channel="sms")
    send(account, metric, "5", at=NOON + 24 * HOUR, channel="sms")
    send(other, metric, "2", channel="sms")
    meter()
    return account, metric


def test_the_dashboard_shows_the_greatest_of_each_day(peaks: tuple[Account, Metric]) -> None:
    chart = reports.usage_by_day(date(2026, 10, 12), INDIA, days=4)
    assert chart.labels == ["9 Oct", "10 Oct", "11 Oct", "12 Oct"]
    assert chart.lines == [("Peak", [0, 8, 5, 0])]


def test_the_dashboard_reads_states_only_of_metrics_that_do_not_add(
    session: Session, query_counter: QueryCounter
) -> None:
    account, added = make_account(), make_metric(name="Sent", unit="seat")
    metric = a_metric("max", name="Peak", unit="seat")
    add_usage(account, added, 2)
    add_usage(make_account(), added, 3, at=NOON + HOUR)
    meter()
    days = Days(date(2026, 10, 9), date(2026, 10, 11), INDIA)
    with query_counter() as queries:
        (sent,) = usage_charts.of_all(days)[date(2026, 10, 10)]
    assert (sent.metric.name, sent.quantity, sent.events) == ("Sent", 5, 2)
    assert len(queries) == 1
    send(account, metric, "3")
    send(account, metric, "8", at=NOON + HOUR)
    meter()
    with query_counter() as queries:
        by_day = usage_charts.of_all(days)
    assert {total.metric.name: total.quantity for total in by_day[date(2026, 10, 10)]} == {
        "Sent": 5,
        "Peak": 8,
    }
    assert by_day[date(2026, 10, 9)] == []
    assert len(queries) == 2


def test_accounts_are_read_together_and_no_other_with_them(session: Session) -> None:
    one, two, other = make_account(), make_account(), make_account()
    added, metric = make_metric(), a_metric("max", dimensions=["channel"])
    for account, quantity in ((one, 2), (two, 3), (other, 100)):
        add_usage(account, added, quantity, channel="sms")
        send(account, metric, str(quantity), channel="sms")
    meter()
    day = Days(date(2026, 10, 10), date(2026, 10, 11), INDIA)
    found = {each.metric.code: each.quantity for each in usage_charts.totals([one.id, two.id], day)}
    assert found == {added.code: 5, metric.code: 3}
    lines = {each.metric.code: each.lines for each in usage_charts.trends([one.id, two.id], day)}
    assert lines == {added.code: [("sms", [5])], metric.code: [("sms", [3])]}
    assert usage_charts.totals([], day) == []


def test_customers_see_the_greatest_of_the_month_and_of_each_day(peaks: tuple[Account, Metric]) -> None:
    account, metric = peaks
    at = NOON + timedelta(days=2)
    (used,) = own_usage.this_month([account], at=at, zone=INDIA)
    assert (used.metric.code, used.quantity) == (metric.code, 8)
    october = own_usage.windows(at, INDIA)[0]
    (trend,) = own_usage.trends([account], october, INDIA)
    ((channel, values),) = trend.lines
    assert (channel, values[8:12]) == ("sms", [0, 8, 5, 0])


def test_the_hash_of_a_line_covers_what_its_buckets_remember(session: Session) -> None:
    make_seller()
    make_tax_rate()
    metric, hashes = a_metric("unique_count"), []
    for users in (("ann", "bob"), ("ann", "bob"), ("ann", "eve")):
        account = make_subscription(plan=make_plan(components=[per_unit(metric, "2")])).account
        for n, user in enumerate(users):
            send(account, metric, user, event_id=f"same-{n}")
        meter()
        line = issue_for(account).lines[0]
        assert (line.quantity, line.amount) == (2, 4)
        hashes.append(line.events_hash)
    assert hashes[0] == hashes[1] != hashes[2]


def test_an_invoice_that_adds_up_maxima_is_parked(peaks: tuple[Account, Metric], session: Session) -> None:
    make_seller()
    make_tax_rate()
    account, metric = peaks
    make_subscription(account, make_plan(components=[per_unit(metric, "2")]))
    session.execute(text("UPDATE charge_positions SET quantity = 16"))
    invoice = invoices.draft_for(account, OCTOBER, at=IN_NOVEMBER)
    assert invoice is not None
    assert invoice.parked_reason == f"{metric.code}: 16 was rated, 8 was used."
