"""Wake-ups: coalesced, after commit, and never a reason to fail."""

from dataclasses import replace

import pytest
from flask import Flask
from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer

from app.db import transaction
from app.queue import enqueue, is_anything_queued

JOB = "jobs.metering.drain"


def waiting(redis: Redis) -> int:
    """Return how many wake-ups of the metering wait."""
    return int(Queue("metering", connection=redis, serializer=JSONSerializer).count)


def test_a_second_wake_up_is_not_queued_while_the_first_waits(app: Flask, redis: Redis) -> None:
    enqueue(JOB)
    enqueue(JOB)
    assert waiting(redis) == 1


def test_nobody_is_woken_for_work_that_was_rolled_back(app: Flask, redis: Redis) -> None:
    with pytest.raises(ZeroDivisionError), transaction():
        enqueue(JOB)
        raise ZeroDivisionError
    assert waiting(redis) == 0


def test_a_wake_up_leaves_after_the_commit(app: Flask, redis: Redis) -> None:
    with transaction():
        enqueue(JOB)
        assert waiting(redis) == 0
    assert waiting(redis) == 1


def test_redis_away_costs_one_warning_and_no_caller(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    settings = app.extensions["settings"]
    app.extensions["settings"] = replace(settings, redis_url="redis://127.0.0.1:1/0")
    try:
        enqueue(JOB)
        enqueue(JOB)
    finally:
        app.extensions["settings"] = settings
    assert [record.reason for record in caplog.records if record.name == "app.queue"] == ["ConnectionError"]


def test_a_queue_knows_whether_others_wait(app: Flask, redis: Redis) -> None:
    assert not is_anything_queued(but="metering")
    enqueue(JOB)
    assert not is_anything_queued(but="metering")
    assert is_anything_queued(but="billing")


def test_others_may_wait_where_redis_cannot_be_asked(app: Flask) -> None:
    settings = app.extensions["settings"]
    app.extensions["settings"] = replace(settings, redis_url="redis://127.0.0.1:1/0")
    try:
        assert is_anything_queued(but="metering")
    finally:
        app.extensions["settings"] = settings
