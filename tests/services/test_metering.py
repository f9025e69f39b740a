"""From deltas to rollups, charge positions and the wallet."""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.domain.periods import Period
from app.models import AuditRecord, ChargePosition, UsageDelta, UsageRollup, Wallet
from app.services import metering, subscriptions
from tests.factories import (
    ACTOR,
    graduated,
    make_account,
    make_metric,
    make_plan,
    make_subscription,
    per_unit,
)
from tests.services.metered import (
    NOON,
    a_rupee_each,
    add_usage,
    amounts,
    books,
    figures,
    meter,
    positions,
    subscribe_prepaid,
    transactions,
)
from tests.services.tampering import owning


def test_deltas_of_one_bucket_become_one_rollup(session: Session) -> None:
    account, metric = make_account(), make_metric()
    add_usage(account, metric, 2, channel="sms")
    add_usage(account, metric, 3, channel="sms", at=NOON + timedelta(minutes=14, seconds=59))
    add_usage(account, metric, 5, channel="whatsapp")
    assert meter() == 3
    rollups = session.execute(
        select(UsageRollup.bucket_at, UsageRollup.dimensions, UsageRollup.quantity, UsageRollup.events)
        .where(UsageRollup.account_id == account.id)
        .order_by(UsageRollup.quantity)
    ).all()
    assert rollups == [(NOON, {"channel": "sms"}, 5, 2), (NOON, {"channel": "whatsapp"}, 5, 1)]
    assert session.scalar(select(func.count()).select_from(UsageDelta)) == 0


def test_usage_without_a_subscription_is_rolled_up_and_not_priced(session: Session) -> None:
    account, metric = make_account(prepaid=True), make_metric()
    add_usage(account, metric, 7)
    assert meter() == 1
    assert session.scalar(select(UsageRollup.quantity).where(UsageRollup.account_id == account.id)) == 7
    assert session.scalar(select(ChargePosition).where(ChargePosition.account_id == account.id)) is None


def test_a_postpaid_account_is_counted_and_not_charged(session: Session) -> None:
    metric = make_metric()
    subscription = make_subscription(plan=make_plan(components=[per_unit(metric, "0.25")]))
    add_usage(subscription.account, metric, 8)
    meter()
    assert positions(subscription) == {metric.code: ("8", 1, "0.00")}
    assert session.scalar(select(Wallet).where(Wallet.account_id == subscription.account_id)) is None


def test_a_price_of_tenths_of_paise_never_drifts(session: Session) -> None:
    metric = make_metric()
    subscription, wallet = subscribe_prepaid(per_unit(metric, "0.001"), balance="10")
    for _ in range(2):
        add_usage(subscription.account, metric, 333)
        meter()
    assert amounts(wallet)[1:] == ["-0.33", "-0.34"]
    assert positions(subscription) == {metric.code: ("666", 2, "0.67")}
    assert figures(wallet) == ("9.33", "0.00")


def test_one_transaction_explains_what_a_run_took(session: Session) -> None:
    sms, mail = make_metric(), make_metric()
    subscription, wallet = subscribe_prepaid(per_unit(sms, "0.25"), per_unit(mail, "0.02"), balance="100")
    add_usage(subscription.account, sms, 10)
    add_usage(subscription.account, mail, 100)
    meter()
    (deduction,) = transactions(wallet)[1:]
    period = "2026-09-30T18:30:00+00:00"
    assert (deduction.kind, deduction.state, deduction.amount) == ("usage", "COMPLETED", Decimal("-4.50"))
    assert sorted(deduction.explanation, key=lambda item: item["amount"]) == [
        {
            "component": mail.code,
            "metric": mail.code,
            "period_start": period,
            "quantity": "100",
            "amount": "2.00",
        },
        {
            "component": sms.code,
            "metric": sms.code,
            "period_start": period,
            "quantity": "10",
            "amount": "2.50",
        },
    ]
    assert deduction.balance_after == Decimal("95.50")
    assert books(wallet) == {"cash": "-100.00", "revenue": "4.50", "wallet": "95.50"}


