"""What people do to an invoice before it is issued: change it, release it, throw it away (specification
6.3.3).

A draft is worked out anew from what is due whenever it is changed, so its figures are those of now. Nothing
is billed by a draft: thrown away, everything in it waits for the next one.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from sqlalchemy import update

from app.db import db, lock
from app.domain.errors import RuleBroken
from app.domain.invoicing import line_amount
from app.domain.money import plain
from app.domain.states import move
from app.errors import Conflict, Frozen
from app.models import BillingRunItem, Invoice, InvoiceLine
from app.models.billing_runs import ItemStatus
from app.models.invoices import InvoiceStatus, LineKind
from app.permissions import Actor
from app.services import audit, inputs
from app.services.charges import period_between
from app.services.drafting import Draft, assemble
from app.services.inputs import refusals
from app.services.issuing import issue, park
from app.services.price_book import PriceBook

UNNUMBERED = (InvoiceStatus.draft, InvoiceStatus.parked)
# GST began on this day.
FIRST_DAY, LAST_YEAR = date(2017, 7, 1), 9000
TAKEN_OVER = ("subtotal", "tax_total", "round_off", "total", "taxes", "kind", "registration_id")
ALSO = ("place_of_supply", "reverse_charge")


def change(invoice: Invoice, values: Mapping[str, Any], *, at: datetime, actor: Actor) -> Invoice:
    """Change a draft: `lines` (the lines of a person, all of them), `purchase_order` or `due_on` (a
    day; None: by the terms of the account). A parked one waits for a decision still where something is
    doubtful, else it is a draft again.

    Raises:
        Frozen: it is issued.
        Invalid: with the field that cannot be used; the draft is as before.
        Conflict: nothing would be left on it; no seller or tax rate.
    """
    invoice = _locked(invoice)
    with refusals():
        found = inputs.read({name: one for name, one in values.items() if name != "lines"}, READERS)
    before = _figures(invoice)
    for name, value in found.items():
        setattr(invoice, name, value)
    lines = values["lines"] if "lines" in values else manual_lines(invoice)
    draft = _assemble(invoice, lines, at)
    _take_over(invoice, draft)
    if draft.problems:
        park(invoice, draft.problems, at=at, actor=actor)
    elif invoice.status is InvoiceStatus.parked:
        invoice.status = InvoiceStatus(move("invoice", invoice.status, InvoiceStatus.draft))
        invoice.parked_reason = None
    db.session.flush()
    summary = f"The draft for {invoice.account.name} was changed"
    after = _figures(invoice)
    audit.record(actor, "invoice.changed", invoice, summary=summary, at=at, before=before, after=after)
    return invoice


def release(invoice: Invoice, *, reason: str, at: datetime, actor: Actor) -> Invoice:
    """Issue a parked invoice after a look at it, with the reason why it is right.

    Raises:
        Conflict: it is not parked, or it is wrong and not only doubtful; else as `issuing.issue` says.
        Invalid: no reason.
    """
    invoice = _locked(invoice)
    why = _reason(reason)
    if invoice.status is not InvoiceStatus.parked:
        raise Conflict("Only a parked invoice is released.")
    doubts = invoice.parked_reason
    issued = issue(invoice, at=at, actor=actor)
    if issued.number is None:
        raise Conflict(f"It cannot be issued: {issued.parked_reason}")
    after = {"reason": why, "parked_reason": doubts}
    summary = f"{issued.number} was released: {why}"
    audit.record(actor, "invoice.released", issued, summary=summary, at=at, after=after)
    return issued


def discard(invoice: Invoice, *, reason: str, at: datetime, actor: Actor) -> None:
    """Throw a draft away. Its usage and fees stay unbilled; the billing run that made it takes the account up
    again when it is resumed.

    Raises:
        Frozen: it is issued.
        Invalid: no reason.
    """
    invoice = _locked(invoice)
    why = _reason(reason)
    summary = f"A draft of {plain(invoice.total)} {invoice.currency} for {invoice.account.name} was discarded"
    before = {**_figures(invoice), "status": invoice.status, "parked_reason": invoice.parked_reason}
    after = {"reason": why}
    audit.record(actor, "invoice.discarded", invoice, summary=summary, at=at, before=before, after=after)
    item = update(BillingRunItem).where(BillingRunItem.invoice_id == invoice.id)
    db.session.execute(
        item.values(invoice_id=None, status=ItemStatus.failed, message=f"Its draft was discarded: {why}")
    )
    db.session.delete(invoice)
    db.session.flush()


def manual_lines(invoice: Invoice) -> list[dict[str, Any]]:
    """Return the lines of a draft that a person wrote, as `change` takes them."""
    return [_written(line, invoice.currency) for line in invoice.lines if line.kind is LineKind.manual]


def _written(line: InvoiceLine, currency: str) -> dict[str, Any]:
    assert line.unit_price is not None
    return {
        "description": line.description,
        "quantity": plain(line.quantity),
        "unit_price": plain(line.unit_price),
        "sac": line.sac,
        "tax_inclusive": line.amount != line_amount(line.quantity, line.unit_price, currency),
    }


def _assemble(invoice: Invoice, lines: Any, at: datetime) -> Draft:
    account = invoice.account
    # The old lines go first: numbers of lines are unique in an invoice.
    invoice.lines.clear()
    db.session.flush()
    draft = assemble(
        account,
        period_between(invoice.period_start, invoice.period_end, account.timezone),
        at=at,
        lines=lines,
        origin=invoice.origin,
        purchase_order=invoice.purchase_order,
        book=PriceBook(),
    )
    if draft is None:
        raise Conflict("Nothing would be left on the draft: discard it.")
    return draft


def _take_over(invoice: Invoice, draft: Draft) -> None:
    for name in (*TAKEN_OVER, *ALSO):
        setattr(invoice, name, getattr(draft.invoice, name))
    lines = list(draft.invoice.lines)
    # A line belongs to one invoice at a time.
    draft.invoice.lines.clear()
    invoice.lines = lines


def _figures(invoice: Invoice) -> dict[str, Any]:
    return {
        "total": plain(invoice.total),
        "lines": len(invoice.lines),
        "purchase_order": invoice.purchase_order,
        "due_on": invoice.due_on,
    }


def _locked(invoice: Invoice) -> Invoice:
    (locked,) = lock(Invoice, [invoice.id])
    if locked.status not in UNNUMBERED:
        raise Frozen(f"{locked} is issued and never changes: issue a credit note.")
    return locked


def _reason(reason: str) -> str:
    with refusals():
        found: str = inputs.text()(reason, "/reason")
    return found


def _day(value: Any, pointer: str) -> date:
    try:
        found = value if isinstance(value, date) else date.fromisoformat(value)
    except (TypeError, ValueError):
        raise RuleBroken(pointer, "not_a_date", "Write a day such as 2026-11-30.") from None
    if found.year > LAST_YEAR or found < FIRST_DAY:
        raise RuleBroken(pointer, "out_of_range", "The day cannot be used.")
    return found


READERS = {
    "purchase_order": inputs.optional(inputs.text(100)),
    "due_on": inputs.optional(_day),
}
