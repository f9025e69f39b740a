"""The trial balance: what stands on every book of the ledger, per currency, as of an instant."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import func, select

from app.db import db
from app.models import Journal, Posting
from app.models.wallets import Book

NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Line:
    """One book: its postings, and the two sides of its balance, of which one is 0. Credit is what we owe or
    have earned, debit what we hold or are owed."""

    book: Book
    postings: int
    debit: Decimal
    credit: Decimal


@dataclass(frozen=True, slots=True)
class TrialBalance:
    """The books of one currency."""

    currency: str
    lines: tuple[Line, ...]

    @property
    def debit(self) -> Decimal:
        """The sum of all debit balances."""
        return sum((line.debit for line in self.lines), NOTHING)

    @property
    def credit(self) -> Decimal:
        """The sum of all credit balances; equal to that of the debits, or the books do not balance."""
        return sum((line.credit for line in self.lines), NOTHING)


def as_of(before: datetime | None = None) -> list[TrialBalance]:
    """Return the trial balance of each currency, of the journals before an instant or of all."""
    query = select(Posting.currency, Posting.book, func.count(), func.sum(Posting.amount))
    if before is not None:
        query = query.join(Journal, Journal.id == Posting.journal_id).where(Journal.created_at < before)
    found: dict[str, list[Line]] = {}
    rows = db.session.execute(query.group_by(Posting.currency, Posting.book).order_by(Posting.currency))
    for currency, book, postings, amount in rows:
        line = Line(Book(book), postings, max(-amount, NOTHING), max(amount, NOTHING))
        found.setdefault(currency, []).append(line)
    order = list(Book)
    return [
        TrialBalance(currency, tuple(sorted(lines, key=lambda line: order.index(line.book))))
        for currency, lines in found.items()
    ]
