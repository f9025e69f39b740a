"""Asking for money that is late (docs/api/credit-notes.md): reminders by a schedule, each once per invoice,
until it is paid.

The schedule is the setting DUNNING_DAYS: days after the due day, in India's time. Of steps that were missed
only the latest is made up for. Where a way to pay was saved it is charged from the due day on. After the last
step an invoice is proposed for writing off, and with DUNNING_SUSPENDS its account is suspended.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import joinedload

from app.config import current_settings
from app.db import db, lock
from app.domain.dunning import next_step, step_on
from app.domain.invoicing import day
from app.domain.numbering import ist_date
from app.errors import Conflict, DomainError
from app.ids import new_id
from app.models import Account, Customer, DunningNotice, DunningPause, Invoice, Notification
from app.models.customers import AccountStatus
from app.models.invoices import InvoiceKind, InvoiceStatus
from app.permissions import Actor
from app.sentences import Amount, Argument, Sentence, sentence
from app.services import accounts, audit, inputs, intents, notifications, payment_methods
from app.services.inputs import refusals

SYSTEM = Actor.system("dunning")
LATE = (InvoiceStatus.issued, InvoiceStatus.partially_paid, InvoiceStatus.overdue)
BATCH = 500


@dataclass(frozen=True, slots=True)
class Standing:
    """How far the reminders of an invoice have come: the last step sent, the next and its day (None: the
    schedule is over, or the customer is left in peace), and the days it is late."""

    invoice: Invoice
    step: int | None
    next_on: date | None
    days_late: int
    over: bool


def schedule() -> list[int]:
    """Return the steps of the settings in order."""
    return sorted({int(each) for each in current_settings().dunning_days})


def due(*, at: datetime) -> list[UUID]:
    """Return the invoices of which a reminder is to be sent now, the longest late first."""
    today, steps = ist_date(at), schedule()
    sent = select(func.max(DunningNotice.step)).where(DunningNotice.invoice_id == Invoice.id)
    query = _waiting(Invoice.id, Invoice.due_on, sent.scalar_subquery()).where(
        Invoice.due_on <= today - timedelta(days=steps[0]), ~_paused(today)
    )
    found = []
    for invoice_id, due_on, last in db.session.execute(query.order_by(Invoice.due_on)):
        step = step_on(steps, due_on, today)
        if step is not None and (last is None or step > last):
            found.append(invoice_id)
    return found


def take_step(invoice_id: UUID, *, at: datetime) -> UUID | None:
    """Send the reminder that is due of an invoice, once; return the payment of a saved way to pay that its
    gateway is to hear of after the commit, if one was begun.

    Doing it twice is one step: the second finds that nothing is due.
    """
    (invoice,) = lock(Invoice, [invoice_id])
    steps, today = schedule(), ist_date(at)
    if not invoice.amount_due or invoice.status not in LATE or invoice.due_on is None:
        return None
    step = step_on(steps, invoice.due_on, today)
    last = db.session.scalar(
        select(func.max(DunningNotice.step)).where(DunningNotice.invoice_id == invoice.id)
    )
    if step is None or (last is not None and step <= last):
        return None
    notice = _send(invoice, step, step == steps[-1], at=at, actor=SYSTEM)
    if notice.last and current_settings().dunning_suspends:
        _suspend(invoice.account, invoice, at)
    if step >= 0:
        notice.payment_id = _charge(invoice, step)
    return notice.payment_id


def remind(invoice: Invoice, *, at: datetime, actor: Actor) -> DunningNotice:
    """Send a reminder of an invoice now, beside the schedule.

    Raises:
        Conflict: the invoice waits for no money.
    """
    (invoice,) = lock(Invoice, [invoice.id])
    if not invoice.amount_due or invoice.status not in (*LATE, InvoiceStatus.uncollectible):
        raise Conflict(f"The invoice is {invoice.status} and waits for no money.")
    return _send(invoice, None, False, at=at, actor=actor)


def pause(customer: Customer, *, until: date, reason: str, at: datetime, actor: Actor) -> DunningPause:
    """Send a customer no reminders by the schedule until the end of a day.

    Raises:
        Invalid: the day is not in the future; no reason.
    """
    with refusals():
        why = inputs.text()(reason, "/reason")
    if until < ist_date(at):
        raise Conflict.at("/until", "Choose today or a later day.", code="too_small")
    values = {"customer_id": customer.id, "until": until, "reason": why, "paused_by": actor.label}
    row = insert(DunningPause).values(id=new_id(), **values)
    made = row.on_conflict_do_update(index_elements=["customer_id"], set_={**values, "updated_at": at})
    found: DunningPause = db.session.scalars(
        made.returning(DunningPause), execution_options={"populate_existing": True}
    ).one()
    summary = f"{customer.name} gets no reminders until {day(until)}: {why}"
    audit.record(actor, "dunning.paused", found, summary=summary, at=at, after=values)
    return found


def resume(row: DunningPause, *, at: datetime, actor: Actor) -> None:
    """Let a customer get reminders again."""
    summary = f"{row.customer.name} gets reminders again"
    audit.record(actor, "dunning.resumed", row, summary=summary, at=at, before={"until": row.until})
    db.session.delete(row)
    db.session.flush()


def standing(*, at: datetime, limit: int = 100) -> list[Standing]:
    """Return the invoices that are late, the longest first, with how far their reminders have come."""
    today, steps = ist_date(at), schedule()
    sent = select(func.max(DunningNotice.step)).where(DunningNotice.invoice_id == Invoice.id)
    query = _waiting(Invoice, sent.scalar_subquery(), _paused(today)).where(Invoice.due_on < today)
    loaded = query.options(joinedload(Invoice.customer), joinedload(Invoice.account))
    found = []
    for invoice, last, paused in db.session.execute(loaded.order_by(Invoice.due_on, Invoice.id).limit(limit)):
        step = None if paused else next_step(steps, last, invoice.due_on, today)
        next_on = None if step is None else max(today, invoice.due_on + timedelta(days=step))
        late = (today - invoice.due_on).days
        found.append(Standing(invoice, last, next_on, late, last == steps[-1]))
    return found


def _send(invoice: Invoice, step: int | None, last: bool, *, at: datetime, actor: Actor) -> DunningNotice:
    told = _tell(invoice, last, at)
    notice = DunningNotice(
        invoice=invoice, step=step, last=last, notification=told, sent_by=actor.label, created_at=at
    )
    db.session.add(notice)
    summary = f"{invoice.customer.name} was reminded of {invoice}"
    after = {"step": step, "amount_due": invoice.amount_due, "notification_id": told.id}
    audit.record(actor, "invoice.reminded", invoice, summary=summary, at=at, after=after)
    return notice


def _tell(invoice: Invoice, last: bool, at: datetime) -> Notification:
    assert invoice.due_on is not None
    late = (ist_date(at) - invoice.due_on).days
    home = current_settings().public_url.rstrip("/")
    title, text = _words(invoice, late > 0, last)
    return notifications.notify(
        invoice.customer,
        "payment_reminder",
        title=title,
        text=text,
        about=invoice,
        at=at,
        tone="alert" if last else "warning" if late > 0 else "action",
        facts=[
            (sentence("Invoice"), invoice.number or ""),
            (sentence("To be paid"), Amount(invoice.amount_due, invoice.currency)),
            (sentence("The invoice as PDF"), f"{home}/portal/invoices/{invoice.id}/pdf"),
        ],
        url=f"{home}/portal/invoices/{invoice.id}",
    )


def _words(invoice: Invoice, late: bool, last: bool) -> tuple[Sentence, Sentence]:
    """Return title and text of a reminder."""
    assert invoice.due_on is not None
    number, on = invoice.number or "", invoice.due_on
    of: dict[str, Argument] = {
        "amount": Amount(invoice.amount_due, invoice.currency),
        "number": number,
        "day": on,
    }
    if late:
        title = sentence("Invoice %(number)s was due on %(day)s", number=number, day=on)
        due = sentence("%(amount)s of invoice %(number)s was due on %(day)s.", **of)
    else:
        title = sentence("Invoice %(number)s is due on %(day)s", number=number, day=on)
        due = sentence("%(amount)s of invoice %(number)s is due on %(day)s.", **of)
    if last:
        return title, sentence(
            "%(due)s This is our last reminder; please pay now or tell us what is wrong.", due=due
        )
    return title, sentence(
        "%(due)s If you have paid in the last days, thank you: nothing is left to do.", due=due
    )


def _charge(invoice: Invoice, step: int) -> UUID | None:
    """Begin a payment by the way to pay that the account saved, if any; one under way is left alone."""
    method = payment_methods.latest(invoice.account_id)
    if method is None:
        return None
    try:
        with db.session.begin_nested():
            return intents.begin_invoice_payment(
                invoice.id,
                None,
                gateway=method.gateway,
                actor=SYSTEM,
                key=f"dunning:{invoice.id}:{step}",
                method=method,
            )
    except DomainError:
        return None


def _suspend(account: Account, invoice: Invoice, at: datetime) -> None:
    if account.status is AccountStatus.active:
        accounts.update(account, {"status": AccountStatus.suspended}, actor=SYSTEM)
        summary = f"Account {account.name} was suspended: {invoice} was not paid after the last reminder"
        audit.record(SYSTEM, "account.suspended", account, summary=summary, at=at)


def _waiting(*columns: Any) -> Select[Any]:
    """Return the query for these columns of invoices that wait for money."""
    chosen: Select[Any] = select(*columns)
    return chosen.where(
        Invoice.status.in_(LATE),
        Invoice.kind != InvoiceKind.credit_note,
        Invoice.total - Invoice.amount_paid - Invoice.amount_credited > 0,
    )


def _paused(today: date) -> ColumnElement[bool]:
    pauses = select(DunningPause.id).where(
        DunningPause.customer_id == Invoice.customer_id, DunningPause.until >= today
    )
    return pauses.exists()
