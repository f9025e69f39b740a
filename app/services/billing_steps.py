"""What a billing run keeps and tells of each account, and which month it bills."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from app.db import db
from app.domain.periods import Period, calendar_month
from app.errors import Invalid
from app.models import Account, BillingRun, BillingRunItem, Invoice
from app.models.billing_runs import ItemStatus, RunStatus
from app.models.invoices import InvoiceOrigin, InvoiceStatus
from app.services.inputs import refusals
from app.services.invoice_checks import History

FIRST_TO_END = "Pacific/Kiritimati"
LAST_TO_END = "Etc/GMT+12"
BILLED_ALREADY = "Another run has billed the month already."


@dataclass(frozen=True, slots=True)
class Step:
    """What became of one account: `done` of `of` accounts are through, this one with `status`.

    `number`, `total` and `currency` are those of its invoice, if it has one; `previous` is what the month
    before came to; `message` says why it has none.
    """

    done: int
    of: int
    account_id: UUID
    account: str
    status: ItemStatus
    number: str | None = None
    total: Decimal | None = None
    currency: str | None = None
    previous: Decimal | None = None
    message: str | None = None


def claim(item_id: UUID) -> BillingRunItem | None:
    """Lock a pending item of a run that is going on, with its account and customer; None where another
    process has it or had it, or the run was cancelled.
    """
    return next(iter(claim_all([item_id])), None)


def claim_all(item_ids: Collection[UUID]) -> list[BillingRunItem]:
    """Lock those of these items that `claim` would, by their account."""
    query = (
        select(BillingRunItem)
        .join(BillingRun, BillingRun.id == BillingRunItem.run_id)
        .where(
            BillingRunItem.id.in_(item_ids),
            BillingRunItem.status == ItemStatus.pending,
            BillingRun.status == RunStatus.running,
        )
        .options(
            joinedload(BillingRunItem.account, innerjoin=True).joinedload(Account.customer, innerjoin=True)
        )
        .order_by(BillingRunItem.account_id)
        .with_for_update(of=BillingRunItem, skip_locked=True)
    )
    return list(db.session.scalars(query))


def note(item: BillingRunItem, invoice: Invoice | None, previous: Decimal | None = None) -> None:
    """Keep with the item of a run what became of its account."""
    item.message = None
    if invoice is None:
        item.status = ItemStatus.nothing_owed
        return
    parked = invoice.status is InvoiceStatus.parked
    item.status = ItemStatus.parked if parked else ItemStatus.issued
    item.invoice_id, item.message = invoice.id, invoice.parked_reason
    item.currency, item.total, item.previous = invoice.currency, invoice.total, previous


def note_billed(item_id: UUID, period: str) -> Step | None:
    """Keep with an item that another run has made the invoice of its account and month."""
    item = claim(item_id)
    if item is None:
        return None
    invoice = billed(item.account, month_of(period, item.account.timezone))
    note(item, invoice)
    item.message = BILLED_ALREADY
    return step_of(item, invoice)


def note_failure(item_id: UUID, message: str) -> Step | None:
    """Keep with an item why its account was not billed."""
    item = claim(item_id)
    if item is None:
        return None
    item.status, item.message = ItemStatus.failed, message
    return step_of(item, None)


def billed(account: Account, month: Period) -> Invoice | None:
    """Return the invoice that a run made for an account and month."""
    query = select(Invoice).where(
        Invoice.account_id == account.id,
        Invoice.period_start == month.start,
        Invoice.origin == InvoiceOrigin.run,
        Invoice.status != InvoiceStatus.cancelled,
    )
    return db.session.scalar(query.limit(1))


def previous_total(before: History, month: Period) -> Decimal | None:
    """Return what the run of the month before has billed; None where it billed nothing."""
    return before.totals[0] if before.billed_until == month.start else None


def step_of(item: BillingRunItem, invoice: Invoice | None) -> Step:
    """Return what became of the account of an item, the first of one; who runs many counts them."""
    return Step(
        done=1,
        of=1,
        account_id=item.account_id,
        account=item.account.name,
        status=item.status,
        number=invoice.number if invoice else None,
        total=item.total,
        currency=item.currency,
        previous=item.previous,
        message=item.message,
    )


def month_of(period: str, zone_name: str) -> Period:
    """Return the local calendar month that `2026-10` names.

    Raises:
        Invalid: it names none.
    """
    with refusals():
        return calendar_month(period, zone_name)


def check_ended(period: str, at: datetime) -> None:
    """Return if the month has ended somewhere on Earth.

    Raises:
        Invalid: it has not, or it is no month.
    """
    if month_of(period, FIRST_TO_END).end > at:
        raise Invalid.at("/period", f"{period} has not ended yet.", code="not_ended")
