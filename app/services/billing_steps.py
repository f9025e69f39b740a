"""What a billing run tells of each account, and which month it bills."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from app.domain.periods import Period, calendar_month
from app.errors import Invalid
from app.models import Account, BillingRunItem, Invoice
from app.models.invoices import InvoiceStatus, ItemStatus
from app.services.inputs import refusals

FIRST_TO_END = "Pacific/Kiritimati"
LAST_TO_END = "Etc/GMT+12"


@dataclass(frozen=True, slots=True)
class Step:
    """What became of one account: `done` of `of` accounts are through, this one with `status`.

    `number`, `total` and `currency` are those of its invoice, if it has one; `message` says why it has none.
    """

    done: int
    of: int
    account_id: UUID
    account: str
    status: ItemStatus
    number: str | None = None
    total: Decimal | None = None
    currency: str | None = None
    message: str | None = None


def note(item: BillingRunItem, invoice: Invoice | None) -> None:
    """Keep with the item of a run what became of its account."""
    item.message = None
    if invoice is None:
        item.status = ItemStatus.nothing_owed
        return
    parked = invoice.status is InvoiceStatus.parked
    item.status = ItemStatus.parked if parked else ItemStatus.issued
    item.invoice_id, item.message = invoice.id, invoice.parked_reason


def step_of(item: BillingRunItem, account: Account, invoice: Invoice | None) -> Step:
    """Return what became of the account of an item, the first of one; who runs many counts them."""
    return Step(
        done=1,
        of=1,
        account_id=account.id,
        account=account.name,
        status=item.status,
        number=invoice.number if invoice else None,
        total=invoice.total if invoice else None,
        currency=invoice.currency if invoice else None,
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
