"""What issuing refuses, what comes late, and what payments do."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.errors import Conflict, Invalid
from app.models import Account, AuditRecord, Invoice, Metric
from app.models.invoices import InvoiceStatus, LineKind
from app.services import invoices
from tests import factories as make
from tests.services.invoicing import (
    IN_DECEMBER,
    IN_NOVEMBER,
    NOVEMBER,
    OCTOBER,
    issue_for,
    priced,
    use,
)


@pytest.fixture
def metric(session: Session) -> Metric:
    make.make_seller()
    make.make_tax_rate("18")
    return make.make_metric(dimensions=[])


@pytest.fixture
def account(metric: Metric) -> Account:
    """An account that pays 1.00 for each of the first 100 messages and 0.50 for the others."""
    return priced(make.graduated(metric, ("100", "1"), (None, "0.50"))).account


def test_a_late_event_becomes_one_adjustment_on_the_next_invoice(
    session: Session, account: Account, metric: Metric
) -> None:
    use(account, metric, 98)
    october = issue_for(account)
    before = (json.dumps(october.snapshot, sort_keys=True), october.snapshot_sha256, october.total)
    use(account, metric, 4)
    use(account, metric, 10, at=IN_NOVEMBER)
    november = issue_for(account, NOVEMBER, at=IN_DECEMBER)
    late, usage = november.lines
    assert (late.kind, usage.kind) == (LineKind.adjustment, LineKind.usage)
    assert (late.quantity, late.amount) == (Decimal(4), Decimal(3))
    assert (usage.quantity, usage.amount) == (Decimal(10), Decimal(10))
    assert [row["amount"] for row in late.breakdown] == ["100", "1", "-98"]
    assert "late usage, 1 Oct 2026 to 31 Oct 2026" in late.description
    session.refresh(october)
    assert (json.dumps(october.snapshot, sort_keys=True), october.snapshot_sha256, october.total) == before


def test_usage_of_a_period_whose_invoice_had_none_of_it_is_late_too(
    session: Session, account: Account, metric: Metric
) -> None:
    other = make.make_metric()
    priced(make.per_unit(other, "2"), account=account)
    use(account, metric, 10)
    issue_for(account)
    use(account, other, 5)
    (line,) = issue_for(account, NOVEMBER, at=IN_DECEMBER).lines
    assert (line.kind, line.amount) == (LineKind.adjustment, Decimal(10))


def test_usage_of_months_that_nobody_billed_is_on_the_next_invoice_each_month_on_a_line(
    session: Session, account: Account, metric: Metric
) -> None:
    use(account, metric, 10)
    use(account, metric, 20, at=IN_NOVEMBER)
    invoice = issue_for(account, NOVEMBER, at=IN_DECEMBER)
    assert [(line.kind, line.quantity) for line in invoice.lines] == [
        (LineKind.usage, Decimal(10)),
        (LineKind.usage, Decimal(20)),
    ]


def test_issuing_again_changes_nothing(session: Session, account: Account, metric: Metric) -> None:
    use(account, metric, 10)
    invoice = issue_for(account)
    number = invoice.number
    assert invoices.issue(invoice, at=IN_DECEMBER, actor=make.ACTOR).number == number
    issued = select(func.count()).where(AuditRecord.action == "invoice.issued")
    assert session.scalar(issued) == 1


def test_a_draft_whose_usage_another_invoice_billed_is_not_issued(
    session: Session, account: Account, metric: Metric
) -> None:
    use(account, metric, 10)
    first, second = (
        invoices.draft_by_hand(account, OCTOBER, at=IN_NOVEMBER, actor=make.ACTOR) for _ in range(2)
    )
    invoices.issue(first, at=IN_NOVEMBER, actor=make.ACTOR)
    with pytest.raises(Conflict, match="another invoice has billed it since"):
        invoices.issue(second, at=IN_NOVEMBER, actor=make.ACTOR)
    session.expire_all()
    assert (second.status, second.number) == (InvoiceStatus.draft, None)


def test_a_draft_keeps_what_it_says_and_later_usage_is_billed_next_month(
    session: Session, account: Account, metric: Metric
) -> None:
    use(account, metric, 10)
    draft = invoices.draft_by_hand(account, OCTOBER, at=IN_NOVEMBER, actor=make.ACTOR)
    use(account, metric, 5)
    assert invoices.issue(draft, at=IN_NOVEMBER, actor=make.ACTOR).subtotal == Decimal(10)
    (line,) = issue_for(account, NOVEMBER, at=IN_DECEMBER).lines
    assert (line.kind, line.quantity, line.amount) == (LineKind.adjustment, Decimal(5), Decimal(5))


def test_a_total_ten_times_the_usual_is_parked_until_a_person_issues_it(
    session: Session, account: Account, metric: Metric
) -> None:
    use(account, metric, 2)
    issue_for(account)
    use(account, metric, 25, at=IN_NOVEMBER)
    invoice = issue_for(account, NOVEMBER, at=IN_DECEMBER)
    assert (invoice.status, invoice.number) == (InvoiceStatus.parked, None)
    assert invoice.parked_reason == "The total 30 INR is over 10 times the usual 2.00."
    issued = invoices.issue(invoice, at=IN_DECEMBER, actor=make.ACTOR)
    assert (issued.status, issued.number, issued.parked_reason) == (
        InvoiceStatus.issued,
        "OT29/26-27/00002",
        None,
    )


def test_usage_that_differs_from_what_was_rated_is_parked(
    session: Session, account: Account, metric: Metric
) -> None:
    use(account, metric, 10)
    session.execute(text("UPDATE charge_positions SET quantity = quantity + 1"))
    invoice = invoices.draft_for(account, OCTOBER, at=IN_NOVEMBER)
    assert invoice is not None
    assert invoice.status is InvoiceStatus.parked
    assert invoice.parked_reason == f"{metric.code}: 11 was rated, 10 was used."


def test_a_document_that_does_not_add_up_is_issued_by_nobody(
    session: Session, account: Account, metric: Metric
) -> None:
    use(account, metric, 10)
    draft = invoices.draft_by_hand(account, OCTOBER, at=IN_NOVEMBER, actor=make.ACTOR)
    draft.total += 1
    for _ in range(2):
        invoices.issue(draft, at=IN_NOVEMBER, actor=make.ACTOR)
        assert draft.status is InvoiceStatus.parked
    assert draft.parked_reason == "Subtotal, tax and round-off do not add up to the total."


@pytest.mark.parametrize(
    "change",
    ["UPDATE invoices SET total = 1", "DELETE FROM invoices", "UPDATE invoice_lines SET amount = 1"],
)
def test_the_database_refuses_to_change_an_issued_invoice(
    session: Session, account: Account, metric: Metric, change: str
) -> None:
    use(account, metric, 10)
    invoice = issue_for(account)
    with pytest.raises(IntegrityError, match="is issued and cannot change"), session.begin_nested():
        session.execute(text(change))
    session.refresh(invoice)
    assert invoice.total == Decimal(12)


def test_payments_lead_over_part_to_paid(session: Session, account: Account, metric: Metric) -> None:
    use(account, metric, 100)
    invoice = issue_for(account)
    invoices.record_payment(invoice, Decimal("18.0000"), at=IN_NOVEMBER, actor=make.ACTOR)
    assert (invoice.status, invoice.amount_due) == (InvoiceStatus.partially_paid, Decimal(100))
    invoices.record_payment(invoice, Decimal(100), at=IN_NOVEMBER, actor=make.ACTOR)
    assert (invoice.status, invoice.amount_due) == (InvoiceStatus.paid, Decimal(0))
    with pytest.raises(Conflict, match="The invoice is paid and waits for no payment"):
        invoices.record_payment(invoice, Decimal(1), at=IN_NOVEMBER, actor=make.ACTOR)


@pytest.mark.parametrize(("amount", "code"), [("0", "not_positive"), ("118.01", "too_large")])
def test_a_payment_of_nothing_or_of_more_than_is_due_is_refused(
    session: Session, account: Account, metric: Metric, amount: str, code: str
) -> None:
    use(account, metric, 100)
    invoice = issue_for(account)
    with pytest.raises(Invalid) as refused:
        invoices.record_payment(invoice, Decimal(amount), at=IN_NOVEMBER, actor=make.ACTOR)
    assert [(field.pointer, field.code) for field in refused.value.fields] == [("/amount", code)]
    assert (invoice.amount_paid, invoice.status) == (Decimal(0), InvoiceStatus.issued)


def test_an_invoice_is_overdue_from_the_day_after_it_was_due_in_india(
    session: Session, account: Account, metric: Metric
) -> None:
    use(account, metric, 100)
    invoice = issue_for(account)
    last = datetime(2026, 11, 16, 18, 29, tzinfo=UTC)
    assert invoices.mark_overdue(at=last, actor=make.ACTOR) == 0
    assert invoices.mark_overdue(at=last + timedelta(minutes=1), actor=make.ACTOR) == 1
    assert invoices.mark_overdue(at=last + timedelta(days=1), actor=make.ACTOR) == 0
    assert invoice.status is InvoiceStatus.overdue
    invoices.record_payment(invoice, Decimal(18), at=IN_DECEMBER, actor=make.ACTOR)
    assert invoice.status is InvoiceStatus.overdue
    invoices.record_payment(invoice, Decimal(100), at=IN_DECEMBER, actor=make.ACTOR)
    assert invoice.status is InvoiceStatus.paid


def test_usage_given_back_that_a_wallet_had_paid_is_parked(session: Session, metric: Metric) -> None:
    """The wallet has got the price back when the usage was taken back; its tax is for a person to judge."""
    account = make.make_account(prepaid=True)
    make.make_wallet("500", account=account)
    priced(make.per_unit(metric, "1"), account=account)
    use(account, metric, 100)
    issue_for(account)
    session.execute(text("UPDATE charge_positions SET quantity = 40, charged_amount = 40"))
    session.execute(text("UPDATE usage_rollups SET quantity = 40"))
    invoice = issue_for(account, NOVEMBER, at=IN_DECEMBER)
    assert (invoice.subtotal, invoice.status) == (Decimal(-60), InvoiceStatus.parked)
    assert invoice.parked_reason == "The total is negative: what is given back exceeds what is charged."
    assert session.scalar(select(func.count()).where(Invoice.number.is_not(None))) == 1