def test_a_tier_that_makes_the_total_cheaper_gives_money_back(session: Session) -> None:
    metric = make_metric()
    volume = {
        "metric": metric.code,
        "model": "volume",
        "tiers": [{"up_to": "100", "unit": "1"}, {"up_to": None, "unit": "0.5"}],
    }
    subscription, wallet = subscribe_prepaid(volume, balance="200")
    add_usage(subscription.account, metric, 100)
    meter()
    assert figures(wallet) == ("100.00", "0.00")
    add_usage(subscription.account, metric, 20)
    meter()
    assert figures(wallet) == ("140.00", "0.00")
    assert amounts(wallet)[1:] == ["-100.00", "40.00"]


def test_what_the_balance_cannot_pay_is_owed(session: Session) -> None:
    subscription, wallet, metric = a_rupee_each(balance="30")
    add_usage(subscription.account, metric, 100)
    meter()
    assert figures(wallet) == ("0.00", "70.00")
    assert positions(subscription) == {metric.code: ("100", 1, "100.00")}
    assert transactions(wallet)[-1].reason == "Usage, of which 70.00 INR is owed"
    assert books(wallet) == {"cash": "-30.00", "receivable": "-70.00", "revenue": "100.00"}


def test_usage_given_back_first_lowers_what_is_owed(session: Session) -> None:
    subscription, wallet, metric = a_rupee_each(balance="30")
    add_usage(subscription.account, metric, 40)
    meter()
    add_usage(subscription.account, metric, -25)
    meter()
    assert figures(wallet) == ("15.00", "0.00")
    assert positions(subscription) == {metric.code: ("15", 2, "15.00")}


def test_a_prepaid_account_without_a_wallet_gets_one_and_owes(session: Session) -> None:
    metric = make_metric()
    subscription, wallet = subscribe_prepaid(per_unit(metric, "1"))
    with owning(session):
        session.delete(wallet)
        session.flush()
    add_usage(subscription.account, metric, 3)
    meter()
    opened = session.scalars(select(Wallet).where(Wallet.account_id == subscription.account_id)).one()
    assert figures(opened) == ("0.00", "3.00")


def test_the_most_specific_price_charges_and_only_that(session: Session) -> None:
    metric = make_metric()
    everything = per_unit(metric, "1", code="all")
    sms = per_unit(metric, "0.5", code="sms", filters={"channel": ["sms"]})
    indian_sms = per_unit(metric, "0.1", code="sms-in", filters={"channel": ["sms"], "country": ["IN"]})
    subscription, wallet = subscribe_prepaid(everything, sms, indian_sms, balance="100")
    add_usage(subscription.account, metric, 10, channel="sms", country="IN")
    add_usage(subscription.account, metric, 20, channel="sms", country="US")
    add_usage(subscription.account, metric, 30, channel="email")
    meter()
    assert positions(subscription) == {
        "all": ("30", 1, "30.00"),
        "sms": ("20", 1, "10.00"),
        "sms-in": ("10", 1, "1.00"),
    }
    assert figures(wallet) == ("59.00", "0.00")


@pytest.mark.parametrize(
    ("instant", "month"),
    [
        (datetime(2026, 10, 31, 18, 29, 59, 999_999, tzinfo=UTC), datetime(2026, 9, 30, 18, 30, tzinfo=UTC)),
        (datetime(2026, 10, 31, 18, 30, tzinfo=UTC), datetime(2026, 10, 31, 18, 30, tzinfo=UTC)),
    ],
)
def test_an_event_at_indian_midnight_falls_into_the_month_that_starts(
    session: Session, instant: datetime, month: datetime
) -> None:
    subscription, _, metric = a_rupee_each()
    add_usage(subscription.account, metric, 1, at=instant)
    meter()
    started = select(ChargePosition.period_start).where(ChargePosition.account_id == subscription.account_id)
    assert session.scalars(started).all() == [month]


def test_any_order_and_grouping_of_the_same_usage_ends_the_same(session: Session) -> None:
    metric = make_metric()
    tiers = graduated(metric, ("100", "0"), ("1000", "0.033"), (None, "0.0071"))
    usage = [random.Random(7).randint(1, 40) for _ in range(200)]
    ends = set()
    for seed in range(4):
        subscription, wallet = subscribe_prepaid(tiers, balance="60")
        shuffled = random.Random(seed)
        for quantity in shuffled.sample(usage, len(usage)):
            add_usage(
                subscription.account, metric, quantity, at=NOON + timedelta(hours=shuffled.randint(0, 40))
            )
            if shuffled.random() < 0.1:
                metering.drain(shuffled.randint(1, 20), at=NOON)
        meter()
        ends.add((*figures(wallet), *positions(subscription)[metric.code]))
    total = sum(usage)
    price = Decimal(900) * Decimal("0.033") + (total - 1000) * Decimal("0.0071")
    assert ends == {(f"{60 - price:.2f}", "0.00", str(total), 200, f"{price:.2f}")}


