"""Metering by real workers: killed in the middle, several at once, nothing lost and nothing twice."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from functools import partial

import psutil
import pytest
from flask import Flask
from redis import Redis
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.db import db, in_transaction, transaction
from app.embedded.processes import Child
from app.models import ChargePosition, Metric, UsageDelta, UsageRollup, Wallet
from app.queue import enqueue
from app.services import metering, verify
from app.services.event_store import Row, store
from app.services.rating import Tariffs
from jobs import metering as job
from tests.factories import graduated, make_metric
from tests.services.metered import NOON, a_rupee_each, add_usage, figures, subscribe_prepaid
from tests.support.own import OwnDatabase

ACCOUNTS, EVENTS, BATCH = 4, 50_000, 1_000
CHANNELS = ("sms", "whatsapp", "email")


def arrive(wallets: list[Wallet], metric: Metric, events: int) -> None:
    """Store events as ingest does, so scattered that nearly each becomes a delta of its own."""
    for first in range(0, events, BATCH):
        rows = []
        for n in range(first, min(first + BATCH, events)):
            at = NOON + timedelta(minutes=15 * (n // 12 % 96))
            dimensions = f'{{"channel": "{CHANNELS[n % 3]}"}}'
            account = wallets[n % len(wallets)].account_id
            rows.append(Row(account, f"e{n}", b"", at, metric.id, Decimal(1), dimensions, at, dimensions))
        with transaction():
            store(db.session.connection().connection.driver_connection, rows)


def waiting(own: OwnDatabase) -> int:
    """Return how many deltas wait, as everybody sees it."""
    with own.connect() as connection:
        return int(connection.execute("SELECT count(*) FROM usage_deltas").fetchone()[0])


def has_begun(own: OwnDatabase, before: int) -> bool:
    """Tell whether some of the usage that waited has been metered since."""
    return waiting(own) < before


def kill_with_horse(worker: Child) -> None:
    """Kill a worker and the process that runs its job, at once."""
    process = psutil.Process(worker.pid)
    for each in (*process.children(recursive=True), process):
        os.kill(each.pid, signal.SIGKILL)


@pytest.mark.processes
def test_workers_killed_in_the_middle_lose_nothing_and_count_nothing_twice(own_database: OwnDatabase) -> None:
    with own_database.app():
        with transaction():
            metric = make_metric()
            tiers = graduated(metric, ("1000", "0"), ("5000", "0.033"), (None, "0.0071"))
            wallets = [subscribe_prepaid(tiers, balance="500")[1] for _ in range(ACCOUNTS)]
        arrive(wallets, metric, EVENTS)
        total = waiting(own_database)
        own_database.start("scheduler", "-m", "jobs.schedule")
        enqueue(job.NAME)
        left = total
        for _ in range(3):
            worker = own_database.start_worker()
            own_database.poll(partial(has_begun, own_database, left), "some usage to be metered", worker)
            kill_with_horse(worker)
            left = waiting(own_database)
        assert 0 < left < total
        worker = own_database.start_worker()
        own_database.poll(lambda: waiting(own_database) == 0, "all usage to be metered", worker)
        report = in_transaction(verify.run)
        assert [(each.name, each.problems) for each in report.results if not each.ok] == []
        assert db.session.scalar(select(func.sum(UsageRollup.quantity))) == EVENTS
        used = EVENTS // ACCOUNTS
        price = 4000 * Decimal("0.033") + (used - 5000) * Decimal("0.0071")
        ends = db.session.execute(
            select(Wallet.balance, ChargePosition.quantity).join(
                ChargePosition, ChargePosition.account_id == Wallet.account_id
            )
        ).all()
        assert ends == [(500 - price.quantize(Decimal("0.01")), used)] * ACCOUNTS


@pytest.mark.processes
def test_a_worker_and_a_scheduler_outlive_their_connections_and_an_empty_redis(
    own_database: OwnDatabase,
) -> None:
    with own_database.app():
        with transaction():
            subscription, _, metric = a_rupee_each(balance="100")
            account = subscription.account
        scheduler = own_database.start("scheduler", "-m", "jobs.schedule")
        worker = own_database.start_worker()
        for n in range(2):
            with transaction():
                add_usage(account, metric, n + 1)
            own_database.poll(lambda: waiting(own_database) == 0, f"usage {n} to be metered", worker)
            with own_database.connect() as connection:
                others = (
                    "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
                connection.execute(f"SELECT pg_terminate_backend(pid) {others}")
            db.session.rollback()
            with Redis.from_url(own_database.settings.redis_url) as redis:
                redis.flushdb()
                for client in redis.client_list():
                    if client["id"] != str(redis.client_id()):
                        redis.client_kill_filter(client["id"])
        with transaction():
            add_usage(account, metric, 3)
        own_database.poll(lambda: waiting(own_database) == 0, "the last usage to be metered", worker)
        assert db.session.scalars(select(Wallet.balance)).all() == [94]
        assert (psutil.pid_exists(worker.pid or 0), psutil.pid_exists(scheduler.pid or 0)) == (True, True)


@pytest.mark.parametrize(
    ("group_by", "price"),
    [(None, 50 + 1450 * Decimal("0.037")), ("channel", 3 * (50 + 450 * Decimal("0.037")))],
)
def test_many_runs_at_once_share_the_work_and_agree(
    own_database: OwnDatabase, group_by: str | None, price: Decimal
) -> None:
    with own_database.app() as app:
        with transaction():
            metric = make_metric()
            tiers = graduated(metric, ("50", "1"), (None, "0.037"), group_by=group_by)
            wallets = [subscribe_prepaid(tiers, balance="500")[1] for _ in range(2)]
        arrive(wallets, metric, 3_000)

        def drain(_: int) -> int:
            with app.app_context():
                tariffs, done = Tariffs(), 0
                while batch := in_transaction(lambda: metering.drain(40, tariffs)):
                    done += batch
                return done

        total = waiting(own_database)
        with ThreadPoolExecutor(4) as pool:
            shares = list(pool.map(drain, range(4)))
        assert sum(shares) == total
        assert waiting(own_database) == 0
        report = in_transaction(verify.run)
        assert [(each.name, each.problems) for each in report.results if not each.ok] == []
        assert db.session.scalars(select(Wallet.balance)).all() == [500 - price] * 2


def test_the_job_run_by_hand_ends_when_the_queue_is_empty(session: Session) -> None:
    subscription, wallet, metric = a_rupee_each(balance="10")
    for _ in range(3):
        add_usage(subscription.account, metric, 1)
    assert job.drain() == {"deltas": 3}
    assert figures(wallet) == ("7.00", "0.00")
    assert session.scalar(select(func.count()).select_from(UsageDelta)) == 0


@pytest.fixture
def asked(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What was enqueued during the test."""
    names: list[str] = []
    monkeypatch.setattr(job, "enqueue", names.append)
    monkeypatch.setattr(job, "get_current_job", lambda: "in a worker")
    return names


def test_the_job_in_a_worker_stays_while_nobody_else_waits(
    session: Session, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "LIFE_SECONDS", 0.0)
    monkeypatch.setattr(metering, "BATCH", 2)
    subscription, _, metric = a_rupee_each()
    for _ in range(5):
        add_usage(subscription.account, metric, 1)
    assert job.drain() == {"deltas": 5}
    assert asked == []


def test_the_job_in_a_worker_hands_over_when_its_time_is_up(
    session: Session, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    enqueue("jobs.verify.nightly")
    monkeypatch.setattr(job, "LIFE_SECONDS", 0.0)
    monkeypatch.setattr(metering, "BATCH", 2)
    subscription, _, metric = a_rupee_each()
    for _ in range(5):
        add_usage(subscription.account, metric, 1)
    assert job.drain() == {"deltas": 2}
    assert asked == [job.NAME]
