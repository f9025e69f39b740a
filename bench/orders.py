"""The same usage in any order, workers killed in between: `python -m bench.orders` prints one line of JSON.

A hundred thousand events of four prepaid accounts at three prices (tenths of a paisa, graduated, by volume)
are sent in several orders, each to accounts of its own, in batches of random size, while workers meter them
and are killed without warning again and again. Afterwards every wallet must hold, to the paisa, what was put
in less the price of the totals, and the checks of the books must be green. The wallets have nothing, less
than is used, and more, some of it granted.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import psutil
from sqlalchemy import select

from app import clock
from app.config import Settings
from app.db import db, transaction
from app.domain.periods import day_start, local_date
from app.embedded.processes import Child, wait_until
from app.factory import create_app
from app.models import Account, Customer, Metric, Wallet
from app.models.customers import BillingMode
from app.models.plans import Anchor
from app.permissions import Actor
from app.queue import enqueue
from app.services import events, grants, metering, plans, subscriptions, verify, wallets
from bench.stack import ROOT, open_stack

ACTOR = Actor.system("bench")
ZONE = "Asia/Kolkata"
DAYS = 20
LARGEST_BATCH = 500
CHECKS = ("journals", "wallets", "chains", "transactions", "charges", "revenue", "grants", "rollups")
DRAINED_WITHIN_SECONDS = 600
DIES_WITHIN_SECONDS = 10
PRICES: Sequence[Mapping[str, Any]] = (
    {"metric": "orders.fine", "model": "per_unit", "unit": "0.013"},
    {
        "metric": "orders.graduated",
        "model": "graduated",
        "tiers": [{"up_to": "1000", "unit": "0.5"}, {"up_to": None, "unit": "0.25"}],
    },
    {
        "metric": "orders.volume",
        "model": "volume",
        "tiers": [{"up_to": "1500", "unit": "1"}, {"up_to": None, "unit": "0.6"}],
    },
)


class Funds(NamedTuple):
    """What is put into a wallet: paid money, and grants."""

    paid: str
    granted: tuple[str, ...] = ()


FUNDS = (Funds("0"), Funds("250", ("100",)), Funds("1000000", ("300", "75.5")), Funds("0", ("1000000",)))


class Figures(NamedTuple):
    """What a wallet holds in the end."""

    balance: Decimal
    receivable: Decimal
    granted: Decimal


class Crew:
    """A worker that can be killed without warning, with all that it started, and is replaced at once."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.kills = settings, 0
        self.worker = self._start()

    def kill(self) -> None:
        """Kill the worker and start another."""
        first = psutil.Process(self.worker.pid)
        for process in (first, *first.children(recursive=True)):
            process.kill()
        wait_until(lambda: self.worker.reap() is not None, patience_seconds=DIES_WITHIN_SECONDS)
        self.kills += 1
        self.worker = self._start()

    def stop(self) -> None:
        """End the worker."""
        self.worker.ask_to_stop()
        self.worker.wait_stopped()

    def _start(self) -> Child:
        values = {name.upper(): _text(value) for name, value in asdict(self.settings).items()}
        command = (sys.executable, "-m", "jobs.worker", "--queues", "metering,default")
        log = self.settings.data_dir / f"orders-worker-{self.kills}.log"
        worker = Child("worker", command, log, {**os.environ, **values}, cwd=ROOT)
        worker.start()
        return worker


def prepare() -> None:
    """Make the metrics and the plan, once."""
    with transaction() as session:
        for price in PRICES:
            code = price["metric"]
            session.add(Metric(code=code, name=code, aggregation="sum", value_property=None, dimensions=[]))
        session.flush()
        plan = plans.create({"code": "orders", "name": "Orders"}, version=None, prices=PRICES, actor=ACTOR)
        plans.publish(plan.versions[0], at=clock.now() - timedelta(days=60), actor=ACTOR)


def make_usage(count: int, seed: int) -> list[dict[str, Any]]:
    """Return events of four accounts over the last days; `account_id` is the account's number."""
    random, now = Random(seed), clock.now().replace(microsecond=0)
    return [
        {
            "event_id": f"e-{n}",
            "account_id": n % len(FUNDS),
            "metric": PRICES[random.randrange(len(PRICES))]["metric"],
            "timestamp": (now - timedelta(seconds=random.randrange((DAYS - 1) * 86_400))).isoformat(),
            "quantity": f"{Decimal(random.randrange(1, 2_000)) / 100}",
        }
        for n in range(count)
    ]


def price_totals(usage: Sequence[Mapping[str, Any]]) -> list[Figures]:
    """Return what each wallet must hold, worked out from the totals alone."""
    totals: defaultdict[tuple[int, str], Decimal] = defaultdict(Decimal)
    for event in usage:
        totals[event["account_id"], event["metric"]] += Decimal(event["quantity"])
    expected = []
    for n, funds in enumerate(FUNDS):
        fine, graduated, volume = (totals[n, price["metric"]] for price in PRICES)
        prices = (
            fine * Decimal("0.013"),
            min(graduated, Decimal(1000)) * Decimal("0.5")
            + max(graduated - 1000, Decimal(0)) * Decimal("0.25"),
            volume * (Decimal(1) if volume <= 1500 else Decimal("0.6")),
        )
        used = sum((each.quantize(Decimal("0.01"), ROUND_HALF_UP) for each in prices), Decimal(0))
        granted = sum(map(Decimal, funds.granted), Decimal(0))
        left = Decimal(funds.paid) + granted - used
        zero = Decimal(0)
        expected.append(Figures(max(left, zero), max(-left, zero), max(granted - used, zero)))
    return expected


