"""What is to be billed, before it becomes the lines of an invoice: one `Due` per component and period."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement

from app.domain.money import plain
from app.domain.periods import Period, local_date
from app.models import Account, ChargePosition, Invoice
from app.models.invoices import LineKind
from app.services.price_book import Price

# A row of a line's breakdown that takes off what earlier invoices asked for.
INVOICED = "invoiced"
Key = tuple[UUID, UUID, datetime]


class Debtor(NamedTuple):
    """An account to be billed for all that ended by `until`. Its last invoice of a run ended at
    `billed_until`: usage of before that came late."""

    account: Account
    until: datetime
    billed_until: datetime | None


@dataclass(frozen=True, slots=True)
class Due:
    """An amount to be asked for: what a component of a subscription costs in one whole billing period, less
    what was invoiced for that before.

    `quantity` is what is new, `from_wallet` the part of `amount` that a wallet was charged for already.
    `position` is the locked row that usage is charged by. `problem` tells why a person must look first.
    """

    price: Price
    subscription_id: UUID
    period: Period
    kind: LineKind
    description: str
    quantity: Decimal
    unit_price: Decimal | None
    amount: Decimal
    breakdown: list[dict[str, Any]]
    from_wallet: Decimal = Decimal(0)
    events_hash: str | None = None
    position: ChargePosition | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Extra:
    """A line that a contract adds to an invoice: a true-up, or with a negative amount what is taken off.

    `source_id` is the part of the contract behind it; the true-up of a period also names whose it is.
    """

    kind: LineKind
    description: str
    amount: Decimal
    sac: str
    breakdown: list[dict[str, Any]]
    source_id: UUID
    subscription_id: UUID | None = None
    version_id: UUID | None = None
    period: Period | None = None


def still_billed() -> ColumnElement[bool]:
    """Return the condition that what an invoice asked for counts as billed: it was issued, and not cancelled
    to be billed again."""
    return Invoice.number.is_not(None) & ~Invoice.rebilled


def explained(kind: str, amount: Decimal, *, quantity: str = "0", unit: str = "0") -> dict[str, Any]:
    """Return a row of a breakdown that is an amount, or quantity × unit."""
    told = plain(amount)
    flat = told if unit == "0" else "0"
    return {"kind": kind, "tier": 0, "quantity": quantity, "unit": unit, "flat": flat, "amount": told}


def invoiced_row(quantity: Decimal, amount: Decimal) -> dict[str, Any]:
    """Return the row of a breakdown that takes off what was invoiced before."""
    return explained(INVOICED, -amount, quantity=plain(-quantity))


def invoiced_before(breakdown: list[dict[str, Any]]) -> Decimal:
    """Return the amount that a line takes as invoiced before."""
    return sum((-Decimal(row["amount"]) for row in breakdown if row["kind"] == INVOICED), Decimal(0))


def period_between(start: datetime, end: datetime, zone_name: str) -> Period:
    """Return the period between two instants, with its local days."""
    return Period(start, end, local_date(start, zone_name), local_date(end, zone_name))
