"""Metrics, plans, versions and subscriptions: what is refused by its field, and what is frozen."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.errors import Conflict, CurrencyMismatch, Frozen, IllegalTransition, Invalid, Overlapping
from app.models import ChargePosition, Metric, PricePlan, Subscription
from app.models.plans import Anchor, SubscriptionStatus, VersionStatus
from app.services import components, metrics, plans, subscriptions
from tests import factories as make
from tests.services.invoicing import NOON, use

AT = datetime(2026, 10, 1, tzinfo=UTC)
TIERS = [{"up_to": "10", "unit": "1"}, {"up_to": None, "unit": "0.5"}]


@pytest.mark.parametrize(
    ("values", "pointer", "code"),
    [
        ({"code": "auth otp"}, "/code", "bad_code"),
        ({"code": "x", "aggregation": "median"}, "/aggregation", "unknown_aggregation"),
        ({"code": "x", "value_property": "bytes"}, "/value_property", "not_used"),
        ({"code": "x", "dimensions": ["a", "a"]}, "/dimensions", "duplicate"),
        ({}, "/code", "required"),
    ],
)
def test_a_bad_metric_is_refused_when_it_is_made(
    session: Session, values: dict[str, Any], pointer: str, code: str
) -> None:
    with pytest.raises(Invalid) as refused:
        metrics.create(values, actor=make.ACTOR)
    assert [(field.pointer, field.code) for field in refused.value.fields] == [(pointer, code)]
    assert session.scalar(select(func.count()).select_from(Metric)) == 0


def test_how_a_metric_counts_stays(session: Session) -> None:
    metric = make.make_metric("m")
    with pytest.raises(Invalid, match="define a new metric"):
        metrics.update(metric, {"aggregation": "sum"}, actor=make.ACTOR)
    assert metrics.update(metric, {"name": "Messages", "active": False}, actor=make.ACTOR).active is False
    with pytest.raises(Conflict, match="There is a metric m already"):
        make.make_metric("m")


@pytest.mark.parametrize(
    ("component", "pointer", "code"),
    [
        ({"metric": "no", "model": "per_unit", "unit": "1"}, "/metric", "unknown_metric"),
        ({"metric": "m", "model": "magic"}, "/model", "unknown_model"),
        ({"metric": "m", "model": "per_unit", "unit": "-1"}, "/unit", "negative"),
        ({"metric": "m", "model": "per_unit", "unit": "x"}, "/unit", "not_a_number"),
        ({"metric": "m", "model": "per_unit", "unit": "1", "colour": "red"}, "/colour", "unknown_field"),
        (
            {"metric": "m", "model": "graduated", "tiers": [TIERS[0], {"up_to": "5", "unit": "1"}, TIERS[1]]},
            "/tiers/1/up_to",
            "tiers_out_of_order",
        ),
        (
            {"metric": "m", "model": "graduated", "terms": {"tiers": [TIERS[0]]}},
            "/terms/tiers/0/up_to",
            "last_tier_not_open",
        ),
        (
            {"metric": "m", "model": "per_unit", "unit": "1", "currency": "XYZ"},
            "/currency",
            "unknown_currency",
        ),
        (
            {"metric": "m", "model": "per_unit", "unit": "1", "filters": {"shop": "a"}},
            "/filters/shop",
            "unknown_dimension",
        ),
        ({"metric": "m", "model": "per_unit", "unit": "1", "sac": "12"}, "/sac", "bad_sac"),
        ({"metric": "m", "model": "per_unit", "unit": "1", "sac": "99831"}, "/sac", "bad_sac"),
        ({"metric": "m", "model": "per_unit", "unit": "1", "timing": "later"}, "/timing", "unknown_choice"),
        ({"model": "per_unit", "unit": "1"}, "/model", "mismatch"),
        (
            {"metric": "m", "model": "percentage", "rate": "1", "min_per_event": "1"},
            "/min_per_event",
            "events_needed",
        ),
    ],
)
def test_a_bad_component_is_refused_by_its_field(
    session: Session, component: dict[str, Any], pointer: str, code: str
) -> None:
    metric = make.make_metric("m", dimensions=["channel"])
    good = make.per_unit(metric, filters={"channel": "sms"}, code="good")
    with pytest.raises(Invalid) as refused:
        make.make_plan(components=[good, {"code": "bad", **component}])
    assert [(field.pointer, field.code) for field in refused.value.fields] == [
        (f"/components/1{pointer}", code)
    ]


def test_the_same_usage_is_not_priced_twice(session: Session) -> None:
    metric = make.make_metric()
    with pytest.raises(Invalid, match="is priced twice"):
        make.make_plan(components=[make.per_unit(metric, code="a"), make.per_unit(metric, code="b")])
    with pytest.raises(Invalid, match="Two components are called fee"):
        make.make_plan(components=[make.fee(), make.fee()])


def test_components_without_a_code_get_one_each(session: Session) -> None:
    make.make_metric("m", dimensions=["channel"])
    price = {"metric": "m", "model": "per_unit", "unit": "1"}
    whatsapp = {**price, "filters": {"channel": ["whatsapp"]}}
    elsewhere = {**price, "currency": "USD"}
    plan = make.make_plan(components=[price, whatsapp, elsewhere], publish=False)
    told = [(one.code, one.currency) for one in plan.versions[0].components]
    assert told == [("m", "INR"), ("m-2", "INR"), ("m", "USD")]


def test_a_published_version_is_frozen_and_a_change_is_a_new_one(session: Session) -> None:
    metric = make.make_metric()
    plan = make.make_plan(components=[make.per_unit(metric, "1")])
    (first,) = plan.versions
    before = components.as_prices(first)
    with pytest.raises(Frozen, match="make a new version"):
        plans.set_components(first, [make.per_unit(metric, "2")], actor=make.ACTOR)
    assert components.as_prices(first) == before
    second = plans.add_version(plan, actor=make.ACTOR)
    assert (second.number, second.status, components.as_prices(second)) == (2, VersionStatus.draft, before)
    plans.set_components(second, [make.per_unit(metric, "2")], actor=make.ACTOR)
    assert plans.find_active(plan, AT) is first
    plans.publish(second, at=AT, actor=make.ACTOR)
    assert plans.find_active(plan, AT) is second
    plans.retire(second, at=AT, actor=make.ACTOR)
    assert plans.find_active(plan.code, AT) is first
    with pytest.raises(IllegalTransition):
        plans.publish(second, at=AT, actor=make.ACTOR)


def test_a_version_is_active_from_its_effective_day_in_india(session: Session) -> None:
    plan = make.make_plan(components=[make.fee()], version={"effective_on": date(2026, 10, 2)})
    midnight = datetime(2026, 10, 1, 18, 30, tzinfo=UTC)
    assert plans.find_active(plan, midnight - timedelta(microseconds=1)) is None
    assert plans.find_active(plan, midnight) is plan.versions[0]


def test_a_version_without_prices_is_not_published(session: Session) -> None:
    plan = make.make_plan(publish=False)
    with pytest.raises(Invalid, match="without prices"):
        plans.publish(plan.versions[0], at=AT, actor=make.ACTOR)
    assert plan.versions[0].status is VersionStatus.draft
    with pytest.raises(Conflict):
        make.make_plan(plan.code)
    assert session.scalar(select(func.count()).select_from(PricePlan)) == 1


def test_a_subscription_pins_its_version_and_starts_on_a_quarter_of_an_hour(session: Session) -> None:
    plan = make.make_plan(components=[make.fee()])
    subscription = make.make_subscription(plan=plan, start_at=NOON + timedelta(minutes=14, seconds=59))
    assert (subscription.start_at, subscription.version.number) == (NOON, 1)
    plans.publish(plans.add_version(plan, actor=make.ACTOR), at=AT, actor=make.ACTOR)
    assert make.make_subscription(plan=plan, start_at=NOON).version.number == 2
    assert make.make_subscription(plan=plan, start_at=NOON, version=1).version.number == 1
    assert subscription.version.number == 1


def test_an_account_is_on_a_plan_once_at_a_time(session: Session) -> None:
    first = make.make_subscription(start_at=NOON)
    with pytest.raises(Overlapping) as refused:
        make.make_subscription(first.account, first.plan, start_at=NOON + timedelta(days=1))
    assert refused.value.fields[0].pointer == "/start_at"
    assert session.scalar(select(func.count()).select_from(Subscription)) == 1
    subscriptions.end(first, at=NOON + timedelta(days=1), actor=make.ACTOR)
    make.make_subscription(first.account, first.plan, start_at=NOON + timedelta(days=1))
    assert first.status is SubscriptionStatus.ended
    with pytest.raises(IllegalTransition):
        subscriptions.end(first, at=NOON, actor=make.ACTOR)


def test_what_cannot_be_subscribed_to_is_refused(session: Session) -> None:
    account, plan = make.make_account(), make.make_plan(components=[make.fee()], publish=False)
    with pytest.raises(Invalid, match="No published version"):
        make.make_subscription(account, plan)
    with pytest.raises(Invalid, match="is draft, not published"):
        make.make_subscription(account, plan, version=1)
    dollars = make.make_plan(components=[make.fee(currency="USD")])
    with pytest.raises(CurrencyMismatch, match="has no price in INR"):
        make.make_subscription(account, dollars)
    dollars.active = False
    with pytest.raises(Invalid, match="no longer offered"):
        make.make_subscription(make.make_account(currency="USD"), dollars)
    assert session.scalar(select(func.count()).select_from(Subscription)) == 0


def test_usage_since_a_start_in_the_past_is_charged_at_once(session: Session) -> None:
    metric, account = make.make_metric(), make.make_account()
    use(account, metric, 7)
    make.make_subscription(account, make.make_plan(components=[make.per_unit(metric)]), start_at=AT)
    position = session.scalars(select(ChargePosition)).one()
    assert (position.quantity, position.account_id) == (Decimal(7), account.id)


def test_usage_after_an_end_in_the_past_is_charged_no_more(session: Session) -> None:
    metric = make.make_metric()
    subscription = make.make_subscription(plan=make.make_plan(components=[make.per_unit(metric)]))
    use(subscription.account, metric, 7)
    subscriptions.end(subscription, at=NOON - timedelta(days=1), actor=make.ACTOR)
    position = session.scalars(select(ChargePosition)).one()
    session.refresh(position)
    assert position.quantity == 0


def test_an_anniversary_cycle_is_anchored_on_the_day_of_the_start(session: Session) -> None:
    subscription = make.make_subscription(
        start_at=datetime(2026, 1, 30, 18, 30, tzinfo=UTC), anchor=Anchor.anniversary
    )
    cycle = subscriptions.cycle(subscription)
    assert [cycle.start_on(n) for n in range(3)] == [
        date(2026, 1, 31),
        date(2026, 2, 28),
        date(2026, 3, 31),
    ]
