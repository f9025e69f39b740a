"""What a job is: its name, its queue, its transaction, its retries, its row."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from redis import Redis
from rq import Callback
from rq.exceptions import DeserializationError
from rq.job import Job as QueuedJob
from rq.serializers import JSONSerializer
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

import jobs
from app.db import has_transaction, transaction
from app.errors import Invalid
from app.models import JobRun
from app.queue import QUEUES, enqueue, queue_of, wake_up_key
from app.registry import Registry, UnknownName, load_package
from jobs import runner
from jobs.runner import Job, job
from jobs.worker import RegisteredJob


@pytest.fixture(autouse=True)
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the jobs that the tests declare out of the real registry."""
    monkeypatch.setattr(runner, "jobs", Registry[Job]("job"))


@pytest.fixture
def every_job() -> Iterator[Registry[Job]]:
    """The jobs of the product."""
    load_package(jobs)
    return runner.jobs


def declared(name: str = "work", module: str = "jobs.care", **more: Any) -> Any:
    """Return a decorator that declares a job under a chosen name."""

    def enter(function: Any) -> Any:
        function.__module__, function.__name__ = module, name
        return job(more.pop("queue", "default"), **more)(function)

    return enter


def test_a_job_is_registered_under_its_dotted_name(app: Flask) -> None:
    @declared("sweep")
    def work() -> None: ...

    assert list(runner.jobs) == ["jobs.care.sweep"]


def test_a_job_cannot_declare_another_queue_than_its_wake_ups_go_to() -> None:
    with pytest.raises(ValueError, match=r"jobs\.metering\.work declares the queue 'default'"):
        declared(module="jobs.metering")(lambda: None)


def test_a_job_runs_in_a_transaction_unless_it_makes_its_own(app: Flask) -> None:
    found = [declared("one")(has_transaction)(), declared("two", transactional=False)(has_transaction)()]
    assert found == [True, False]


def test_what_a_failed_job_wrote_is_undone(app: Flask, session: Session) -> None:
    @declared()
    def work() -> None:
        session.add(JobRun(job="x", period="y"))
        session.flush()
        raise Invalid("no")

    with pytest.raises(Invalid):
        work()
    assert session.scalar(select(func.count()).select_from(JobRun)) == 0


def test_an_error_that_may_pass_is_tried_again(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(runner.time, "sleep", pauses.append)
    answers = iter([ConnectionError(), OperationalError("", {}, Exception()), "done"])

    @declared(retries=2)
    def work() -> str:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert work() == "done"
    assert pauses == [0.5, 1.0]


def test_a_refusal_is_not_tried_again(app: Flask) -> None:
    calls = []

    @declared(retries=5)
    def work() -> None:
        calls.append(1)
        raise Invalid("no")

    with pytest.raises(Invalid):
        work()
    assert calls == [1]


def test_a_job_that_begins_lifts_its_wake_up_mark(app: Flask, redis: Redis) -> None:
    seen = []
    key = wake_up_key("jobs.care.work", ("7",))
    work = declared()(lambda number: seen.append(redis.exists(key)))
    enqueue("jobs.care.work", "7")
    assert redis.exists(key) == 1
    work("7")
    assert seen == [0]


def test_a_job_leaves_one_line_in_the_log(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "jobs.runner"):
        declared()(lambda: 7)()
    (line,) = [record for record in caplog.records if record.name == "jobs.runner"]
    assert (line.message, line.job, line.result) == ("job done", "jobs.care.work", 7)


def test_a_calendar_job_closes_its_row_with_what_it_returns(app: Flask, session: Session) -> None:
    session.add(JobRun(job="jobs.care.work", period="2026-10-10T00:10Z"))
    declared(cron="10 0 * * *")(lambda: {"made": 3})()
    run = session.scalars(select(JobRun)).one()
    assert (run.succeeded, run.detail) == (True, {"made": 3})
    assert run.finished_at is not None


def test_a_calendar_job_that_fails_says_so_in_its_row(app: Flask, session: Session) -> None:
    with transaction():
        session.add(JobRun(job="jobs.care.work", period="2026-10-10T00:10Z"))

    @declared(cron="10 0 * * *")
    def work() -> None:
        raise Invalid("There is a hole.")

    with pytest.raises(Invalid):
        work()
    run = session.scalars(select(JobRun)).one()
    assert (run.succeeded, run.detail) == (False, {"error": "Invalid: There is a hole."})


def test_a_message_that_names_no_job_runs_nothing(redis: Redis) -> None:
    message = RegisteredJob.create("os.getcwd", connection=redis, serializer=JSONSerializer)
    with pytest.raises(UnknownName, match=r"There is no job named 'os\.getcwd'"):
        message.perform()


def test_a_message_that_is_not_json_runs_nothing(redis: Redis) -> None:
    pickled = QueuedJob.create("os.getcwd", connection=redis)
    pickled.save()
    with pytest.raises((UnknownName, DeserializationError, UnicodeDecodeError)):
        RegisteredJob.fetch(pickled.id, connection=redis, serializer=JSONSerializer).perform()


def test_a_message_cannot_bring_callbacks(redis: Redis) -> None:
    message = RegisteredJob.create(
        "jobs.outbox.deliver", connection=redis, serializer=JSONSerializer, on_success=Callback(print)
    )
    assert (message.success_callback, message.failure_callback, message.stopped_callback) == (None,) * 3


def test_every_queue_is_one_that_workers_listen_to() -> None:
    assert {queue_of(f"jobs.{name}.work") for name in (*QUEUES, "invoices", "verify")} == set(QUEUES)
