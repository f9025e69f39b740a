"""Credit notes: in part and whole, never above the invoice, which itself never changes by a byte."""

from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.domain.invoicing import canonical_json
from app.errors import Conflict, Invalid
from app.models import Account, AuditRecord, Invoice, Metric, Wallet
from app.models.invoices import InvoiceKind, InvoiceStatus
from app.services import credit_notes, invoices, verify
from app.services.credit_notes import RefundTo
from tests import factories as make
from tests.services.invoicing import IN_DECEMBER, IN_NOVEMBER, NOVEMBER, issue_for, priced, taxes_of, use
from tests.services.tampering import red

CHECKS = ("invoices", "snapshots", "numbers", "invoiced", "credit_notes", "amounts_due", "journals")


@pytest.fixture(autouse=True)
def _seller(session: Session) -> None:
    make.make_seller()
    make.make_tax_rate("18")


def billed(quantity: int = 400, unit: str = "2.50", state: str = "29") -> tuple[Invoice, Account, Metric]:
    """Return the issued invoice of a new customer, with its account and metric: 1,180.00 by default."""
    metric = make.make_metric()
    account = make.make_account(make.make_customer(gstin=make.a_gstin(state)))
    priced(make.per_unit(metric, unit), account=account)
    use(account, metric, quantity)
    return issue_for(account), account, metric


def credit(invoice: Invoice, *, at: datetime = IN_NOVEMBER, **values: object) -> Invoice:
    return credit_notes.issue(invoice, reason="Outage", at=at, actor=make.ACTOR, **values)  # type: ignore[arg-type]


def green() -> None:
    assert red(verify.run(CHECKS, at=IN_DECEMBER)) == {}


def test_a_part_of_a_line_bears_its_taxes_and_lowers_what_is_due() -> None:
    """CGST Rule 53(1A): own series, number and date of the invoice, value, rates and taxes."""
    invoice, *_ = billed()
    note = credit(invoice, lines=[{"n": 1, "quantity": "100"}])
    assert (note.kind, note.number, note.status) == (
        InvoiceKind.credit_note,
        "OT29C/26-27/0001",
        InvoiceStatus.issued,
    )
    assert (note.subtotal, note.tax_total, note.total) == (250, 45, 295)
    assert taxes_of(note) == [("CGST", "9", Decimal("22.50")), ("SGST", "9", Decimal("22.50"))]
    assert (invoice.amount_due, invoice.amount_credited, invoice.status) == (885, 295, InvoiceStatus.issued)
    assert note.snapshot is not None
    assert note.snapshot["original"] == {"number": invoice.number, "issued_on": "2026-11-01"}
    assert (note.snapshot["reason"], note.snapshot["title"]) == ("Outage", "Credit Note")
    assert note.snapshot["buyer"] == invoice.snapshot["buyer"]  # type: ignore[index]
    green()


def test_the_invoice_does_not_change_by_a_byte() -> None:
    invoice, *_ = billed()
    before = canonical_json(invoice.snapshot)
    credit(invoice, amount="100")
    credit_notes.void(invoice, reason="Wrong customer", at=IN_NOVEMBER, actor=make.ACTOR)
    assert canonical_json(invoice.snapshot) == before
    assert sha256(before).digest() == invoice.snapshot_sha256


def test_parts_add_up_to_the_invoice_with_its_round_off_and_the_last_takes_the_rest() -> None:
    """333 at 1.37 is 456.21, tax 41.06 twice, round-off −0.33: 538 in all (CGST Act s.170)."""
    invoice, *_ = billed(333, "1.37")
    assert (invoice.round_off, invoice.total) == (Decimal("-0.33"), 538)
    notes = [credit(invoice, amount=amount) for amount in ("100", "333.33", "104.67")]
    assert sum(note.total for note in notes) == 538
    assert sum(note.subtotal for note in notes) == invoice.subtotal
    assert sum(note.round_off for note in notes) == invoice.round_off
    assert [note.round_off for note in notes] == [0, 0, Decimal("-0.33")]
    assert (invoice.status, invoice.amount_due) == (InvoiceStatus.cancelled, 0)
    with pytest.raises(Conflict, match="Nothing is left to be credited"):
        credit(invoice, amount="0.01")
    green()


