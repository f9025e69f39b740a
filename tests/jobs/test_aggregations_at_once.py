"""The same events of every aggregation, in any order, in any batches, metered by several runs at once."""

import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Text, cast, select

from app.db import db, in_transaction, transaction
from app.domain.aggregations import aggregations
from app.models import Account, ChargePosition, Metric, PriceComponent, UsageRollup, Wallet
from app.services import events, metering, verify
from app.services.rating import Tariffs
from tests.factories import (
    ACTOR,
    make_account,
    make_metric,
    make_plan,
    make_subscription,
    make_wallet,
    per_unit,
)
from tests.services.metered import NOON
from tests.support.own import OwnDatabase

EVENTS, SENDERS, METERS = 300, 2, 3
PROPERTY = {"count": None, "unique_count": "user", "weighted_sum": "change"}
Raw = dict[str, Any]


def make_metrics() -> list[Metric]:
    """Make a metric of every aggregation."""
    return [
        make_metric(name, aggregation=name, value_property=PROPERTY.get(name, "v"), dimensions=["channel"])
        for name in aggregations
    ]


def make_events() -> list[Raw]:
    """Return 300 events of all metrics over five buckets of two days, some at the same instant."""
    chance = random.Random(11)
    return [
        {
            "event_id": f"e{n:03}",
            "metric": list(aggregations)[n % len(aggregations)],
            "timestamp": (
                NOON + chance.choice((0, 1, 2, 96, 97)) * timedelta(minutes=15) + timedelta(seconds=n % 7)
            ).isoformat(),
            "properties": {
                "v": str(Decimal(chance.randint(0, 5_000)).scaleb(-2)),
                "change": str(chance.randint(-5, 20)),
                "user": f"u{chance.randint(1, 12)}",
                "operation_type": chance.choice(("add", "add", "remove")),
                "channel": chance.choice(("sms", "email")),
            },
        }
        for n in range(EVENTS)
    ]


def batches(sent: Sequence[Raw], chance: random.Random) -> Iterator[list[Raw]]:
    """Yield the events shuffled, 1 to 20 at a time."""
    left = chance.sample(sent, len(sent))
    while left:
        size = chance.randint(1, 20)
        yield left[:size]
        left = left[size:]


def send(account_id: str, batch: Sequence[Raw]) -> None:
    """Post a batch for an account, all of which is new."""
    named = [{**each, "account_id": account_id} for each in batch]
    answers = events.ingest(named, source="test", actor=ACTOR, max_age=None, at=NOON + timedelta(days=3))
    assert {each.status for each in answers} == {events.Status.accepted}


def meter(limit: int) -> None:
    """Meter until nothing is free."""
    tariffs = Tariffs()
    while in_transaction(lambda: metering.drain(limit, tariffs)):
        pass


def send_and_meter_at_once(app: Flask, account_id: str, sent: Sequence[Raw], seed: int) -> None:
    """Send shuffled batches by two senders while three runs meter what is there."""
    chance = random.Random(seed)
    cut = list(batches(sent, chance))

    def post(number: int) -> None:
        with app.app_context():
            for batch in cut[number::SENDERS]:
                send(account_id, batch)

    def drain(number: int) -> None:
        with app.app_context():
            for _ in range(40):
                meter(1 + (number * 7 + seed) % 20)

    with ThreadPoolExecutor(SENDERS + METERS) as pool:
        runs = [pool.submit(post, n) for n in range(SENDERS)] + [pool.submit(drain, n) for n in range(METERS)]
    for each in runs:
        each.result()
    meter(50)


def ends_of(account_id: str) -> tuple[Any, ...]:
    """Return what an account's events became: rollups, positions, balance."""
    held = (UsageRollup.quantity, UsageRollup.events, UsageRollup.state)
    rollups = (
        select(Metric.code, UsageRollup.bucket_at, UsageRollup.dimensions, *held)
        .join(Metric, Metric.id == UsageRollup.metric_id)
        .where(UsageRollup.account_id == account_id)
        .order_by(Metric.code, UsageRollup.bucket_at, cast(UsageRollup.dimensions, Text))
    )
    charged = (ChargePosition.quantity, ChargePosition.events, ChargePosition.charged_amount)
    positions = (
        select(PriceComponent.code, *charged)
        .join(PriceComponent, PriceComponent.id == ChargePosition.component_id)
        .where(ChargePosition.account_id == account_id)
        .order_by(PriceComponent.code)
    )
    balance = db.session.scalar(select(Wallet.balance).where(Wallet.account_id == account_id))
    return db.session.execute(rollups).all(), db.session.execute(positions).all(), balance


def test_any_order_and_any_runs_end_at_the_same_rollups_positions_and_balance(
    own_database: OwnDatabase,
) -> None:
    sent = make_events()
    with own_database.app() as app:
        with transaction():
            plan = make_plan(components=[per_unit(metric, "1.25") for metric in make_metrics()])
            accounts: list[Account] = [make_account(prepaid=True) for _ in range(4)]
            for account in accounts:
                make_wallet("100000", account=account)
                make_subscription(account, plan)
            ids = [str(account.id) for account in accounts]
        for raw in sent:
            send(ids[0], [raw])
        meter(EVENTS)
        for seed, account_id in enumerate(ids[1:]):
            send_and_meter_at_once(app, account_id, sent, seed)
        with transaction():
            first, *others = map(ends_of, ids)
        assert others == [first] * 3
        rollups, positions, balance = first
        assert (len(positions), sum(position.events for position in positions)) == (8, EVENTS)
        assert sum(rollup.events for rollup in rollups) == EVENTS
        assert balance == 100_000 - sum(position.charged_amount for position in positions)
        report = in_transaction(verify.run)
        assert [(each.name, each.problems) for each in report.results if not each.ok] == []


@pytest.mark.parametrize("second_at", [NOON, NOON + timedelta(hours=1)], ids=["one bucket", "two buckets"])
def test_a_run_that_waits_for_another_sees_what_that_one_wrote(
    own_database: OwnDatabase, second_at: datetime
) -> None:
    with own_database.app() as app:
        with transaction():
            metric = make_metric("peak", aggregation="max", value_property="v")
            account = make_account(prepaid=True)
            make_wallet("100", account=account)
            make_subscription(account, make_plan(components=[per_unit(metric, "1")]))
            account_id = str(account.id)

        def arrive(event_id: str, value: str, at: datetime) -> None:
            event = {"event_id": event_id, "metric": "peak", "timestamp": at.isoformat()}
            send(account_id, [{**event, "properties": {"v": value}}])

        def wait() -> None:
            with app.app_context():
                meter(1)

        with ThreadPoolExecutor(1) as pool:
            arrive("a", "9", NOON)
            with transaction():
                assert metering.drain(1) == 1
                pool.submit(arrive_within, app, arrive, "b", "5", second_at).result()
                waiting = pool.submit(wait)
                own_database.poll(lambda: is_blocked(own_database), "the second run to wait for the first")
            waiting.result()
        with transaction():
            rollups, positions, balance = ends_of(account_id)
        assert [row.events for row in rollups] == ([2] if second_at == NOON else [1, 1])
        assert positions == [("peak", 9, 2, 9)]
        assert balance == 91


def arrive_within(app: Flask, arrive: Callable[..., None], *event: Any) -> None:
    """Send an event from another thread than the one that holds a transaction."""
    with app.app_context():
        arrive(*event)


def is_blocked(own: OwnDatabase) -> bool:
    """Tell whether somebody waits for a lock of another transaction."""
    with own.connect() as connection:
        return connection.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone() != (0,)
