"""An invoice that a person makes (specification 6.3.3): looked at without side effects, then drafted or
issued."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from app.domain.numbering import ist_date
from app.domain.periods import ONE_DAY, Period, day_start, local_date
from app.domain.places import STATES
from app.errors import Invalid
from app.models import Account, Invoice
from app.models.invoices import InvoiceKind
from app.permissions import Actor
from app.services import invoices, issuing, line_words

LONGEST_DAYS = 400


@dataclass(frozen=True, slots=True)
class Order:
    """What a person asks for: an account, local days from `first` to `last`, lines of their own as
    `invoice_lines.read_manual` takes them, a purchase order, and in how many days to pay (None: as agreed
    with the account)."""

    account: Account
    first: date
    last: date
    lines: Sequence[Mapping[str, Any]] = ()
    purchase_order: str | None = None
    terms_days: int | None = None


@dataclass(frozen=True, slots=True)
class ShownLine:
    """A line as it would be."""

    description: str
    says: str
    kind: str
    sac: str
    quantity: Decimal
    unit: str | None
    unit_price: Decimal | None
    amount: Decimal
    taxes: Sequence[Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Shown:
    """An invoice as it would be; `parked_reason` tells why a person would have to look at it first."""

    currency: str
    export: bool
    place: str
    due_on: date
    lines: Sequence[ShownLine]
    taxes: Sequence[Mapping[str, str]]
    subtotal: Decimal
    tax_total: Decimal
    round_off: Decimal
    total: Decimal
    parked_reason: str | None


def last_month(at: datetime, zone: str) -> tuple[date, date]:
    """Return the first and the last day of the local month before an instant."""
    last = local_date(at, zone).replace(day=1) - ONE_DAY
    return last.replace(day=1), last


def preview(order: Order, *, at: datetime) -> Shown | None:
    """Return the invoice as it would be, or None where there is nothing to bill. Nothing is written.

    Raises:
        Conflict, Invalid: as `invoices.draft_by_hand` says, and for a period that cannot be.
    """
    due_on = _due_on(order, at)
    return invoices.preview(
        order.account, _period(order), lambda made: _shown(made, due_on), at=at, lines=order.lines
    )


def generate(order: Order, *, issue: bool, at: datetime, actor: Actor) -> Invoice:
    """Make the draft, and issue it at once if asked to; look at `status`: a doubtful one is parked instead.

    Raises:
        Conflict, Invalid: as `preview` says, and where there is nothing to bill.
    """
    due_on = _due_on(order, at)
    made = invoices.draft_by_hand(
        order.account,
        _period(order),
        lines=order.lines,
        purchase_order=order.purchase_order,
        at=at,
        actor=actor,
    )
    if order.terms_days is not None:
        made.due_on = due_on
    return issuing.issue(made, at=at, actor=actor) if issue and made.parked_reason is None else made


def _period(order: Order) -> Period:
    """Return the period of whole local days.

    Raises:
        Invalid: it ends before it begins, or is longer than 400 days.
    """
    if order.last < order.first:
        raise Invalid.at("/last", "The period ends before it begins.", code="bad_period")
    if order.last - order.first >= timedelta(days=LONGEST_DAYS):
        raise Invalid.at("/last", f"A period has at most {LONGEST_DAYS} days.", code="bad_period")
    zone, after = order.account.timezone, order.last + ONE_DAY
    return Period(day_start(order.first, zone), day_start(after, zone), order.first, after)


def _due_on(order: Order, at: datetime) -> date:
    days = order.account.payment_terms_days if order.terms_days is None else order.terms_days
    return ist_date(at) + timedelta(days=days)


def _shown(made: Invoice, due_on: date) -> Shown:
    lines = [
        ShownLine(
            line.description,
            line_words.says(line),
            str(line.kind),
            line.sac,
            line.quantity,
            line.unit,
            line.unit_price,
            line.amount,
            line.taxes,
        )
        for line in made.lines
    ]
    return Shown(
        currency=made.currency,
        export=made.kind is InvoiceKind.export_invoice,
        place=f"{made.place_of_supply}-{STATES[made.place_of_supply]}",
        due_on=due_on,
        lines=lines,
        taxes=made.taxes,
        subtotal=made.subtotal,
        tax_total=made.tax_total,
        round_off=made.round_off,
        total=made.total,
        parked_reason=made.parked_reason,
    )