@pytest.mark.parametrize(
    ("values", "pointer"),
    [
        ({"amount": "1180.01"}, "/amount"),
        ({"amount": "0"}, "/amount"),
        ({"amount": "-5"}, "/amount"),
        ({"amount": "1.001"}, "/amount"),
        ({"amount": str(2**63)}, "/amount"),
        ({"lines": []}, "/lines"),
        ({"lines": [{"n": 2, "amount": "1"}]}, "/lines/0"),
        ({"lines": [{"n": 1, "amount": "1000.01"}]}, "/lines/0/amount"),
        ({"lines": [{"n": 1, "quantity": "401"}]}, "/lines/0/quantity"),
        ({"lines": [{"n": 1}]}, "/lines/0"),
        ({"lines": [{"n": 1, "amount": "1"}, {"n": 1, "amount": "1"}]}, "/lines/1"),
        ({}, "/amount"),
    ],
)
def test_what_cannot_be_credited_is_refused_and_writes_nothing(
    session: Session, values: dict[str, object], pointer: str
) -> None:
    invoice, *_ = billed()
    with pytest.raises(Invalid) as refused:
        credit(invoice, **values)
    assert refused.value.fields[0].pointer == pointer
    assert session.scalar(select(func.count()).where(Invoice.kind == InvoiceKind.credit_note)) == 0
    assert (invoice.amount_credited, invoice.status) == (0, InvoiceStatus.issued)


def test_after_30_november_of_the_next_year_a_note_takes_back_no_tax() -> None:
    """CGST Act s.34(2): of a supply in 2026-27 tax goes back until 30 November 2027, in India's time."""
    invoice, *_ = billed()
    last_minute = datetime(2027, 11, 30, 18, 29, tzinfo=UTC)
    first_after = datetime(2027, 11, 30, 18, 30, tzinfo=UTC)
    assert credit(invoice, amount="118", at=last_minute).tax_total == 18
    late = credit(invoice, amount="118", at=first_after)
    assert (late.subtotal, late.tax_total, late.total, late.taxes) == (118, 0, 118, [])
    assert late.snapshot is not None
    assert late.snapshot["commercial"] is True
    assert "without tax" in late.snapshot["notes"]
    with pytest.raises(Conflict, match="can no longer be taken back"):
        credit_notes.void(invoice, reason="Late", at=first_after, actor=make.ACTOR)
    rest = credit(invoice, amount="782", at=first_after)
    assert (rest.total, invoice.amount_due, credit_notes.left_of(invoice, first_after)) == (782, 162, 0)
    green()


def test_a_void_credits_all_that_is_left_and_leaves_its_charges_billed() -> None:
    invoice, account, _ = billed()
    credit(invoice, amount="118")
    note = credit_notes.void(invoice, reason="Goodwill", at=IN_NOVEMBER, actor=make.ACTOR)
    assert (note.total, invoice.status, invoice.rebilled) == (1062, InvoiceStatus.cancelled, False)
    assert invoices.draft_for(account, NOVEMBER, at=IN_DECEMBER) is None
    green()


def test_a_void_with_rebill_gives_everything_back_to_the_next_invoice(session: Session) -> None:
    metric = make.make_metric()
    account = make.make_account(make.make_customer(gstin=make.a_gstin("29")))
    subscription = priced(make.per_unit(metric, "2.50"), make.fee("999"), account=account)
    make.make_contract(account, subscription, 1)
    use(account, metric, 400)
    invoice = issue_for(account)
    credit_notes.void(invoice, reason="Wrong price", rebill=True, at=IN_NOVEMBER, actor=make.ACTOR)
    assert invoice.rebilled
    again = issue_for(account)
    assert (again.subtotal, again.total) == (invoice.subtotal, invoice.total)
    assert again.number == "OT29/26-27/00002"
    assert [(line.kind, line.amount) for line in again.lines] == [
        (line.kind, line.amount) for line in invoice.lines
    ]
    assert red(verify.run(at=IN_NOVEMBER)) == {}


def test_usage_that_comes_late_is_one_line_of_the_exact_difference_and_nothing_issued_changes() -> None:
    """Asked for is price(new total) − price(old total), on the next invoice."""
    metric = make.make_metric()
    account = make.make_account(make.make_customer(gstin=make.a_gstin("29")))
    priced(make.graduated(metric, ("100", "1"), (None, "0.33")), account=account)
    use(account, metric, 250)
    october = issue_for(account)
    before = (canonical_json(october.snapshot), october.status, october.total)
    use(account, metric, 7)
    november = issue_for(account, NOVEMBER, at=IN_DECEMBER)
    (line,) = november.lines
    assert (line.kind, line.quantity, line.amount) == ("adjustment", 7, Decimal("2.31"))
    assert (canonical_json(october.snapshot), october.status, october.total) == before
    green()