def open_wallets(order: int) -> None:
    """Make the accounts of one order, with their wallets, funds and subscriptions."""
    now = clock.now()
    start_at = day_start(local_date(now, ZONE) - timedelta(days=DAYS), ZONE)
    with transaction() as session:
        for n, funds in enumerate(FUNDS):
            account = Account(
                customer=Customer(name=f"Order {order}", email="bench@example.com"),
                external_id=_reference(order, n),
                name=_reference(order, n),
                billing_mode=BillingMode.prepaid,
            )
            session.add(account)
            session.flush()
            wallet = wallets.open(account, actor=ACTOR)
            if Decimal(funds.paid):
                wallets.top_up(wallet, funds.paid, at=now, actor=ACTOR, reason="Bench")
            for days, amount in enumerate(funds.granted, 30):
                end = now + timedelta(days=days)
                grants.give(wallet, amount, at=now, actor=ACTOR, reason="Bench", expires_at=end)
            subscriptions.start(account, "orders", start_at=start_at, anchor=Anchor.anniversary, actor=ACTOR)


def deliver(usage: Sequence[Mapping[str, Any]], order: int, kills: int, kill: Callable[[], None]) -> None:
    """Send everything in the order of this number, in batches of random size, with kills in between; return
    when all of it is metered.

    Raises:
        ValueError: an event was not accepted, or something is never metered.
    """
    random, shuffled = Random(order), list(usage)
    random.shuffle(shuffled)
    sent, next_kill = 0, len(shuffled) // (kills + 1)
    while sent < len(shuffled):
        batch = shuffled[sent : sent + random.randrange(1, LARGEST_BATCH)]
        rows = [{**each, "account_id": _reference(order, each["account_id"])} for each in batch]
        answers = events.ingest(rows, source="bench", actor=ACTOR)
        if any(each.status is not events.Status.accepted for each in answers):
            raise ValueError(f"Not accepted: {next(each for each in answers if each.code)}")
        sent += len(batch)
        if sent >= next_kill and kills:
            kill()
            kills, next_kill = kills - 1, next_kill + len(shuffled) // (kills + 1)
    if not wait_until(_is_metered, patience_seconds=DRAINED_WITHIN_SECONDS):
        raise ValueError("Some usage was never metered.")


def read_wallets(order: int) -> list[Figures]:
    """Return what the wallets of one order hold."""
    query = select(Wallet.balance, Wallet.receivable, Wallet.granted, Account.external_id).join(Account)
    names = [_reference(order, n) for n in range(len(FUNDS))]
    rows = db.session.execute(query.where(Account.external_id.in_(names))).all()
    db.session.rollback()
    return [Figures(*row[:3]) for row in sorted(rows, key=lambda row: names.index(row.external_id))]


def run(settings: Settings, *, count: int, orders: int, kills: int, seed: int = 1) -> dict[str, Any]:
    """Deliver the same usage in several orders to a prepared database; return what was wrong, and figures."""
    usage = make_usage(count, seed)
    expected, wrong, crew = price_totals(usage), [], Crew(settings)
    begun = time.perf_counter()
    try:
        for order in range(orders):
            open_wallets(order)
            deliver(usage, order, kills, crew.kill)
            found = read_wallets(order)
            wrong += [
                f"order {order}: {is_} for {should}"
                for is_, should in zip(found, expected, strict=True)
                if is_ != should
            ]
    finally:
        crew.stop()
    report = verify.run(CHECKS)
    return {
        "events": count,
        "orders": orders,
        "kills": crew.kills,
        "seconds": round(time.perf_counter() - begun, 1),
        "balances": [str(each.balance) for each in expected],
        "wrong": wrong + [each.name for each in report.results if not each.ok],
    }


def _reference(order: int, number: int) -> str:
    return f"order-{order}-{number}"


def _is_metered() -> bool:
    """Tell whether nothing waits; what does is asked for, as the scheduler does every few seconds."""
    waiting = metering.has_backlog()
    db.session.rollback()
    if waiting:
        enqueue("jobs.metering.drain")
    return not waiting


def _text(value: object) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value)


def measure(options: argparse.Namespace, data: Path) -> dict[str, Any]:
    """Return what one run gave, on a database of its own."""
    with open_stack(data, accounts=0) as stack, create_app(stack.settings).app_context():
        prepare()
        figures = run(
            stack.settings,
            count=options.events,
            orders=options.orders,
            kills=options.kills,
            seed=options.seed,
        )
        db.session.remove()
        db.engine.dispose()
    return figures


def main() -> int:
    """Run the measurement; fail when a wallet is wrong or the books do not balance."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--orders", type=int, default=5)
    parser.add_argument("--kills", type=int, default=10, help="for each order")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="3,000 events, to see that it works")
    options = parser.parse_args()
    if options.quick:
        options.events, options.orders, options.kills = 3_000, 2, 2
    with tempfile.TemporaryDirectory(prefix="otpless-bench-") as directory:
        figures = measure(options, Path(directory))
    print(json.dumps({"bench": "orders", "seed": options.seed, "cores": os.cpu_count(), **figures}))
    return 1 if figures["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
