"""How fast a version is tried on the past: `python -m bench.simulation` prints one line of JSON.

A PostgreSQL of its own (fsync on) gets a thousand accounts with twelve months of rollups, three channels a
day. A draft with five tiers is simulated over all of them in this process. `grouped_read_seconds` is what the
same statement takes alone: how much of the time is reading.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import func, select

from app.db import db, in_transaction, transaction
from app.domain.periods import add_months, day_start
from app.factory import create_app
from app.models import Account, Customer, Metric, PlanVersion, SimulatedAccount
from app.models.simulations import SimulationItemStatus, SimulationScope
from app.services import plans, price_book, scenarios, simulation_choices, simulations, subscriptions
from bench.stack import ACTOR, open_stack

ZONE = "Asia/Kolkata"
FIRST, LAST, MONTHS = "2025-11", "2026-10", 12
TODAY = datetime(2026, 11, 5, tzinfo=UTC)
GOAL_SECONDS = 20
BOUNDS = ("100", "500", "1000", "5000", None)

ROLLUPS = """
    INSERT INTO usage_rollups (account_id, metric_id, bucket_at, dimensions, quantity, events)
    SELECT a.id, m.id, %(first)s + make_interval(days => day::int, hours => (day %% 24)::int),
           jsonb_build_object('channel', 'c' || channel), 1 + (day * 7 + channel) %% 40, 1
    FROM accounts a CROSS JOIN metrics m CROSS JOIN generate_series(0, %(days)s) AS day
    CROSS JOIN generate_series(1, 3) AS channel
"""


def prepare(accounts: int) -> UUID:
    """Make accounts on a plan and a draft of its next version; return the draft."""
    first = date.fromisoformat(f"{FIRST}-01")
    with transaction() as session:
        customer = Customer(name="Bench", email="bench@example.com")
        session.add_all((customer, Metric(code="auth.otp", name="OTP", dimensions=["channel"])))
        session.flush()
        plan = plans.create({"code": "bench"}, version=None, prices=prices("1"), actor=ACTOR)
        plans.publish(plan.versions[0], at=TODAY - timedelta(days=800), actor=ACTOR)
        start_at = day_start(add_months(first, -1), ZONE)
        for n in range(accounts):
            account = Account(customer_id=customer.id, external_id=f"account-{n}", name=f"Account {n}")
            session.add(account)
            session.flush()
            subscriptions.start(account, "bench", start_at=start_at, actor=ACTOR)
        return plans.add_version(plan, {}, prices=prices("0.9"), actor=ACTOR).id


def prices(unit: str) -> list[dict[str, Any]]:
    """Return a fee, a price of one channel, and five tiers for the others."""
    tiers = [
        {"up_to": bound, "unit": f"{unit}{n}" if "." in unit else unit} for n, bound in enumerate(BOUNDS)
    ]
    usage = {"metric": "auth.otp", "model": "graduated", "tiers": tiers}
    own = {"metric": "auth.otp", "model": "per_unit", "unit": unit, "filters": {"channel": "c1"}}
    return [{"code": "fee", "model": "flat", "price": "999"}, usage, {"code": "c1", **own}]


def fill(url: str) -> int:
    """Write the rollups of twelve months; return how many."""
    first = date.fromisoformat(f"{FIRST}-01")
    days = (add_months(first, MONTHS) - first).days - 1
    with psycopg.connect(url, autocommit=True) as connection:
        written = connection.execute(ROLLUPS, {"first": day_start(first, ZONE), "days": days}).rowcount
        connection.execute("VACUUM ANALYZE usage_rollups")
    return written


def read_grouped() -> float:
    """Return how long reading the grouped rollups of all accounts takes, as a simulation reads them."""
    ids = list(db.session.scalars(select(Account.id).order_by(Account.id)))
    months = simulation_choices.months_between(FIRST, LAST, ZONE)
    book = price_book.PriceBook()
    book.tariffs.load(ids)
    grids = {each: scenarios.grid_of(months, book.tariffs.coverages(each)) for each in ids}
    started = time.perf_counter()
    for at in range(0, len(ids), simulations.BATCH):
        rows = scenarios.usage_in({each: grids[each] for each in ids[at : at + simulations.BATCH]})
        assert sum(1 for _ in rows)
    return time.perf_counter() - started


def simulate(draft: UUID) -> tuple[float, int]:
    """Return how long a simulation of the draft over all accounts took, and how many it compared."""

    def begin() -> UUID:
        version = db.session.get_one(PlanVersion, draft)
        return simulations.start(
            version,
            scope=SimulationScope.all,
            first_month=FIRST,
            last_month=LAST,
            at=TODAY,
            actor=ACTOR,
        ).id

    started = time.perf_counter()
    simulations.work(in_transaction(begin))
    seconds = time.perf_counter() - started
    compared = SimulatedAccount.status == SimulationItemStatus.compared
    return seconds, db.session.scalar(select(func.count()).where(compared)) or 0


def measure(accounts: int, data: Path) -> dict[str, Any]:
    """Return all figures of one run."""
    with open_stack(data, prepared=True) as stack, create_app(stack.settings).app_context():
        draft = prepare(accounts)
        rollups = fill(stack.stores.owner_url)
        reading = read_grouped()
        seconds, compared = simulate(draft)
        db.session.remove()
        db.engine.dispose()
    return {
        "bench": "simulation",
        "cores": os.cpu_count(),
        "fsync": True,
        "accounts": accounts,
        "months": MONTHS,
        "rollups": rollups,
        "compared": compared,
        "seconds": round(seconds, 2),
        "grouped_read_seconds": round(reading, 2),
        "times_the_read": round(seconds / reading, 2),
        "goal_seconds": GOAL_SECONDS,
    }


def main() -> int:
    """Run the measurement; fail when an account was left out or it took longer than the goal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=1_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="otpless-bench-") as directory:
        figures = measure(options.accounts, Path(directory))
    print(json.dumps(figures))
    return 0 if figures["compared"] == options.accounts and figures["seconds"] <= GOAL_SECONDS else 1


if __name__ == "__main__":
    sys.exit(main())
