"""The scheduler asks for what is due: once a moment, whoever else asks, and again where nobody came."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from redis import Redis
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import JobRun
from app.registry import Registry
from jobs import runner, schedule
from jobs.runner import Job
from jobs.schedule import Scheduler, latest_moment

NIGHT = datetime(2026, 10, 10, 0, 10, tzinfo=UTC)


@pytest.fixture
def one_job(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make a job the only one there is."""

    def only(cron: str | float, due: Any = None) -> None:
        registry: Registry[Job] = Registry("job")
        registry.register("jobs.care.work")(Job("jobs.care.work", lambda: None, "default", cron, due, 60))
        monkeypatch.setattr(runner, "jobs", registry)

    return only


@pytest.mark.parametrize(
    ("at", "moment"),
    [
        (NIGHT, NIGHT),
        (NIGHT - timedelta(microseconds=1), NIGHT - timedelta(days=1)),
        (NIGHT + timedelta(hours=23), NIGHT),
    ],
)
def test_the_latest_moment_is_at_or_before_an_instant(at: datetime, moment: datetime) -> None:
    assert latest_moment("10 0 * * *", at) == moment


def test_two_schedulers_ask_for_a_moment_once(
    app: Flask, session: Session, redis: Redis, one_job: Any
) -> None:
    one_job("10 0 * * *")
    first, second = Scheduler(), Scheduler()
    asked = [each.tick(NIGHT) for each in (first, second, first)]
    assert asked == [["jobs.care.work"], [], []]
    assert redis.llen("rq:queue:default") == 1
    assert session.scalars(select(JobRun.period)).all() == ["2026-10-10T00:10Z"]


def test_a_scheduler_that_was_away_asks_for_the_moment_it_missed(app: Flask, one_job: Any) -> None:
    one_job("10 0 * * *")
    scheduler = Scheduler()
    scheduler.tick(NIGHT)
    assert scheduler.tick(NIGHT + timedelta(days=3, hours=5)) == ["jobs.care.work"]


def test_a_job_by_seconds_is_asked_for_when_there_is_something_to_do(
    app: Flask, one_job: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds, waiting = [0.0], [True]
    monkeypatch.setattr(schedule.time, "monotonic", lambda: seconds[0])
    one_job(3, due=lambda: waiting[0])
    scheduler = Scheduler()
    asked = []
    for second, backlog in ((0, True), (2, True), (3, False), (6, True), (6.5, True)):
        seconds[0], waiting[0] = float(second), backlog
        asked.append(scheduler.tick(NIGHT))
    assert [len(each) for each in asked] == [1, 0, 0, 1, 0]


def test_a_run_that_nobody_finished_is_asked_for_again(
    app: Flask, session: Session, one_job: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_job("10 0 * * *")
    seconds = [0.0]
    monkeypatch.setattr(schedule.time, "monotonic", lambda: seconds[0])
    session.add(JobRun(job="jobs.care.work", period="2026-10-10T00:10Z", started_at=NIGHT))
    session.flush()
    scheduler = Scheduler()
    assert scheduler.tick(NIGHT + timedelta(minutes=6)) == []
    seconds[0] = 60.0
    assert scheduler.tick(NIGHT + timedelta(minutes=4)) == []
    seconds[0] = 120.0
    assert scheduler.tick(NIGHT + timedelta(minutes=6)) == ["jobs.care.work"]
