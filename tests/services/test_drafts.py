"""Drafts are changed, released and thrown away, and nothing of them is lost (specification 6.3.3)."""

from datetime import date
from decimal import Decimal

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.errors import Conflict, Frozen, Invalid
from app.models import Account, AuditRecord, BillingRunItem, Invoice
from app.models.invoices import InvoiceStatus
from app.services import billing, drafts, invoices, issuing
from tests import factories as make
from tests.services.invoicing import IN_NOVEMBER, OCTOBER, issue_for, priced, use

SETUP = {"description": "Set-up", "quantity": "2", "unit_price": "50"}


@pytest.fixture
def account(session: Session) -> Account:
    """An account that used 400 at 2.50 in October."""
    make.make_seller()
    make.make_tax_rate("18")
    metric = make.make_metric()
    account = make.make_account(make.make_customer(gstin=make.a_gstin("29")))
    priced(make.per_unit(metric, "2.50"), account=account)
    use(account, metric, 400)
    return account


@pytest.fixture
def draft(account: Account) -> Invoice:
    return invoices.draft_by_hand(account, OCTOBER, lines=[SETUP], at=IN_NOVEMBER, actor=make.ACTOR)


def change(draft: Invoice, **values: object) -> Invoice:
    return drafts.change(draft, values, at=IN_NOVEMBER, actor=make.ACTOR)


def test_lines_of_a_person_are_added_changed_and_removed(draft: Invoice) -> None:
    assert (draft.subtotal, draft.total) == (1100, 1298)
    more = [*drafts.manual_lines(draft), {"description": "Support", "quantity": "1", "unit_price": "100"}]
    change(draft, lines=more)
    assert [(line.n, line.kind, line.amount) for line in draft.lines] == [
        (1, "usage", 1000),
        (2, "manual", 100),
        (3, "manual", 100),
    ]
    assert draft.total == 1416
    change(draft, lines=[])
    assert (len(draft.lines), draft.total) == (1, 1180)


def test_a_line_with_its_tax_inside_stays_so_when_something_else_changes(draft: Invoice) -> None:
    change(draft, lines=[{**SETUP, "unit_price": "59", "tax_inclusive": True}])
    assert (draft.lines[1].amount, draft.total) == (100, 1298)
    change(draft, purchase_order="PO-7")
    assert (draft.lines[1].amount, draft.total, draft.purchase_order) == (100, 1298, "PO-7")


def test_the_due_day_and_the_purchase_order_are_the_invoices_own(draft: Invoice) -> None:
    change(draft, due_on="2026-11-30", purchase_order="PO-7")
    issued = issuing.issue(draft, at=IN_NOVEMBER, actor=make.ACTOR)
    assert (issued.due_on, issued.purchase_order) == (date(2026, 11, 30), "PO-7")
    assert issued.snapshot is not None
    assert issued.snapshot["due_on"] == "2026-11-30"
    assert "within 29 days" in issued.snapshot["notes"]


@pytest.mark.parametrize(
    ("values", "pointer"),
    [
        ({"due_on": "soon"}, "/due_on"),
        ({"purchase_order": "x" * 101}, "/purchase_order"),
        ({"colour": "red"}, "/colour"),
        ({"lines": [{**SETUP, "quantity": "0"}]}, "/lines/0/quantity"),
    ],
)
def test_what_cannot_be_used_is_refused_by_its_field(
    session: Session, draft: Invoice, values: dict[str, object], pointer: str
) -> None:
    with pytest.raises(Invalid) as refused, session.begin_nested():
        change(draft, **values)
    assert refused.value.fields[0].pointer == pointer
    session.expire_all()
    assert (draft.total, len(draft.lines), draft.due_on) == (1298, 2, None)


def test_an_issued_invoice_is_neither_changed_nor_discarded(draft: Invoice) -> None:
    issuing.issue(draft, at=IN_NOVEMBER, actor=make.ACTOR)
    with pytest.raises(Frozen, match="never changes"):
        change(draft, purchase_order="PO-7")
    with pytest.raises(Frozen):
        drafts.discard(draft, reason="Mistake", at=IN_NOVEMBER, actor=make.ACTOR)


def test_a_discarded_draft_leaves_everything_to_be_billed(
    session: Session, account: Account, draft: Invoice
) -> None:
    drafts.discard(draft, reason="Wrong month", at=IN_NOVEMBER, actor=make.ACTOR)
    assert session.scalar(select(func.count()).select_from(Invoice)) == 0
    told = session.scalars(select(AuditRecord).where(AuditRecord.action == "invoice.discarded")).one()
    assert told.after == {"reason": "Wrong month"}
    assert issue_for(account).subtotal == 1000


def test_a_parked_invoice_is_released_with_a_reason(session: Session, account: Account) -> None:
    parked = invoices.draft_for(account, OCTOBER, at=IN_NOVEMBER)
    assert parked is not None
    issuing.park(parked, ["The total is high."], at=IN_NOVEMBER, actor=make.ACTOR)
    with pytest.raises(Invalid):
        drafts.release(parked, reason=" ", at=IN_NOVEMBER, actor=make.ACTOR)
    released = drafts.release(parked, reason="A campaign", at=IN_NOVEMBER, actor=make.ACTOR)
    assert (released.status, released.number) == (InvoiceStatus.issued, "OT29/26-27/00001")
    told = session.scalars(select(AuditRecord).where(AuditRecord.action == "invoice.released")).one()
    assert told.after == {"reason": "A campaign", "parked_reason": "The total is high."}
    with pytest.raises(Frozen):
        drafts.release(released, reason="Again", at=IN_NOVEMBER, actor=make.ACTOR)


def test_a_run_takes_up_an_account_whose_parked_draft_was_discarded(
    session: Session, account: Account
) -> None:
    run = billing.prepare("2026-10", at=IN_NOVEMBER, actor=make.ACTOR)
    item = session.scalars(select(BillingRunItem).where(BillingRunItem.run_id == run.id)).one()
    parked = invoices.draft_for(account, OCTOBER, at=IN_NOVEMBER)
    assert parked is not None
    item.invoice_id, item.status = parked.id, "parked"
    session.flush()
    drafts.discard(parked, reason="Wrong price", at=IN_NOVEMBER, actor=make.ACTOR)
    session.refresh(item)
    assert (item.invoice_id, item.status) == (None, "failed")
    assert item.message == "Its draft was discarded: Wrong price"


def test_what_is_given_up_can_still_be_paid(session: Session, account: Account) -> None:
    invoice = issue_for(account)
    invoices.write_off(invoice, reason="Insolvent", at=IN_NOVEMBER, actor=make.ACTOR)
    assert (invoice.status, invoice.amount_due) == (InvoiceStatus.uncollectible, 1180)
    invoices.record_payment(invoice, Decimal(180), at=IN_NOVEMBER, actor=make.ACTOR)
    assert (invoice.status, invoice.amount_due) == (InvoiceStatus.partially_paid, 1000)
    invoices.record_payment(invoice, Decimal(1000), at=IN_NOVEMBER, actor=make.ACTOR)
    assert invoice.status is InvoiceStatus.paid
    with pytest.raises(Conflict, match="waits for no money"):
        invoices.write_off(invoice, reason="Again", at=IN_NOVEMBER, actor=make.ACTOR)
