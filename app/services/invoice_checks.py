"""The safety checks before an invoice is issued: a wrong invoice is worse than a late one."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select, true

from app.config import current_settings
from app.db import db
from app.domain.money import plain, quantize
from app.models import Account, Invoice
from app.models.invoices import InvoiceOrigin, InvoiceStatus, LineKind

NOTHING = Decimal(0)
TRAILING_INVOICES = 6
UNBILLED = (InvoiceStatus.draft, InvoiceStatus.parked, InvoiceStatus.cancelled)


@dataclass(frozen=True, slots=True)
class History:
    """The latest issued invoices of an account's billing runs: their totals, and where the last one ended."""

    billed_until: datetime | None
    totals: tuple[Decimal, ...]

    @property
    def mean(self) -> Decimal | None:
        """The mean of the totals; None where there is none to compare with."""
        return sum(self.totals, NOTHING) / len(self.totals) if self.totals else None


def history(account: Account) -> History:
    """Return the latest six invoices that billing runs issued to an account in its currency."""
    return histories([account])[account.id]


def histories(accounts: Collection[Account]) -> dict[UUID, History]:
    """Return for each account the latest six invoices that billing runs issued to it in its currency."""
    found: dict[UUID, list[Any]] = {account.id: [] for account in accounts}
    latest = (
        select(Invoice.period_end, Invoice.total)
        .where(
            Invoice.account_id == Account.id,
            Invoice.currency == Account.currency,
            Invoice.origin == InvoiceOrigin.run,
            Invoice.status.not_in(UNBILLED),
        )
        .order_by(Invoice.period_end.desc())
        .limit(TRAILING_INVOICES)
        .correlate(Account)
        .lateral()
    )
    query = select(Account.id, latest.c.period_end, latest.c.total).join(latest, true())
    for row in db.session.execute(query.where(Account.id.in_(found))):
        found[row.id].append(row)
    return {account_id: _history(rows) for account_id, rows in found.items()}


def _history(rows: list[Any]) -> History:
    rows.sort(key=lambda row: row.period_end, reverse=True)
    return History(rows[0].period_end if rows else None, tuple(row.total for row in rows))


def faults(invoice: Invoice) -> list[str]:
    """Return what makes a draft wrong: it must not be issued by anybody.

    Lines + taxes + round-off = total, by line and by code; a fixed fee once per subscription and period.
    """
    found = []
    by_line = [Decimal(tax["amount"]) for line in invoice.lines for tax in line.taxes]
    by_code = [Decimal(tax["amount"]) for tax in invoice.taxes]
    if _sum(line.amount for line in invoice.lines) != invoice.subtotal:
        found.append("The lines do not add up to the subtotal.")
    if not _sum(by_line) == _sum(by_code) == invoice.tax_total:
        found.append("The taxes of the lines do not add up to the tax of the invoice.")
    if invoice.subtotal + invoice.tax_total + invoice.round_off != invoice.total:
        found.append("Subtotal, tax and round-off do not add up to the total.")
    if invoice.total < 0:
        found.append("The total is negative: what is given back exceeds what is charged.")
    fees = Counter(
        (line.subscription_id, line.component_id, line.period_start)
        for line in invoice.lines
        if line.kind in {LineKind.fixed, LineKind.adjustment, LineKind.usage}
    )
    if any(count > 1 for count in fees.values()):
        found.append("A component is charged twice for one period.")
    return found


def doubts(invoice: Invoice, before: History) -> list[str]:
    """Return why a person should look at a draft first: it is far above what the account usually pays."""
    times, mean = current_settings().park_above_mean_times, before.mean
    if not mean or invoice.total <= times * mean:
        return []
    usual, total = quantize(mean, invoice.currency), plain(invoice.total)
    return [f"The total {total} {invoice.currency} is over {times} times the usual {usual}."]


def _sum(amounts: object) -> Decimal:
    return sum(amounts, NOTHING)  # type: ignore[call-overload, no-any-return]