def test_a_run_takes_no_more_deltas_than_it_is_told(session: Session) -> None:
    account, metric = make_account(), make_metric()
    for _ in range(5):
        add_usage(account, metric, 1)
    assert [metering.drain(2), metering.drain(2), metering.drain(2), metering.drain(2)] == [2, 2, 1, 0]


def test_a_subscription_that_starts_in_the_past_adopts_the_usage_since(session: Session) -> None:
    account, metric = make_account(prepaid=True), make_metric()
    add_usage(account, metric, 5, at=datetime(2026, 9, 29, tzinfo=UTC))
    add_usage(account, metric, 7)
    meter()
    subscription = make_subscription(account, make_plan(components=[per_unit(metric, "1")]))
    assert positions(subscription) == {metric.code: ("7", 1, "7.00")}
    wallet = session.scalars(select(Wallet).where(Wallet.account_id == account.id)).one()
    assert figures(wallet) == ("0.00", "7.00")
    assert metering.adopt(subscription) == 0
    assert figures(wallet) == ("0.00", "7.00")


def test_usage_moves_to_the_plan_that_a_change_in_the_past_brought(session: Session) -> None:
    metric = make_metric()
    old, wallet = subscribe_prepaid(per_unit(metric, "1", code="old"), balance="100")
    add_usage(old.account, metric, 10, at=NOON - timedelta(days=1))
    add_usage(old.account, metric, 20, at=NOON)
    meter()
    assert figures(wallet) == ("70.00", "0.00")
    subscriptions.end(old, at=NOON, actor=ACTOR)
    plan = make_plan(components=[per_unit(metric, "0.1", code="new")])
    new = make_subscription(old.account, plan, start_at=NOON)
    assert positions(old) == {"old": ("10", 1, "10.00")}
    assert positions(new) == {"new": ("20", 1, "2.00")}
    assert figures(wallet) == ("88.00", "0.00")


def test_a_low_balance_is_noted_once_per_crossing(session: Session) -> None:
    subscription, wallet, metric = a_rupee_each(balance="100")
    wallet.low_balance_threshold = Decimal(50)
    for quantity in (50, 10, 10, -30, 5):
        add_usage(subscription.account, metric, quantity)
        meter()
    noted = select(AuditRecord.summary, AuditRecord.after).where(AuditRecord.action == "wallet.low_balance")
    assert session.execute(noted.order_by(AuditRecord.id)).all() == [
        ("The balance fell below 50 INR", {"balance": "40.0000"}),
    ]
    add_usage(subscription.account, metric, 10)
    meter()
    assert len(session.execute(noted).all()) == 2


def test_a_batch_costs_a_handful_of_statements(session: Session, query_counter: object) -> None:
    metric = make_metric()
    tiers = graduated(metric, ("10", "1"), (None, "0.5"))
    subscribed = [subscribe_prepaid(tiers, balance="100")[0] for _ in range(20)]
    for subscription in subscribed:
        for hour in range(5):
            add_usage(subscription.account, metric, 1, at=NOON + timedelta(hours=hour), channel=f"c{hour}")
    session.flush()
    with query_counter() as queries:
        assert metering.drain(at=NOON) == 100
    assert len(queries) == 9, "\n".join(queries)


def test_periods_keep_their_whole_length_whatever_the_start_of_the_subscription(session: Session) -> None:
    metric = make_metric()
    subscription = make_subscription(plan=make_plan(components=[per_unit(metric)]), start_at=NOON)
    add_usage(subscription.account, metric, 1, at=NOON)
    meter()
    row = session.scalars(
        select(ChargePosition).where(ChargePosition.subscription_id == subscription.id)
    ).one()
    october: Period = subscriptions.cycle(subscription).period(
        subscriptions.cycle(subscription).index_of(NOON)
    )
    assert (row.period_start, row.period_end) == (october.start, october.end)
