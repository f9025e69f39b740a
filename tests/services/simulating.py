"""What the tests of simulations share: versions to try, and what came out, in plain figures."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select

from app.db import db
from app.models import Account, Invoice, InvoiceLine, PlanVersion, PricePlan, SimulatedAccount, Simulation
from app.services import plans, simulations
from tests import factories as make

# A day of October, of November, and of September 2026, noon in India.
OCTOBER_20 = datetime(2026, 10, 20, 6, 30, tzinfo=UTC)
NOVEMBER_10 = datetime(2026, 11, 10, 6, 30, tzinfo=UTC)
SEPTEMBER_10 = datetime(2026, 9, 10, 6, 30, tzinfo=UTC)
# 2 December, when November has ended everywhere.
TODAY = datetime(2026, 12, 2, 6, 30, tzinfo=UTC)
AUGUST_1 = datetime(2026, 7, 31, 18, 30, tzinfo=UTC)


def draft_of(plan: PricePlan, *components: Mapping[str, Any], **version: Any) -> PlanVersion:
    """Return a draft of the plan with these components."""
    return plans.add_version(plan, version, prices=list(components), actor=make.ACTOR)


def simulate(version: PlanVersion, first: str = "2026-10", last: str = "2026-10", **more: Any) -> Simulation:
    """Simulate a version to its end, as of 2 December 2026."""
    begun = simulations.start(version, first_month=first, last_month=last, at=TODAY, actor=make.ACTOR, **more)
    simulations.work(begun.id)
    db.session.expire_all()
    return begun


def figures(simulation: Simulation) -> dict[Account, tuple[str, str, str] | str]:
    """Return old, new and difference of each account, or why there are none."""
    query = select(SimulatedAccount).where(SimulatedAccount.simulation_id == simulation.id)
    return {
        row.account: row.message
        or (f"{row.old_amount:.2f}", f"{row.new_amount:.2f}", f"{row.difference:.2f}")
        for row in db.session.scalars(query.order_by(SimulatedAccount.id))
    }


def months(simulation: Simulation) -> Sequence[tuple[str, str, str]]:
    """Return (month, old, new) of the one account of a simulation."""
    row = db.session.scalars(
        select(SimulatedAccount).where(SimulatedAccount.simulation_id == simulation.id)
    ).one()
    return [(month["month"], month["old"], month["new"]) for month in row.months]


def billed(account: Account) -> str:
    """Return the sum before tax of all lines that were issued to an account."""
    query = select(InvoiceLine.amount).join(Invoice).where(Invoice.account_id == account.id)
    return f"{sum(db.session.scalars(query)):.2f}"
