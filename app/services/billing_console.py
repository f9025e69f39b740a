"""What billing waits for, on one page: drafts, parked invoices, what is overdue, and the latest runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, SQLColumnExpression, func, select
from sqlalchemy.orm import joinedload

from app.db import db
from app.models import BillingRun, Invoice
from app.models.billing_runs import ItemStatus
from app.models.invoices import InvoiceKind, InvoiceStatus
from app.services import billing_runs

SHOWN = 6
OPEN = (InvoiceStatus.issued, InvoiceStatus.partially_paid, InvoiceStatus.overdue)


@dataclass(frozen=True, slots=True)
class Sum:
    """How many invoices of a currency wait, and what they come to."""

    currency: str
    count: int
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Pile:
    """Invoices that wait for the same thing: sums by currency, and some of them, the most urgent first."""

    sums: Sequence[Sum]
    first: Sequence[Invoice]

    @property
    def count(self) -> int:
        """How many there are."""
        return sum(one.count for one in self.sums)


@dataclass(frozen=True, slots=True)
class Going:
    """A billing run with how many of its accounts stand where."""

    run: BillingRun
    counts: dict[ItemStatus, int]

    @property
    def total(self) -> int:
        """How many accounts it has."""
        return sum(self.counts.values())

    @property
    def done(self) -> int:
        """How many accounts it is through with."""
        return self.total - self.counts.get(ItemStatus.pending, 0)


def drafts() -> Pile:
    """Return the drafts, the oldest first."""
    return _pile(Invoice.status == InvoiceStatus.draft, Invoice.total, Invoice.created_at)


def parked() -> Pile:
    """Return what was parked for a person, the oldest first."""
    return _pile(Invoice.status == InvoiceStatus.parked, Invoice.total, Invoice.created_at)


def unpaid() -> Pile:
    """Return what was issued and waits for money, the first due first."""
    return _pile(_waits_for_money(), _due(), Invoice.due_on)


def overdue(today: date) -> Pile:
    """Return what should have been paid before `today`, the longest overdue first."""
    return _pile(_waits_for_money() & (Invoice.due_on < today), _due(), Invoice.due_on)


def runs(limit: int = SHOWN) -> list[Going]:
    """Return the latest billing runs, the newest first."""
    query = select(BillingRun).order_by(BillingRun.created_at.desc(), BillingRun.id.desc()).limit(limit)
    latest = db.session.scalars(query).all()
    counts = billing_runs.progress_of([run.id for run in latest])
    return [Going(run, counts[run.id]) for run in latest]


def _waits_for_money() -> ColumnElement[bool]:
    return Invoice.status.in_(OPEN) & (Invoice.kind != InvoiceKind.credit_note) & (_due() > 0)


def _due() -> ColumnElement[Decimal]:
    return Invoice.total - Invoice.amount_paid - Invoice.amount_credited


def _pile(
    chosen: ColumnElement[bool], amount: SQLColumnExpression[Decimal], order: SQLColumnExpression[Any]
) -> Pile:
    sums = (
        select(Invoice.currency, func.count(), func.sum(amount))
        .where(chosen)
        .group_by(Invoice.currency)
        .order_by(func.count().desc(), Invoice.currency)
    )
    first = select(Invoice).where(chosen).options(joinedload(Invoice.customer), joinedload(Invoice.account))
    rows = db.session.scalars(first.order_by(order, Invoice.id).limit(SHOWN))
    return Pile([Sum(*row) for row in db.session.execute(sums)], list(rows))
