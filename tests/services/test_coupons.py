"""Coupons: redeemed as often as they may be, used for as many periods as they say, refused with reason."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import clock
from app.db import db, transaction
from app.domain.periods import Period, calendar_month
from app.errors import Conflict, DomainError
from app.models import Account, AuditRecord, Coupon, CouponRedemption, Invoice
from app.models.invoices import LineKind
from app.services import coupons, discounts, invoices
from tests import factories as make
from tests.services.invoicing import IN_DECEMBER, IN_NOVEMBER, NOON, NOVEMBER, OCTOBER, issue_for, priced
from tests.support.own import OwnDatabase

CROWD = 50


@pytest.fixture
def _in_october(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOON)
    make.make_seller()
    make.make_tax_rate("18")


billed = pytest.mark.usefixtures("_in_october")


def a_coupon(**values: Any) -> Coupon:
    given = {"code": "DIWALI26", "name": "Diwali", "percent": "10", **values}
    if "amount" in values:
        del given["percent"]
    return coupons.create(given, actor=make.ACTOR)


def redeem(account: Account, code: str = "diwali26", *, at: datetime = NOON) -> CouponRedemption:
    return coupons.redeem(account, code, at=at, actor=make.ACTOR)


def refused(account: Account, code: str = "DIWALI26", *, at: datetime = NOON) -> list[tuple[str, str]]:
    """Return what a redemption is refused for; nothing is counted."""
    before = list(db.session.scalars(select(Coupon.redeemed)))
    with pytest.raises(DomainError) as caught:
        redeem(account, code, at=at)
    assert list(db.session.scalars(select(Coupon.redeemed))) == before
    return [(field.pointer, field.code) for field in caught.value.fields]


def month(number: int) -> tuple[Period, datetime]:
    """Return a month counted from October 2026, and 09:30 of the day after it."""
    year, following = divmod(9 + number, 12)
    period = calendar_month(f"{2026 + year}-{following + 1:02}", "Asia/Kolkata")
    return period, period.end + timedelta(hours=9, minutes=30)


def reductions_of(invoice: Invoice) -> list[tuple[LineKind, Decimal]]:
    return [(line.kind, line.amount) for line in invoice.lines if line.amount < 0]


@billed
def test_a_coupon_for_three_periods_is_used_up_then_the_price_is_full(session: Session) -> None:
    """999 − 10 % = 899.10, three times; then 999."""
    account = priced(make.fee("999")).account
    a_coupon(duration="periods", periods=3)
    redemption = redeem(account)
    subtotals = []
    for number in range(5):
        period, at = month(number)
        subtotals.append(issue_for(account, period, at=at).subtotal)
    assert subtotals == [Decimal("899.10")] * 3 + [Decimal(999)] * 2
    session.refresh(redemption)
    assert (redemption.used, redemption.periods) == (3, 3)


@billed
@pytest.mark.parametrize(
    ("duration", "subtotals", "used"),
    [("once", ["900", "1000", "1000"], 1), ("forever", ["900", "900", "900"], 3)],
)
def test_a_coupon_lasts_once_or_for_ever(
    session: Session, duration: str, subtotals: list[str], used: int
) -> None:
    account = priced(make.fee("1000")).account
    a_coupon(duration=duration)
    redemption = redeem(account)
    found = [issue_for(account, *period[:1], at=period[1]).subtotal for period in map(month, range(3))]
    assert found == [Decimal(one) for one in subtotals]
    session.refresh(redemption)
    assert redemption.used == used


@billed
def test_an_amount_larger_than_the_invoice_leaves_nothing_to_pay_and_is_used(session: Session) -> None:
    account = priced(make.fee("300")).account
    a_coupon(amount="500", currency="INR")
    redemption = redeem(account)
    invoice = issue_for(account)
    assert reductions_of(invoice) == [(LineKind.coupon, Decimal(-300))]
    assert invoice.lines[1].description == "Diwali (DIWALI26), 500 INR off"
    assert invoice.total == Decimal(0)
    session.refresh(redemption)
    assert redemption.used == 1


@billed
def test_discount_coupon_and_credit_follow_each_other(session: Session) -> None:
    """1,000 − 20 % = 800; − 10 % = 720; − 100 = 620; 18 % of it is 111.60: 731.60, rounded to 732."""
    account = priced(make.fee("1000")).account
    a_coupon()
    redeem(account)
    discounts.give_credit(account, "100", reason="Outage", at=NOON, actor=make.ACTOR)
    given = {"name": "Deal", "percent": "20", "start_on": "2026-10-01"}
    discounts.grant(account, given, actor=make.ACTOR)
    invoice = issue_for(account)
    assert reductions_of(invoice) == [
        (LineKind.discount, Decimal(-200)),
        (LineKind.coupon, Decimal(-80)),
        (LineKind.credit, Decimal(-100)),
    ]
    assert (invoice.tax_total, invoice.total) == (Decimal("111.60"), Decimal(732))


@billed
def test_a_coupon_for_a_plan_reduces_that_plan_only(session: Session) -> None:
    first = priced(make.fee("1000"))
    priced(make.fee("200"), account=first.account)
    a_coupon(plan_codes=[first.plan.code], percent="50")
    redeem(first.account)
    assert issue_for(first.account).subtotal == Decimal(700)


@billed
def test_two_drafts_of_different_periods_cannot_both_have_the_last_use(session: Session) -> None:
    account = priced(make.fee("1000")).account
    a_coupon()
    redemption = redeem(account)
    october = invoices.draft_by_hand(account, OCTOBER, at=IN_NOVEMBER, actor=make.ACTOR)
    november = issue_for(account, NOVEMBER, at=IN_DECEMBER)
    assert november.subtotal == Decimal(1800)
    with pytest.raises(Conflict):
        invoices.issue(october, at=IN_DECEMBER, actor=make.ACTOR)
    session.refresh(redemption)
    assert redemption.used == 1


@billed
def test_an_invoice_that_charges_nothing_uses_nothing(session: Session) -> None:
    account = priced(make.fee("1000"), start_at=NOVEMBER.start).account
    a_coupon()
    redemption = redeem(account)
    rows = [{"description": "Set-up", "quantity": "1", "unit_price": "50"}]
    invoice = invoices.draft_by_hand(account, OCTOBER, lines=rows, at=IN_NOVEMBER, actor=make.ACTOR)
    assert invoices.issue(invoice, at=IN_NOVEMBER, actor=make.ACTOR).subtotal == Decimal(50)
    session.refresh(redemption)
    assert redemption.used == 0


def test_what_may_not_be_redeemed_is_refused_with_the_reason(session: Session) -> None:
    account, other = make.make_account(), make.make_account()
    assert refused(account) == [("/code", "unknown_coupon")]
    coupon = a_coupon(max_redemptions=1, expires_at="2026-10-16T00:00:00+05:30")
    assert refused(account, at=NOON + timedelta(days=1)) == [("/code", "expired")]
    assert redeem(account).number == 1
    assert refused(account) == [("/code", "used_up")]
    coupons.change(coupon, {"max_redemptions": 5}, actor=make.ACTOR)
    assert refused(account) == [("/code", "already_redeemed")]
    coupons.change(coupon, {"active": False}, actor=make.ACTOR)
    assert refused(other) == [("/code", "expired")]


def test_an_account_on_another_plan_or_in_another_currency_is_refused(session: Session) -> None:
    plan = make.make_plan(components=[make.fee("1")])
    a_coupon(plan_codes=[plan.code])
    account = priced(make.fee("5")).account
    assert refused(account) == [("/code", "wrong_plan")]
    make.make_subscription(account, plan)
    assert redeem(account).number == 1
    a_coupon(code="TEN", amount="10", currency="USD")
    assert refused(account, "TEN") == [("/code", "currency_mismatch")]


def test_an_account_may_redeem_as_often_as_the_coupon_says(session: Session) -> None:
    account = make.make_account()
    coupon = a_coupon(max_per_account=2)
    assert [redeem(account).number, redeem(account).number] == [1, 2]
    assert refused(account) == [("/code", "already_redeemed")]
    session.refresh(coupon)
    assert coupon.redeemed == 2


@pytest.mark.parametrize(
    ("values", "pointer", "code"),
    [
        ({"code": "with blank"}, "/code", "bad_code"),
        ({"code": "-X"}, "/code", "bad_code"),
        ({"percent": None}, "/percent", "one_of"),
        ({"percent": "101"}, "/percent", "out_of_range"),
        ({"amount": "5"}, "/currency", "required"),
        ({"amount": "5", "currency": "XYZ"}, "/currency", "unknown_currency"),
        ({"amount": "0", "currency": "INR"}, "/amount", "not_positive"),
        ({"duration": "always"}, "/duration", "unknown_choice"),
        ({"duration": "periods"}, "/periods", "periods_of_duration"),
        ({"periods": 3}, "/periods", "periods_of_duration"),
        ({"duration": "periods", "periods": 0}, "/periods", "out_of_range"),
        ({"max_redemptions": 0}, "/max_redemptions", "out_of_range"),
        ({"max_per_account": 0}, "/max_per_account", "out_of_range"),
        ({"expires_at": "soon"}, "/expires_at", "bad_timestamp"),
        ({"plan_codes": ["nope"]}, "/plan_codes", "unknown_plan"),
        ({"redeemed": 5}, "/redeemed", "unknown_field"),
    ],
)
def test_a_coupon_that_cannot_be_is_refused_with_the_field(
    session: Session, values: dict[str, Any], pointer: str, code: str
) -> None:
    with pytest.raises(DomainError) as caught:
        a_coupon(**values)
    assert [(field.pointer, field.code) for field in caught.value.fields] == [(pointer, code)]
    assert list(session.scalars(select(Coupon))) == []


def test_a_code_is_taken_once(session: Session) -> None:
    a_coupon()
    with pytest.raises(Conflict):
        a_coupon(code="diwali26")


def test_fewer_redemptions_than_there_were_cannot_be_allowed(session: Session) -> None:
    coupon = a_coupon()
    redeem(make.make_account())
    redeem(make.make_account())
    with pytest.raises(DomainError, match="2 times"):
        coupons.change(coupon, {"max_redemptions": 1}, actor=make.ACTOR)


def test_coupons_are_in_the_audit_trail(session: Session) -> None:
    coupon = a_coupon()
    redeem(make.make_account(name="Asha"))
    session.refresh(coupon)
    coupons.change(coupon, {"active": False}, actor=make.ACTOR)
    query = select(AuditRecord.action, AuditRecord.summary).where(AuditRecord.action.like("coupon.%"))
    assert [tuple(row) for row in session.execute(query.order_by(AuditRecord.id))] == [
        ("coupon.created", "The coupon DIWALI26 was made: 10 % off"),
        ("coupon.redeemed", "Asha redeemed DIWALI26: 10 % off"),
        ("coupon.changed", "The coupon DIWALI26 was changed"),
    ]


def crowd(own: OwnDatabase, work: Callable[[int], object]) -> list[str]:
    """Run `work` fifty times at the same moment; return how each ended."""
    own.settings = replace(own.settings, database_pool_size=CROWD)
    start = Barrier(CROWD)
    with own.app() as app:

        def run(number: int) -> str:
            with app.app_context():
                start.wait()
                try:
                    with transaction():
                        work(number)
                except DomainError as refusal:
                    return refusal.fields[0].code
                return "done"

        with ThreadPoolExecutor(CROWD) as pool:
            return sorted(pool.map(run, range(CROWD)))


@pytest.mark.processes
def test_of_fifty_who_redeem_the_last_use_at_once_one_succeeds(own_database: OwnDatabase) -> None:
    ids: list[UUID] = []
    with own_database.app(), transaction():
        customer = make.make_customer()
        ids += [make.make_account(customer).id for _ in range(CROWD)]
        a_coupon(max_redemptions=2)
        redeem(make.make_account(customer))
    answers = crowd(own_database, lambda n: redeem(db.session.get_one(Account, ids[n])))
    assert answers == ["done"] + ["used_up"] * (CROWD - 1)
    with own_database.app():
        assert db.session.scalar(select(Coupon.redeemed)) == 2
        assert db.session.scalar(select(func.count()).select_from(CouponRedemption)) == 2


@pytest.mark.processes
def test_of_fifty_redemptions_by_one_account_at_once_one_succeeds(own_database: OwnDatabase) -> None:
    with own_database.app(), transaction():
        account_id = make.make_account().id
        a_coupon()
    answers = crowd(own_database, lambda _: redeem(db.session.get_one(Account, account_id)))
    assert answers == ["already_redeemed"] * (CROWD - 1) + ["done"]
    with own_database.app():
        assert db.session.scalar(select(Coupon.redeemed)) == 1
