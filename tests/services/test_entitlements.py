"""May an account use a metric now?"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy.orm import Session

from app.models import Metric, Subscription, Wallet
from app.models.customers import AccountStatus, CustomerStatus
from app.services import entitlements, subscriptions
from tests.factories import ACTOR, make_account, make_metric, make_plan, make_subscription, per_unit
from tests.services.metered import NOON, a_rupee_each, add_usage, meter


def answer(subscription: Subscription, metric: Metric) -> tuple[bool, str, Decimal | None]:
    """Return the whole answer at noon."""
    found = entitlements.check(subscription.account, metric, at=NOON)
    return found.allowed, found.reason, found.remaining


@pytest.fixture
def strict(session: Session) -> tuple[Subscription, Metric]:
    """A prepaid account without money on a plan that suspends the empty."""
    metric = make_metric()
    plan = make_plan(components=[per_unit(metric, "1")], version={"suspend_when_empty": True})
    return make_subscription(make_account(prepaid=True), plan), metric


def test_an_account_with_money_is_allowed_and_told_what_is_left(session: Session) -> None:
    subscription, _, metric = a_rupee_each(balance="10")
    assert answer(subscription, metric) == (True, "ok", Decimal(10))


def test_an_empty_account_is_allowed_unless_the_plan_suspends_it(
    session: Session, strict: tuple[Subscription, Metric]
) -> None:
    lenient, _, metric = a_rupee_each()
    add_usage(lenient.account, metric, 5)
    meter()
    assert answer(lenient, metric) == (True, "ok", Decimal(0))
    assert answer(*strict) == (False, "insufficient_funds", Decimal(0))


def test_a_postpaid_account_has_no_rest(session: Session) -> None:
    metric = make_metric()
    subscription = make_subscription(plan=make_plan(components=[per_unit(metric)]))
    assert answer(subscription, metric) == (True, "ok", None)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda each: setattr(each.account, "status", AccountStatus.suspended), "account_suspended"),
        (lambda each: setattr(each.account.customer, "status", CustomerStatus.closed), "account_suspended"),
        (lambda each: subscriptions.end(each, at=NOON - timedelta(days=1), actor=ACTOR), "no_subscription"),
    ],
)
def test_whoever_is_not_served_is_denied(
    session: Session, change: Callable[[Subscription], object], reason: str
) -> None:
    subscription, _, metric = a_rupee_each(balance="10")
    change(subscription)
    session.flush()
    assert answer(subscription, metric) == (False, reason, Decimal(10))


def test_a_metric_that_the_plan_does_not_price_is_denied(session: Session) -> None:
    subscription, wallet, _ = a_rupee_each(balance="10")
    assert isinstance(wallet, Wallet)
    assert answer(subscription, make_metric()) == (False, "not_in_plan", Decimal(10))


def test_a_limit_of_the_month_denies_once_it_is_used_up(session: Session) -> None:
    subscription, _, metric = a_rupee_each(balance="100")
    account = subscription.account
    account.settings = {"limits": {metric.code: 5}}
    add_usage(account, metric, 4)
    add_usage(account, metric, 9, at=datetime(2026, 9, 30, 18, 15, tzinfo=UTC))
    meter()
    left = entitlements.check(account, metric, at=NOON)
    add_usage(account, metric, 1)
    meter()
    reached = entitlements.check(account, metric, at=NOON)
    assert (left.reason, left.remaining_quantity) == ("ok", Decimal(1))
    assert (reached.allowed, reached.reason, reached.remaining_quantity) == (False, "limit_reached", 0)
    assert entitlements.check(account, metric, at=NOON + timedelta(days=31)).remaining_quantity == 5