def test_what_was_paid_too_much_goes_into_the_wallet(session: Session) -> None:
    metric = make.make_metric()
    account = make.make_account(make.make_customer(gstin=make.a_gstin("29")), prepaid=True)
    wallet = make.make_wallet("60", account=account)
    priced(make.per_unit(metric, "1"), account=account)
    use(account, metric, 100)
    invoice = issue_for(account)
    invoices.record_payment(invoice, Decimal(58), at=IN_NOVEMBER, actor=make.ACTOR)
    assert invoice.status is InvoiceStatus.paid
    credit_notes.void(invoice, reason="Outage", refund_to=RefundTo.wallet, at=IN_NOVEMBER, actor=make.ACTOR)
    assert (session.get_one(Wallet, wallet.id).balance, invoice.amount_paid) == (118, 0)
    assert (invoice.status, invoice.overpaid) == (InvoiceStatus.cancelled, 0)
    assert red(verify.run(at=IN_NOVEMBER)) == {}


def test_a_credit_note_takes_off_what_a_wallet_owes_on_the_invoice(session: Session) -> None:
    metric = make.make_metric()
    account = make.make_account(make.make_customer(gstin=make.a_gstin("29")), prepaid=True)
    wallet = make.make_wallet("60", account=account)
    priced(make.per_unit(metric, "1"), account=account)
    use(account, metric, 100)
    invoice = issue_for(account)
    credit(invoice, amount="20")
    assert red(verify.run(at=IN_NOVEMBER)) == {}
    credit_notes.void(invoice, reason="All of it", at=IN_NOVEMBER, actor=make.ACTOR)
    assert (invoice.overpaid, session.get_one(Wallet, wallet.id).receivable) == (60, 0)
    assert red(verify.run(at=IN_NOVEMBER)) == {}


def test_a_rebilled_prepaid_invoice_is_owed_by_the_wallet_again(session: Session) -> None:
    metric = make.make_metric()
    account = make.make_account(make.make_customer(gstin=make.a_gstin("29")), prepaid=True)
    wallet = make.make_wallet("60", account=account)
    priced(make.per_unit(metric, "1"), account=account)
    use(account, metric, 100)
    invoice = issue_for(account)
    credit_notes.void(invoice, reason="Again", rebill=True, at=IN_NOVEMBER, actor=make.ACTOR)
    assert session.get_one(Wallet, wallet.id).receivable == 40
    again = issue_for(account)
    assert (again.total, again.paid_from_wallet, again.amount_due) == (118, 60, 58)
    assert red(verify.run(at=IN_NOVEMBER)) == {}


def test_money_for_a_wallet_that_is_not_there_is_refused(session: Session) -> None:
    invoice, *_ = billed()
    invoices.record_payment(invoice, Decimal(1180), at=IN_NOVEMBER, actor=make.ACTOR)
    with pytest.raises(Conflict, match="has no wallet"), session.begin_nested():
        credit(invoice, amount="118", refund_to=RefundTo.wallet)
    session.expire_all()
    assert (invoice.amount_credited, invoice.status) == (0, InvoiceStatus.paid)
    credit(invoice, amount="118")
    assert (invoice.overpaid, invoice.amount_due, invoice.status) == (118, 0, InvoiceStatus.paid)


def test_drafts_and_credit_notes_are_not_credited() -> None:
    invoice, account, metric = billed()
    note = credit(invoice, amount="118")
    with pytest.raises(Conflict, match="not credited itself"):
        credit(note, amount="1")
    use(account, metric, 1)
    draft = invoices.draft_for(account, NOVEMBER, at=IN_DECEMBER)
    assert draft is not None
    with pytest.raises(Conflict, match="A draft is changed or discarded"):
        credit(draft, amount="1")


def test_what_was_credited_is_in_the_audit_trail(session: Session) -> None:
    invoice, *_ = billed()
    note = credit(invoice, amount="118")
    query = select(AuditRecord).where(AuditRecord.action == "credit_note.issued")
    told = session.scalars(query).one()
    assert (told.resource_id, told.after["reason"]) == (str(note.id), "Outage")
    assert told.summary == f"{note.number} credits 118 INR of {invoice.number}: Outage"
