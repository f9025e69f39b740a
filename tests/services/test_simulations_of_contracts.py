"""Simulations of accounts with own terms, and of those that changed their plan within a month."""

from datetime import UTC, datetime

import pytest
from sqlalchemy.orm import Session

from app.models import Metric
from app.services import contracts, subscription_changes
from tests import factories as make
from tests.services.invoicing import IN_NOVEMBER, OCTOBER, issue_for, use
from tests.services.simulating import OCTOBER_20, billed, draft_of, figures, simulate


@pytest.fixture
def metric(session: Session) -> Metric:
    make.make_seller()
    make.make_tax_rate("18")
    return make.make_metric()


def test_own_terms_are_paid_and_do_not_go_along(metric: Metric) -> None:
    plan = make.make_plan(components=[make.per_unit(metric, "1", code="otp"), make.fee("100")])
    subscription = make.make_subscription(plan=plan)
    account = subscription.account
    own = [
        {"component": "otp", "unit": "0.2", "start_on": "2026-10-01"},
        {"component": "fee", "price": "60", "start_on": "2026-10-01"},
    ]
    contracts.override(subscription, own, actor=make.ACTOR)
    use(account, metric, 10)
    draft = draft_of(plan, make.per_unit(metric, "0.9", code="otp"), make.fee("100"))
    assert figures(simulate(draft)) == {account: ("62.00", "109.00", "47.00")}
    assert figures(simulate(plan.versions[0])) == {account: ("62.00", "62.00", "0.00")}
    issue_for(account, OCTOBER, at=IN_NOVEMBER)
    assert billed(account) == "62.00"


def test_a_change_of_plan_within_the_month_is_paid_as_billed(metric: Metric) -> None:
    """Small until the 10th and large from the 11th on; the draft takes the place of the small plan alone."""
    small = make.make_plan(components=[make.per_unit(metric, "1"), make.fee("310")])
    large = make.make_plan(components=[make.per_unit(metric, "0.5"), make.fee("620")])
    subscription = make.make_subscription(plan=small)
    account = subscription.account
    subscription_changes.change(
        subscription,
        large.code,
        when="2026-10-11",
        at=datetime(2026, 10, 5, tzinfo=UTC),
        actor=make.ACTOR,
    )
    use(account, metric, 4, at=datetime(2026, 10, 5, tzinfo=UTC))
    use(account, metric, 6, at=OCTOBER_20)
    draft = draft_of(small, make.per_unit(metric, "2"), make.fee("310"))
    assert figures(simulate(draft)) == {account: ("527.00", "531.00", "4.00")}
    issue_for(account, OCTOBER, at=IN_NOVEMBER)
    assert billed(account) == "527.00"
