"""Discounts and credits on invoices: before tax, by tax rate and service code, never below zero."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock
from app.errors import Conflict, DomainError
from app.models import Account, AccountCredit, AuditRecord, Discount, Invoice
from app.models.invoices import InvoiceStatus, LineKind
from app.services import commitments, discounts, invoices
from tests import factories as make
from tests.services import metered
from tests.services.invoicing import (
    IN_DECEMBER,
    IN_NOVEMBER,
    NOON,
    NOVEMBER,
    OCTOBER,
    issue_for,
    priced,
    taxes_of,
    use,
)

OCTOBER_1, NOVEMBER_1, DECEMBER_1 = date(2026, 10, 1), date(2026, 11, 1), date(2026, 12, 1)
USAGE, FIXED, MANUAL = LineKind.usage, LineKind.fixed, LineKind.manual
DISCOUNT, CREDIT, COMMITMENT = LineKind.discount, LineKind.credit, LineKind.commitment


@pytest.fixture(autouse=True)
def _in_october(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOON)
    make.make_seller()
    make.make_tax_rate("18")
    make.make_tax_rate("5", service_code="998413")


def grant(account: Account, **values: Any) -> Discount:
    given = {"name": "Launch offer", "start_on": OCTOBER_1, **values}
    return discounts.grant(account, given, actor=make.ACTOR)


def give(account: Account, amount: str) -> AccountCredit:
    return discounts.give_credit(account, amount, reason="Outage", at=NOON, actor=make.ACTOR)


def lines_of(invoice: Invoice) -> list[tuple[LineKind, str, Decimal]]:
    return [(line.kind, line.sac, line.amount) for line in invoice.lines]


def of_two_rates(first: str = "1000", second: str = "500") -> Account:
    """Return an account with a fee at 18 % and one at 5 %."""
    other = make.fee(second, code="hosting", name="Hosting", sac="998413")
    return priced(make.fee(first), other).account


def test_a_percentage_across_two_rates_reduces_each_before_its_tax(session: Session) -> None:
    """1,000 − 100 at 18 % is 162; 500 − 50 at 5 % is 22.50: 1,350 + 184.50 = 1,534.50, rounded to 1,535."""
    account = of_two_rates()
    grant(account, percent="10")
    invoice = issue_for(account)
    assert lines_of(invoice) == [
        (FIXED, "998319", Decimal(1000)),
        (FIXED, "998413", Decimal(500)),
        (DISCOUNT, "998413", Decimal(-50)),
        (DISCOUNT, "998319", Decimal(-100)),
    ]
    assert taxes_of(invoice) == [
        ("CGST", "2.5", Decimal("11.25")),
        ("CGST", "9", Decimal(81)),
        ("SGST", "2.5", Decimal("11.25")),
        ("SGST", "9", Decimal(81)),
    ]
    assert (invoice.subtotal, invoice.tax_total, invoice.round_off, invoice.total) == (
        Decimal(1350),
        Decimal("184.50"),
        Decimal("0.50"),
        Decimal(1535),
    )
    (row,) = invoice.lines[3].breakdown
    assert row == {
        "kind": "percent_off",
        "tier": 0,
        "quantity": "1000",
        "unit": "-0.1",
        "flat": "0",
        "amount": "-100",
    }
    assert invoice.lines[3].description == "Launch offer, 10 % off"


def test_an_amount_is_split_by_what_each_rate_has_and_the_last_takes_the_remainder(session: Session) -> None:
    """100 of 1,500: 5 % has 500, so 33.33; 18 % has 1,000, so the other 66.67."""
    account = of_two_rates()
    granted = grant(account, amount="100")
    invoice = issue_for(account)
    assert lines_of(invoice)[2:] == [
        (DISCOUNT, "998413", Decimal("-33.33")),
        (DISCOUNT, "998319", Decimal("-66.67")),
    ]
    assert {line.source_id for line in invoice.lines[2:]} == {granted.id}
    assert invoice.lines[2].description == "Launch offer, 100 INR off"


def test_an_amount_is_given_once_in_a_period(session: Session) -> None:
    """Of 300, 100 came off a first invoice of 100; a second one of the period gets what is left of it."""
    metric = make.make_metric()
    account = priced(make.per_unit(metric, "1")).account
    grant(account, amount="300")
    use(account, metric, 100)
    assert issue_for(account).subtotal == Decimal(0)
    use(account, metric, 250)
    second = invoices.draft_by_hand(account, OCTOBER, at=IN_NOVEMBER, actor=make.ACTOR)
    third = invoices.draft_by_hand(account, OCTOBER, at=IN_NOVEMBER, actor=make.ACTOR)
    assert second.subtotal == Decimal(50)
    invoices.issue(second, at=IN_NOVEMBER, actor=make.ACTOR)
    with pytest.raises(Conflict, match="since"):
        invoices.issue(third, at=IN_NOVEMBER, actor=make.ACTOR)
    use(account, metric, 400, at=IN_NOVEMBER)
    assert issue_for(account, NOVEMBER, at=IN_DECEMBER).subtotal == Decimal(100)


def test_a_discount_holds_from_its_first_day_until_before_its_end(session: Session) -> None:
    account = priced(make.fee("1000")).account
    grant(account, percent="10", start_on=NOVEMBER_1, end_on=DECEMBER_1)
    assert issue_for(account).subtotal == Decimal(1000)
    assert issue_for(account, NOVEMBER, at=IN_DECEMBER).subtotal == Decimal(900)


def test_a_discount_of_a_subscription_leaves_the_others_alone(session: Session) -> None:
    first = priced(make.fee("1000"))
    priced(make.fee("200"), account=first.account)
    grant(first.account, percent="50", subscription_id=str(first.id))
    assert issue_for(first.account).subtotal == Decimal(700)


def test_two_discounts_each_see_what_the_one_before_has_left(session: Session) -> None:
    """1,000 − 10 % = 900; − 200 = 700; − 50 % = 350."""
    account = priced(make.fee("1000")).account
    for values in ({"percent": "10"}, {"amount": "200"}, {"percent": "50"}):
        grant(account, **values)
    amounts = [line.amount for line in issue_for(account).lines]
    assert amounts == [Decimal(1000), Decimal(-100), Decimal(-200), Decimal(-350)]


def test_a_true_up_and_a_persons_line_are_not_discounted(session: Session) -> None:
    """The commitment of 1,500 looks at the 1,000 charged, not at what the discount leaves."""
    subscription = priced(make.fee("1000"))
    commitments.agree(subscription, "1500", start_on=OCTOBER_1, actor=make.ACTOR)
    grant(subscription.account, percent="10")
    rows = [{"description": "Set-up", "quantity": "1", "unit_price": "70"}]
    invoice = invoices.draft_for(subscription.account, OCTOBER, at=IN_NOVEMBER, lines=rows)
    assert invoice is not None
    assert [(line.kind, line.amount) for line in invoice.lines] == [
        (FIXED, Decimal(1000)),
        (MANUAL, Decimal(70)),
        (COMMITMENT, Decimal(500)),
        (DISCOUNT, Decimal(-100)),
    ]


def test_late_usage_of_a_discounted_period_is_discounted_and_what_is_given_back_too(session: Session) -> None:
    metric = make.make_metric()
    account = priced(make.per_unit(metric, "1")).account
    grant(account, percent="10", end_on=NOVEMBER_1)
    use(account, metric, 100)
    assert issue_for(account).subtotal == Decimal(90)
    use(account, metric, 50)
    use(account, metric, 20, at=IN_NOVEMBER)
    november = issue_for(account, NOVEMBER, at=IN_DECEMBER)
    assert [line.amount for line in november.lines] == [Decimal(50), Decimal(20), Decimal(-5)]


def test_a_credit_larger_than_the_invoice_is_carried_over(session: Session) -> None:
    """Of 1,300, October takes 1,000 and November the last 300: 700 + 18 % = 826."""
    account = priced(make.fee("1000")).account
    credit = give(account, "1300")
    october = issue_for(account)
    assert [(line.kind, line.amount) for line in october.lines] == [
        (FIXED, Decimal(1000)),
        (CREDIT, Decimal(-1000)),
    ]
    assert (october.total, october.tax_total, october.status) == (
        Decimal(0),
        Decimal(0),
        InvoiceStatus.paid,
    )
    session.refresh(credit)
    assert credit.remaining == Decimal(300)
    november = issue_for(account, NOVEMBER, at=IN_DECEMBER)
    assert november.lines[1].amount == Decimal(-300)
    assert november.total == Decimal(826)
    session.refresh(credit)
    assert credit.remaining == Decimal(0)


def test_a_draft_leaves_a_credit_untouched_and_two_drafts_cannot_use_it_twice(session: Session) -> None:
    account = make.make_account()
    credit = give(account, "600")
    rows = [{"description": "Set-up", "quantity": "1", "unit_price": "600"}]
    first, second = (
        invoices.draft_by_hand(account, OCTOBER, lines=rows, at=IN_NOVEMBER, actor=make.ACTOR)
        for _ in range(2)
    )
    session.refresh(credit)
    assert (first.total, second.total, credit.remaining) == (Decimal(0), Decimal(0), Decimal(600))
    invoices.issue(first, at=IN_NOVEMBER, actor=make.ACTOR)
    with pytest.raises(Conflict, match="used by another invoice"):
        invoices.issue(second, at=IN_NOVEMBER, actor=make.ACTOR)
    session.refresh(credit)
    assert credit.remaining == Decimal(0)


def test_usage_that_a_wallet_paid_is_not_discounted(session: Session) -> None:
    """100 went from the wallet and 18 of tax are asked for; the fee of 50 becomes 45 and 8.10 of tax."""
    metric = make.make_metric()
    subscription, _ = metered.subscribe_prepaid(make.per_unit(metric, "1"), make.fee("50"), balance="500")
    account = subscription.account
    grant(account, percent="10")
    metered.add_events(account, metric, [100])
    metered.meter()
    session.expire_all()
    invoice = issue_for(account)
    assert sorted((line.kind, line.amount) for line in invoice.lines) == [
        (DISCOUNT, Decimal(-5)),
        (FIXED, Decimal(50)),
        (USAGE, Decimal(100)),
    ]
    assert (invoice.paid_from_wallet, invoice.tax_total) == (Decimal(100), Decimal("26.10"))
    assert invoice.amount_due == Decimal("71.10")


@pytest.mark.parametrize(
    ("values", "pointer", "code"),
    [
        ({}, "/percent", "one_of"),
        ({"percent": "10", "amount": "5"}, "/percent", "one_of"),
        ({"percent": "0"}, "/percent", "out_of_range"),
        ({"percent": "100.5"}, "/percent", "out_of_range"),
        ({"percent": "ten"}, "/percent", "not_a_number"),
        ({"amount": "-5"}, "/amount", "not_positive"),
        ({"amount": "0.001"}, "/amount", "too_many_decimals"),
        ({"percent": "10", "end_on": "2026-10-01"}, "/end_on", "not_after_start"),
        ({"percent": "10", "name": ""}, "/name", "required"),
        ({"percent": "10", "colour": "red"}, "/colour", "unknown_field"),
        ({"percent": "10", "subscription_id": "x"}, "/subscription_id", "not_an_id"),
    ],
)
def test_a_discount_that_cannot_be_is_refused_with_the_field(
    session: Session, values: dict[str, Any], pointer: str, code: str
) -> None:
    account = make.make_account()
    with pytest.raises(DomainError) as caught:
        grant(account, **values)
    assert [(field.pointer, field.code) for field in caught.value.fields] == [(pointer, code)]
    assert list(session.scalars(select(Discount))) == []


def test_a_discount_for_somebody_elses_subscription_is_refused(session: Session) -> None:
    other = priced(make.fee("1"))
    with pytest.raises(DomainError, match="no such subscription"):
        grant(make.make_account(), percent="10", subscription_id=str(other.id))


def test_a_withdrawn_credit_reduces_nothing(session: Session) -> None:
    account = priced(make.fee("1000")).account
    credit = give(account, "300")
    discounts.withdraw_credit(credit, reason="By mistake", at=NOON, actor=make.ACTOR)
    assert (credit.remaining, credit.withdrawn) == (Decimal(0), Decimal(300))
    with pytest.raises(Conflict, match="Nothing is left"):
        discounts.withdraw_credit(credit, reason="Again", at=NOON, actor=make.ACTOR)
    assert issue_for(account).subtotal == Decimal(1000)


def test_discounts_and_credits_are_in_the_audit_trail(session: Session) -> None:
    account = make.make_account()
    granted = grant(account, percent="10")
    discounts.end(granted, on=NOVEMBER_1, actor=make.ACTOR)
    credit = give(account, "5")
    discounts.withdraw_credit(credit, reason="By mistake", at=NOON, actor=make.ACTOR)
    query = select(AuditRecord.action).where(AuditRecord.resource_type.in_(("Discount", "AccountCredit")))
    assert list(session.scalars(query.order_by(AuditRecord.id))) == [
        "discount.granted",
        "discount.ended",
        "credit.given",
        "credit.withdrawn",
    ]


def test_the_snapshot_keeps_the_kinds_of_lines(session: Session) -> None:
    account = priced(make.fee("1000")).account
    grant(account, percent="10")
    give(account, "100")
    snapshot = issue_for(account).snapshot
    assert snapshot is not None
    assert [(line["kind"], line["amount"], line["description"]) for line in snapshot["lines"]] == [
        ("fixed", "1000.00", "Platform fee, 1 Oct 2026 to 31 Oct 2026"),
        ("discount", "-100.00", "Launch offer, 10 % off"),
        ("credit", "-100.00", "Credit: Outage"),
    ]
