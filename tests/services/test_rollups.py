"""Buckets that do not add: recomputed from their events, merged into periods, and found when wrong."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.aggregations import aggregations
from app.models import ChargePosition, Metric, Subscription
from app.models.plans import Anchor
from app.services import corrections, metering, subscriptions, verify
from app.services.rollups import STATES_OF_EVENTS
from tests.factories import ACTOR, make_account, make_metric, make_plan, make_subscription, per_unit
from tests.services.metered import NOON, amounts, figures, meter, positions, subscribe_prepaid
from tests.services.observed import HOUR, a_metric, a_month, rollups, send
from tests.services.tampering import power, red

UNEVEN = sorted(name for name, entry in aggregations.items() if not entry.adds)


def test_each_bucket_holds_its_own_and_the_period_what_all_come_to(session: Session) -> None:
    subscription, wallet, metric = a_month("max")
    send(subscription.account, metric, "5")
    send(subscription.account, metric, "9", at=NOON + timedelta(minutes=14))
    send(subscription.account, metric, "7", at=NOON + HOUR)
    assert meter() == 3
    assert rollups(metric) == [("06:30", "9", 2, "9"), ("07:30", "7", 1, "7")]
    assert positions(subscription) == {metric.code: ("9", 3, "9.00")}
    assert figures(wallet) == ("991.00", "0.00")


def test_a_metric_that_adds_keeps_no_state(session: Session) -> None:
    subscription, _, metric = a_month("sum")
    send(subscription.account, metric, "5")
    send(subscription.account, metric, "9")
    meter()
    assert rollups(metric) == [("06:30", "14", 2, None)]
    assert positions(subscription) == {metric.code: ("14", 2, "14.00")}


def test_a_quantity_that_falls_gives_money_back(session: Session) -> None:
    subscription, wallet, metric = a_month("latest")
    for n, value in enumerate(("10", "4", "6")):
        send(subscription.account, metric, value, at=NOON + n * HOUR)
        meter()
    send(subscription.account, metric, "99", at=NOON - HOUR)
    meter()
    assert amounts(wallet)[1:] == ["-10.00", "6.00", "-2.00"]
    assert positions(subscription) == {metric.code: ("6", 4, "6.00")}


def test_a_cancelled_event_is_as_if_it_had_never_come(session: Session) -> None:
    subscription, wallet, metric = a_month("max")
    low, high = (send(subscription.account, metric, value) for value in ("3", "8"))
    meter()
    corrections.cancel(subscription.account, high, reason="A test", actor=ACTOR, at=NOON)
    meter()
    assert rollups(metric) == [("06:30", "3", 1, "3")]
    assert positions(subscription) == {metric.code: ("3", 1, "3.00")}
    corrections.cancel(subscription.account, low, reason="A test", actor=ACTOR, at=NOON)
    meter()
    assert rollups(metric) == [("06:30", "0", 0, None)]
    assert positions(subscription) == {metric.code: ("0", 0, "0.00")}
    assert (figures(wallet), amounts(wallet)[1:]) == (("1000.00", "0.00"), ["-8.00", "5.00", "3.00"])
    assert red(verify.run(at=NOON)) == {}


def test_a_cancelled_removal_brings_its_value_back(session: Session) -> None:
    subscription, _, metric = a_month("unique_count")
    send(subscription.account, metric, "ann")
    removal = send(subscription.account, metric, "ann", at=NOON + HOUR, operation_type="remove")
    meter()
    assert positions(subscription) == {metric.code: ("0", 2, "0.00")}
    corrections.cancel(subscription.account, removal, reason="A test", actor=ACTOR, at=NOON)
    meter()
    assert positions(subscription) == {metric.code: ("1", 1, "1.00")}


@pytest.mark.parametrize("aggregation", sorted(aggregations))
def test_usage_adopted_later_costs_what_it_would_have_cost_at_once(
    session: Session, aggregation: str
) -> None:
    metric = make_metric(aggregation=aggregation, value_property=None if aggregation == "count" else "v")
    early, wallet = subscribe_prepaid(per_unit(metric, "1"), balance="1000")
    late = make_account(prepaid=True)
    for n, value in enumerate(("10", "4", "4", "7.5")):
        for account in (early.account, late):
            at = NOON + n * 5 * HOUR
            send(account, metric, value, at=at, channel=("sms", "email")[n % 2], country="IN")
    meter()
    adopted = make_subscription(late, make_plan(components=[per_unit(metric, "1")]))
    assert positions(adopted) == positions(early)
    assert metering.adopt(adopted) == 0
    assert figures(wallet)[0] != "1000.00"
    assert red(verify.run(at=NOON)) == {}


def test_each_component_takes_the_greatest_of_what_it_charges(session: Session) -> None:
    metric = a_metric("max")
    everything = per_unit(metric, "1", code="all")
    sms = per_unit(metric, "0.5", code="sms", filters={"channel": ["sms"]})
    subscription, _ = subscribe_prepaid(everything, sms)
    for value, channel in (("10", "sms"), ("7", "sms"), ("6", "email"), ("8", "push")):
        send(subscription.account, metric, value, channel=channel)
    meter()
    assert positions(subscription) == {"all": ("8", 2, "8.00"), "sms": ("10", 2, "5.00")}


def test_periods_that_overlap_count_a_bucket_once(session: Session) -> None:
    """A calendar month and a month from 5 October share the days from then on; the mean of 10, 10 and 1 is
    7."""
    metric = a_metric("average")
    sms = per_unit(metric, "1", code="sms", filters={"channel": ["sms"]})
    mail = per_unit(metric, "1", code="mail", filters={"channel": ["email"]})
    first, _ = subscribe_prepaid(sms)
    since = NOON - timedelta(days=5)
    second = make_subscription(
        first.account, make_plan(components=[mail]), start_at=since, anchor=Anchor.anniversary
    )
    for n, value in enumerate(("10", "10", "1")):
        send(first.account, metric, value, at=NOON + n * HOUR, channel="sms")
        send(first.account, metric, "2", at=NOON + n * HOUR, channel="email")
    meter()
    assert positions(first) == {"sms": ("7", 3, "7.00")}
    assert positions(second) == {"mail": ("2", 3, "2.00")}


def test_a_change_of_plan_in_the_past_divides_the_states(session: Session) -> None:
    subscription, _, metric = a_month("max")
    send(subscription.account, metric, "10", at=NOON - HOUR)
    send(subscription.account, metric, "4", at=NOON)
    meter()
    subscriptions.end(subscription, at=NOON, actor=ACTOR)
    plan = make_plan(components=[per_unit(metric, "2", code="new")])
    after = make_subscription(subscription.account, plan, start_at=NOON)
    assert positions(subscription) == {metric.code: ("10", 1, "10.00")}
    assert positions(after) == {"new": ("4", 1, "8.00")}


def test_recomputing_costs_a_batch_four_statements_more(session: Session, query_counter: Any) -> None:
    metric = a_metric("max")
    subscribed = [subscribe_prepaid(per_unit(metric, "1"), balance="100")[0] for _ in range(10)]
    for subscription in subscribed:
        for hour in range(3):
            send(subscription.account, metric, "2", at=NOON + hour * HOUR, channel=f"c{hour}")
    session.flush()
    with query_counter() as queries:
        assert metering.drain(at=NOON) == 30
    assert len(queries) == 13, "\n".join(queries)


def used_up(aggregation: str) -> tuple[Subscription, Metric]:
    """Return a month of two buckets whose quantities do not sum to that of the month."""
    subscription, _, metric = a_month(aggregation)
    for n in range(2):
        send(subscription.account, metric, "6", at=NOON + n * HOUR)
    meter()
    assert red(verify.run(at=NOON)) == {}
    return subscription, metric


@pytest.mark.parametrize("aggregation", UNEVEN)
def test_a_position_that_adds_up_its_buckets_is_found(session: Session, aggregation: str) -> None:
    subscription, metric = used_up(aggregation)
    added = "(SELECT sum(quantity) FROM usage_rollups WHERE metric_id = :metric)"
    power(session, f"UPDATE charge_positions SET quantity = {added}", metric=metric.id)
    position = session.scalar(
        select(ChargePosition.id).where(ChargePosition.subscription_id == subscription.id)
    )
    assert red(verify.run(["states", "positions"], at=NOON)) == {"positions": [f"position {position}"]}


@pytest.mark.parametrize("aggregation", UNEVEN)
def test_a_bucket_that_is_folded_and_not_recomputed_is_found(
    session: Session, aggregation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscription, _, metric = a_month(aggregation)
    monkeypatch.setattr(metering.rollups, "recompute", lambda buckets: None)
    for n in range(2):
        send(subscription.account, metric, "6", at=NOON + n * HOUR)
    meter()
    where = f"{metric.code} of account {subscription.account_id} from 2026-10-10"
    assert red(verify.run(["states"], at=NOON)) == {"states": [f"{where} 06:30", f"{where} 07:30"]}


@pytest.mark.parametrize("aggregation", UNEVEN)
def test_a_state_of_another_bucket_is_found(session: Session, aggregation: str) -> None:
    _, metric = used_up(aggregation)
    other = "(SELECT state FROM usage_rollups WHERE metric_id = :metric AND bucket_at <> r.bucket_at)"
    where = "bucket_at = :at AND metric_id = :metric"
    changed = f"UPDATE usage_rollups r SET state = {other}, events = 9 WHERE {where}"
    power(session, changed, metric=metric.id, at=NOON)
    (found,) = red(verify.run(["states"], at=NOON))["states"]
    assert found.startswith(metric.code)
    assert found.endswith("06:30")


def test_a_rollup_that_is_lost_is_found_where_quantities_do_not_add(session: Session) -> None:
    subscription, metric = used_up("max")
    power(session, "DELETE FROM usage_rollups WHERE bucket_at = :at", at=NOON)
    where = f"{metric.code} of account {subscription.account_id}"
    assert red(verify.run(["rollups", "states"], at=NOON)) == {"rollups": [where]}


def test_a_recomputed_bucket_may_be_ahead_of_the_deltas_that_wait(session: Session) -> None:
    subscription, _, metric = a_month("max")
    for value in ("5", "9"):
        send(subscription.account, metric, value)
    assert metering.drain(1, at=NOON) == 1
    assert rollups(metric) == [("06:30", "9", 2, "9")]
    assert red(verify.run(at=NOON)) == {}
    assert meter() == 1
    assert rollups(metric) == [("06:30", "9", 2, "9")]
    assert positions(subscription) == {metric.code: ("9", 2, "9.00")}


def test_the_database_makes_the_states_of_every_aggregation_that_does_not_add() -> None:
    assert sorted(STATES_OF_EVENTS) == UNEVEN
