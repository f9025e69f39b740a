"""What came out of a simulation: sums by currency, who gains and who loses most, and all of it as a sheet."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from sqlalchemy import ColumnElement, Select, case, func, select
from sqlalchemy.orm import joinedload

from app.db import db
from app.errors import Invalid
from app.models import Account, SimulatedAccount, Simulation
from app.models.simulations import SimulationItemStatus

MOST_BARS = 8
HEADINGS = ("Account", "External id", "Customer", "Status", "Currency", "Month", "Old", "New", "Difference")
# A cell that begins like this is a formula to a spreadsheet.
FORMULA = ("=", "+", "-", "@", "\t", "\r")

# What can be asked of the rows: who pays more, less, the same, and who could not be compared.
SHOWN: dict[str, ColumnElement[bool]] = {
    "more": SimulatedAccount.difference > 0,
    "less": SimulatedAccount.difference < 0,
    "same": SimulatedAccount.difference == 0,
    "skipped": SimulatedAccount.status.in_((SimulationItemStatus.skipped, SimulationItemStatus.failed)),
}


@dataclass(frozen=True, slots=True)
class Total:
    """The accounts of one currency together: what they paid, would have paid, and how many pay more, less,
    the same."""

    currency: str
    accounts: int
    old: Decimal
    new: Decimal
    more: int
    less: int
    same: int

    @property
    def difference(self) -> Decimal:
        """What is earned more, below zero less."""
        return self.new - self.old


def totals(simulation_id: UUID) -> list[Total]:
    """Return the sums of what was compared, one per currency: two are never added."""
    counts = [func.sum(case((SHOWN[name], 1), else_=0)) for name in ("more", "less", "same")]
    sums = (func.count(), func.sum(SimulatedAccount.old_amount), func.sum(SimulatedAccount.new_amount))
    query = (
        select(SimulatedAccount.currency, *sums, *counts)
        .where(
            SimulatedAccount.simulation_id == simulation_id,
            SimulatedAccount.status == SimulationItemStatus.compared,
        )
        .group_by(SimulatedAccount.currency)
        .order_by(func.count().desc(), SimulatedAccount.currency)
    )
    return [Total(*row) for row in db.session.execute(query)]


def reasons(simulation_id: UUID) -> list[tuple[str, int]]:
    """Return why accounts were skipped or failed, each with how many, the commonest first."""
    query = (
        select(SimulatedAccount.message, func.count())
        .where(SimulatedAccount.simulation_id == simulation_id, SHOWN["skipped"])
        .group_by(SimulatedAccount.message)
        .order_by(func.count().desc(), SimulatedAccount.message)
    )
    return [(row[0] or "", row[1]) for row in db.session.execute(query)]


def extremes(simulation_id: UUID, currency: str) -> list[SimulatedAccount]:
    """Return the accounts of a currency that would pay most more, then those that would pay most less, each
    the greatest difference first: what the chart shows."""
    more, less = (
        _of(simulation_id)
        .where(SimulatedAccount.currency == currency, SHOWN[name])
        .order_by(order, SimulatedAccount.id)
        .limit(MOST_BARS)
        for name, order in (
            ("more", SimulatedAccount.difference.desc()),
            ("less", SimulatedAccount.difference.asc()),
        )
    )
    return [*db.session.scalars(more), *db.session.scalars(less)]


def rows(simulation_id: UUID, show: str | None = None) -> Select[SimulatedAccount]:
    """Return the query of the accounts of a simulation, or of those that `show` names.

    Raises:
        Invalid: `show` is none of `SHOWN`.
    """
    query = _of(simulation_id)
    if show is None:
        return query
    if show not in SHOWN:
        raise Invalid.at("/show", f"Choose one of: {', '.join(SHOWN)}.", code="unknown_choice")
    return query.where(SHOWN[show])


def sheet(simulation: Simulation) -> str:
    """Return the result as CSV, a row for each account and month, who pays most more first. A text that a
    spreadsheet would take for a formula is quoted."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(HEADINGS)
    order = (SimulatedAccount.currency, SimulatedAccount.difference.desc().nulls_last(), SimulatedAccount.id)
    for item in db.session.scalars(_of(simulation.id).order_by(*order)):
        writer.writerows([_safe(cell) for cell in row] for row in _sheet_rows(item))
    return "\ufeff" + text.getvalue()


def _sheet_rows(item: SimulatedAccount) -> Iterator[tuple[str, ...]]:
    account = item.account
    who = (account.name, account.external_id or "", account.customer.name)
    if not item.months:
        yield (*who, item.message or item.status, item.currency, "", "", "", "")
    for month in item.months:
        difference = Decimal(month["new"]) - Decimal(month["old"])
        figures = (month["month"], month["old"], month["new"], f"{difference:f}")
        yield (*who, item.status, item.currency, *figures)


def _safe(cell: str) -> str:
    return f"'{cell}" if cell.startswith(FORMULA) and not _is_number(cell) else cell


def _is_number(cell: str) -> bool:
    return cell.lstrip("-").replace(".", "", 1).isdigit()


def _of(simulation_id: UUID) -> Select[SimulatedAccount]:
    account = joinedload(SimulatedAccount.account, innerjoin=True).joinedload(
        Account.customer, innerjoin=True
    )
    return select(SimulatedAccount).where(SimulatedAccount.simulation_id == simulation_id).options(account)
