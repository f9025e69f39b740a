"""The checks of contracts are green over honest invoices, and each planted bug is found by name."""

from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app import clock
from app.db import db
from app.models import AccountCredit, Coupon, CouponRedemption, Invoice, Subscription
from app.models.invoices import LineKind
from app.services import (
    billing,
    claims,
    commitments,
    coupons,
    discounts,
    drafting,
    invoice_lines,
    invoices,
    verify,
)
from tests import factories as make
from tests.services.invoicing import IN_NOVEMBER, NOON, OCTOBER, priced, use
from tests.services.tampering import power, red

CHECKS = ("commitments", "reductions", "reduced_tax", "invoices", "snapshots")


@pytest.fixture
def subscription(session: Session, monkeypatch: pytest.MonkeyPatch) -> Subscription:
    """A subscription of two tax rates that has a commitment, a discount, a coupon and a credit."""
    monkeypatch.setattr(clock, "now", lambda: NOON)
    make.make_seller()
    make.make_tax_rate("18")
    make.make_tax_rate("5", service_code="998413")
    metric = make.make_metric()
    hosting = make.fee("500", code="hosting", name="Hosting", sac="998413")
    made = priced(make.per_unit(metric, "1"), hosting)
    account = made.account
    commitments.agree(made, "1500", start_on="2026-10-01", actor=make.ACTOR)
    values = {"name": "Deal", "percent": "10", "start_on": "2026-10-01"}
    discounts.grant(account, values, actor=make.ACTOR)
    coupons.create(
        {"code": "TEN", "name": "Ten", "amount": "100", "currency": "INR", "duration": "forever"},
        actor=make.ACTOR,
    )
    coupons.redeem(account, "TEN", at=NOON, actor=make.ACTOR)
    discounts.give_credit(account, "50", reason="Outage", at=NOON, actor=make.ACTOR)
    use(account, metric, 400)
    return made


def bill(subscription: Subscription) -> Invoice:
    list(billing.run("2026-10", at=IN_NOVEMBER, actor=make.ACTOR))
    query = select(Invoice).where(Invoice.account_id == subscription.account_id)
    return db.session.scalars(query).one()


def found(*names: str) -> dict[str, list[str]]:
    return red(verify.run(names or CHECKS, at=IN_NOVEMBER))


def test_an_honest_invoice_is_green_and_counted(subscription: Subscription) -> None:
    """500 + 400 + 600 to the commitment; − 90 − 100 − 50; the taxes are of what is left."""
    invoice = bill(subscription)
    assert invoice.subtotal == Decimal(1260)
    report = verify.run(CHECKS, at=IN_NOVEMBER)
    assert red(report) == {}
    counted = {each.name: each.counted for each in report.results}
    assert counted["commitments"] == {"periods": 1}
    assert counted["reductions"] == {"coupons": 1, "redemptions": 1, "credits": 1}
    assert counted["reduced_tax"] == {"taxes": 4}


def test_a_coupon_counted_twice_is_found(session: Session, subscription: Subscription) -> None:
    bill(subscription)
    redemption = session.scalars(select(CouponRedemption)).one()
    redemption.used += 1
    session.flush()
    assert found() == {"reductions": [f"redemption {redemption.id}"]}


def test_a_redemption_that_is_not_counted_is_found(session: Session, subscription: Subscription) -> None:
    session.execute(update(Coupon).values(redeemed=0))
    assert found() == {"reductions": ["coupon TEN"]}


def test_a_forgotten_true_up_is_found(
    session: Session, subscription: Subscription, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drafting.commitments, "due", lambda *_, **__: [])
    bill(subscription)
    where = f"subscription {subscription.id}, period from 2026-10-01"
    assert found() == {"commitments": [where]}


def test_a_discount_after_tax_is_found(subscription: Subscription, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reductions bear no tax, as if they were taken off the total."""
    honest = invoice_lines.with_rate

    def after_tax(line: Any, supply: Any, rates: Any) -> Any:
        return line if line.amount < 0 else honest(line, supply, rates)

    monkeypatch.setattr(invoice_lines, "with_rate", after_tax)
    invoice = bill(subscription)
    assert set(found()["reduced_tax"]) == {f"invoice {invoice.number}"}


def test_a_tax_on_the_full_price_is_found(session: Session, subscription: Subscription) -> None:
    invoice = bill(subscription)
    power(
        session,
        "UPDATE invoice_lines SET taxes = jsonb_set(taxes, '{0,amount}', '\"99.00\"') "
        "WHERE invoice_id = :id AND kind = 'fixed'",
        id=invoice.id,
    )
    assert found("reduced_tax") == {"reduced_tax": [f"invoice {invoice.number}"]}


def test_a_credit_that_was_not_counted_down_is_found(
    session: Session, subscription: Subscription, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims.discounts, "use_credit", lambda *_: None)
    bill(subscription)
    credit = session.scalars(select(AccountCredit)).one()
    assert found() == {"reductions": [f"credit {credit.id}"]}


def test_an_amount_given_twice_in_a_period_is_found(
    session: Session, subscription: Subscription, monkeypatch: pytest.MonkeyPatch
) -> None:
    bill(subscription)
    monkeypatch.setattr(drafting.reductions, "taken", lambda *_: {})
    metric = make.make_metric()
    priced(make.per_unit(metric, "1"), account=subscription.account)
    use(subscription.account, metric, 200)
    draft = invoices.draft_by_hand(subscription.account, OCTOBER, at=IN_NOVEMBER, actor=make.ACTOR)
    invoice = invoices.issue(draft, at=IN_NOVEMBER, actor=make.ACTOR)
    assert [line.amount for line in invoice.lines if line.kind is LineKind.coupon] == [Decimal(-100)]
    redemption = session.scalars(select(CouponRedemption)).one()
    assert found("reductions") == {"reductions": [f"redemption {redemption.id}", f"coupon {redemption.id}"]}
