"""What is kept in Redis: never older than the last commit, and nobody needs it."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from flask import Flask
from redis import Redis

from app.db import transaction
from app.models import Account, Metric
from app.queue import enqueue
from app.services import cache, marks, metrics, usage, usage_charts
from app.services.usage import Reading
from app.services.usage_charts import Days
from tests.factories import ACTOR, make_account, make_metric
from tests.services.metered import NOON, add_usage, meter
from tests.support.machine import ROOT
from tests.support.own import OwnDatabase

NAME = "usage:1"
CHANGE_IT = """
from app.db import transaction
from app.factory import create_app
from app.config import Settings
from app.services import cache
with create_app(Settings.from_env()).app_context():
    with transaction():
        cache.changed(["usage:1"])
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """Something with the types that answers have."""

    at: datetime
    quantity: Decimal


@pytest.fixture
def own(own_database: OwnDatabase, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    """The application where commits stay, so that answers are kept.

    A busy machine may hold Redis up for longer than a page may wait for it: here it is waited for.
    """
    monkeypatch.setattr(cache, "TIMEOUT_SECONDS", 30.0)
    cache._line.cache_clear()
    with own_database.app() as app:
        yield app
    cache._line.cache_clear()


@pytest.fixture
def stored(own: Flask) -> Iterator[Redis]:
    """The Redis of that application."""
    with Redis.from_url(own.extensions["settings"].redis_url) as redis:
        yield redis


class Source:
    """Gives 1, 2, 3, … and so tells how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self) -> int:
        self.asked += 1
        return self.asked


def get(source: Source) -> int:
    """Return the source's answer, kept under one key and made from one name."""
    return cache.get_or_make("answer", [NAME], 300, source, int)


def test_an_answer_is_made_once_and_comes_back_as_it_was(own: Flask) -> None:
    answer = [Answer(NOON, Decimal("0.100")), Answer(NOON + timedelta(microseconds=1), Decimal(10) ** 20)]
    read = [cache.get_or_make("all", [NAME], 300, lambda: answer, list[Answer]) for _ in range(2)]
    source = Source()
    assert read == [answer, answer]
    assert str(read[1][0].quantity) == "0.100"
    assert [get(source), get(source)] == [1, 1]


def test_an_answer_goes_after_its_seconds(own: Flask, stored: Redis) -> None:
    get(Source())
    assert stored.ttl("cache:answer") in range(270, 301)


def test_a_change_counts_from_its_commit_on(own: Flask) -> None:
    source = Source()
    assert get(source) == 1
    with transaction():
        cache.changed([NAME])
    assert get(source) == 2


def test_a_change_that_is_rolled_back_changes_nothing(own: Flask) -> None:
    source = Source()
    assert get(source) == 1
    with pytest.raises(ZeroDivisionError), transaction():
        cache.changed([NAME])
        raise ZeroDivisionError
    assert get(source) == 1


def test_what_was_read_before_a_commit_is_not_kept_after_it(own: Flask) -> None:
    def slow() -> int:
        with transaction():
            cache.changed([NAME])
        return 0

    source = Source()
    assert cache.get_or_make("answer", [NAME], 300, slow, int) == 0
    assert get(source) == 1


def test_a_transaction_sees_what_it_wrote_and_keeps_nothing(own: Flask) -> None:
    source = Source()
    assert get(source) == 1
    with transaction():
        assert get(source) == 2
    assert get(source) == 1


def test_a_change_by_another_process_counts_here(own: Flask, own_database: OwnDatabase) -> None:
    source = Source()
    assert get(source) == 1
    subprocess.run(
        [sys.executable, "-c", CHANGE_IT], env=own_database.environment, cwd=ROOT, check=True, timeout=60
    )
    assert get(source) == 2


def test_a_flushed_redis_costs_one_making(own: Flask, stored: Redis) -> None:
    source = Source()
    get(source)
    stored.flushdb()
    assert [get(source), get(source)] == [2, 2]


def test_an_answer_made_before_a_flush_is_not_kept_under_the_marks_after_it(
    own: Flask, stored: Redis
) -> None:
    def slow() -> int:
        stored.flushdb()
        return 0

    cache.get_or_make("answer", [NAME], 300, slow, int)
    assert get(Source()) == 1


def test_an_answer_of_another_form_is_made_again(own: Flask) -> None:
    cache.get_or_make("answer", [NAME], 300, lambda: ["text"], list[str])
    assert get(Source()) == 1


def test_only_the_answers_that_are_not_kept_are_made(own: Flask) -> None:
    asked: list[list[str]] = []

    def make(keys: list[str]) -> dict[str, str]:
        asked.append(keys)
        return {key: key.upper() for key in keys}

    cache.get_or_make_all({"a": ["x"], "b": ["y"]}, 300, make, str)
    cache.changed(["y"])
    found = cache.get_or_make_all({"a": ["x"], "b": ["y"], "c": ["x"]}, 300, make, str)
    assert found == {"a": "A", "b": "B", "c": "C"}
    assert asked == [["a", "b"], ["b", "c"]]


def test_redis_away_costs_one_time_out_a_second_and_no_answer(
    own: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    settings = own.extensions["settings"]
    own.extensions["settings"] = replace(settings, redis_url="redis://127.0.0.1:1/1")
    source = Source()
    try:
        cache.changed([NAME])
        answers = [get(source), get(source)]
    finally:
        own.extensions["settings"] = settings
    assert answers == [1, 2]
    assert [one.reason for one in caplog.records if one.name == "app.services.cache"] == ["ConnectionError"]


def test_a_change_that_redis_missed_is_told_first_when_it_is_back(
    own: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Source()
    get(source)
    line = cache._line(own.extensions["settings"].redis_url)
    with monkeypatch.context() as broken:
        broken.setattr(line, "_redis", Redis.from_url("redis://127.0.0.1:1/2"))
        cache.changed([NAME])
        assert get(source) == 2
    monkeypatch.setattr(line, "_shut_until", 0.0)
    assert [get(source), get(source)] == [3, 3]


def test_nothing_is_kept_of_what_may_be_rolled_back(app: Flask, redis: Redis) -> None:
    source = Source()
    assert [get(source), get(source)] == [1, 2]
    assert redis.keys("cache:*") == []


@pytest.fixture
def used(own: Flask) -> tuple[Account, Metric]:
    """An account that used 1 at noon, committed and metered."""
    with transaction():
        account, metric = make_account(), make_metric(name="Passwords")
        add_usage(account, metric, 1, channel="sms")
        meter()
    return account, metric


def quantities(account: Account) -> list[Decimal]:
    """Return the quantities of the account's October by day."""
    reading = Reading(account, NOON - timedelta(days=9), NOON + timedelta(days=9))
    return [row.quantity for row in usage.read(reading, limit=100)]


def test_usage_that_is_read_is_never_older_than_the_last_metering(used: tuple[Account, Metric]) -> None:
    account, metric = used
    days = Days(NOON.date(), NOON.date() + timedelta(days=1), "Asia/Kolkata")
    assert quantities(account) == [1]
    assert [each.quantity for each in usage_charts.totals([account.id], days)] == [1]
    with transaction():
        add_usage(account, metric, 2, channel="sms")
        meter()
    assert quantities(account) == [3]
    assert [each.quantity for each in usage_charts.totals([account.id], days)] == [3]
    assert usage_charts.trends([account.id], days)[0].lines == [("sms", [3])]


def test_usage_that_another_process_metered_is_read_at_once(
    used: tuple[Account, Metric], own_database: OwnDatabase
) -> None:
    account, metric = used
    assert quantities(account) == [1]
    with transaction():
        add_usage(account, metric, 2, channel="sms")
        enqueue("jobs.metering.drain")
    own_database.start_worker()
    with own_database.connect() as connection:
        rolled_up = "SELECT sum(quantity) FROM usage_rollups"
        own_database.poll(lambda: connection.execute(rolled_up).fetchone() == (3,), "the usage to be metered")
    own_database.poll(lambda: quantities(account) == [3], "the answer to follow", within_seconds=1)


def test_a_metric_is_told_by_its_new_name_at_once(used: tuple[Account, Metric]) -> None:
    account, metric = used
    days = Days(NOON.date(), NOON.date() + timedelta(days=1), "Asia/Kolkata")
    assert usage_charts.totals([account.id], days)[0].metric.name == "Passwords"
    with transaction():
        metrics.update(metric, {"name": "One-time passwords"}, actor=ACTOR)
    assert usage_charts.totals([account.id], days)[0].metric.name == "One-time passwords"


def test_a_local_day_is_made_from_the_hours_of_utc_that_it_touches() -> None:
    start, end = datetime(2026, 10, 31, 18, 30, tzinfo=UTC), datetime(2026, 11, 1, 18, 30, tzinfo=UTC)
    names = marks.usage_between(start, end)
    assert (names[0], names[-1], len(names)) == ("usage-at:2026-10-31T18", "usage-at:2026-11-01T18", 9)
    assert marks.usage_at(end - timedelta(minutes=15)) in names
    day = datetime(2026, 11, 1, tzinfo=UTC)
    assert marks.usage_between(day, day + timedelta(hours=3)) == ["usage-at:2026-11-01T00"]
    assert marks.usage_between(day, day + timedelta(hours=4)) == [
        "usage-at:2026-11-01T00",
        "usage-at:2026-11-01T03",
    ]
