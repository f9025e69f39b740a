"""Injuries under load, in an order that a seed decides; afterwards the history and the books are compared."""

import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

import psutil
import psycopg
from sqlalchemy import func, select

from app import clock
from app.db import db, in_transaction, transaction
from app.embedded.processes import wait_until
from app.models import ChargePosition, EventKey, UsageEvent, UsageRollup
from app.services import keys, verify
from tests import factories as make
from tests.torture.house import House
from tests.torture.senders import ACCOUNTS, Crowd, History

DRAINED_WITHIN_SECONDS = 60.0
KEYS = 4
# So many events are confirmed between two injuries, so that each strikes a product at work.
CONFIRMED_BETWEEN = 20
LOAD_WITHIN_SECONDS = 120.0

Injury = Callable[[House], int]


def kill_web(house: House) -> int:
    """Kill every process that answers requests."""
    return _kill(house.web_workers())


def kill_workers(house: House) -> int:
    """Kill the job workers and the processes that run their jobs."""
    return _kill(house.job_workers())


def kill_postgres(house: House) -> int:
    """Kill all of PostgreSQL at once: what was not flushed is gone."""
    return _kill(house.postgres())


def flush_redis(house: House) -> int:
    """Let Redis forget everything."""
    with house.redis() as redis:
        return int(bool(redis.flushall()))


INJURIES: dict[str, Injury] = {
    "web": kill_web,
    "workers": kill_workers,
    "postgres": kill_postgres,
    "redis": flush_redis,
}


def _kill(processes: list[psutil.Process]) -> int:
    killed = 0
    for process in processes:
        try:
            process.send_signal(signal.SIGKILL)
            killed += 1
        except psutil.NoSuchProcess:
            continue
    return killed


@dataclass(frozen=True, slots=True)
class Report:
    """What a run found; everything below `stored` must be empty, 0 or agree."""

    seed: int
    injuries: dict[str, int]
    seconds: float
    confirmed: int
    unknown: int
    broken_requests: int
    stored: int
    unknown_that_counted: int
    missing: list[str]
    strangers: list[str]
    wrong_answers: list[object]
    keys: int
    rolled_up: int
    charged: int
    drained_in_seconds: float | None
    failed_checks: list[str]

    @property
    def ok(self) -> bool:
        """True when every confirmed event counted once, every unknown one once or never, and no other."""
        return (
            not (self.missing or self.strangers or self.wrong_answers or self.failed_checks)
            and self.drained_in_seconds is not None
            and self.stored == self.keys == self.rolled_up == self.charged
        )

    def as_json(self) -> dict[str, object]:
        """Return everything, and the verdict."""
        return {**asdict(self), "ok": self.ok}


def torture(
    place: Path, counts: Mapping[str, int], *, seed: int, say: Callable[[str], object] = lambda _: None
) -> Report:
    """Run the product in `place` and injure it as often as `counts` says while senders post; then look.

    Raises:
        TimeoutError: the product did not come back after an injury.
    """
    order = Random(seed).sample(
        [name for name in INJURIES for _ in range(counts.get(name, 0))], sum(counts.values())
    )
    house, started = House(place / "var"), time.monotonic()
    try:
        house.start()
        crowd = Crowd.start(house.port, furnish(house), seed)
        try:
            struck = injure(house, crowd, order, Random(seed), say)
        finally:
            history = crowd.stop()
        drained = wait_drained(house)
        return look(house, history, struck, seed, round(time.monotonic() - started, 1), drained)
    finally:
        house.stop()


def furnish(house: House) -> list[str]:
    """Make prepaid accounts at ₹1 an event with money, and return the secrets of keys that may send."""
    with house.app(), transaction():
        metric = make.make_metric("auth.otp")
        plan = make.make_plan(components=[make.per_unit(metric, "1")])
        for n in range(ACCOUNTS):
            account = make.make_account(prepaid=True, external_id=f"account-{n}")
            make.make_wallet("10000000", account=account, at=clock.now())
            make.make_subscription(account, plan, start_at=clock.now() - timedelta(days=40))
        return [
            keys.create(f"sender {n}", scopes=["events:write"], actor=make.ACTOR, at=clock.now())[1]
            for n in range(KEYS)
        ]


def injure(
    house: House, crowd: Crowd, order: list[str], random: Random, say: Callable[[str], object]
) -> Counter[str]:
    """Injure the product in this order, each time while it is at work again; count what struck."""
    struck: Counter[str] = Counter()
    for number, name in enumerate(order, 1):
        before = crowd.confirmed
        if not wait_until(
            lambda least=before + CONFIRMED_BETWEEN: crowd.confirmed >= least,  # type: ignore[misc]
            patience_seconds=LOAD_WITHIN_SECONDS,
        ):
            raise TimeoutError(f"No event is confirmed before injury {number} ({name}).")
        crowd.over.wait(random.uniform(0, 0.3))
        hit = INJURIES[name](house)
        struck[name] += hit > 0
        say(f"{number}/{len(order)} {name}: {hit} struck, {crowd.confirmed} confirmed")
        if name != "web":
            house.wait_until_whole()
    house.wait_until_whole()
    return struck


def wait_drained(house: House) -> float | None:
    """Return after how many seconds all usage is metered, None where it is not within a minute."""
    begun = time.monotonic()
    with psycopg.connect(house.settings.database_url, autocommit=True) as connection:

        def is_empty() -> bool:
            return connection.execute("SELECT 1 FROM usage_deltas LIMIT 1").fetchone() is None

        drained = wait_until(is_empty, patience_seconds=DRAINED_WITHIN_SECONDS)
    return round(time.monotonic() - begun, 1) if drained else None


def look(
    house: House, history: History, struck: Counter[str], seed: int, seconds: float, drained: float | None
) -> Report:
    """Compare the tables with what the senders were told, and verify the books."""
    with house.app():
        stored = list(db.session.scalars(select(UsageEvent.event_id)))
        rolled_up = db.session.scalar(select(func.sum(UsageRollup.events))) or 0
        charged = db.session.scalar(select(func.sum(ChargePosition.charged_amount))) or Decimal(0)
        known = db.session.scalar(select(func.count()).select_from(EventKey)) or 0
        db.session.rollback()
        books = in_transaction(verify.run)
    unknown = history.unknown - history.confirmed
    return Report(
        seed=seed,
        injuries=dict(struck),
        seconds=seconds,
        confirmed=len(history.confirmed),
        unknown=len(unknown),
        broken_requests=history.broken,
        stored=len(stored),
        unknown_that_counted=len(unknown & set(stored)),
        missing=sorted(history.confirmed - set(stored)),
        strangers=sorted(set(stored) - history.confirmed - unknown),
        wrong_answers=list(history.wrong[:10]),
        keys=known,
        rolled_up=int(rolled_up),
        charged=int(charged),
        drained_in_seconds=drained,
        failed_checks=[f"{each.name}: {each.problems}" for each in books.results if not each.ok],
    )
