"""Promises are kept once they are due, tried again when they fail, and made only once."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from redis import Redis
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import transaction
from app.models import JobRun, OutboxMessage
from app.registry import Registry
from app.services import outbox

NOW = datetime(2026, 10, 10, 6, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def own_handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the handlers of the tests out of the real registry."""
    monkeypatch.setattr(outbox, "handlers", Registry("outbox kind"))


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """A clock that stands until it is moved."""
    with time_machine.travel(NOW, tick=False) as coordinates:
        yield coordinates


def message(session: Session) -> OutboxMessage:
    """Return the only promise there is."""
    return session.scalars(select(OutboxMessage).execution_options(populate_existing=True)).one()


def test_a_promise_is_kept_by_the_handler_of_its_kind(
    session: Session, redis: Redis, clock: time_machine.Traveller
) -> None:
    got = []
    outbox.handler("mail")(lambda each: got.append(each.payload))
    with transaction():
        outbox.promise("mail", "7", {"to": "asha@example.in"})
        assert redis.llen("rq:queue:documents") == 0
    assert redis.llen("rq:queue:documents") == 1
    assert outbox.has_due()
    assert outbox.deliver(10) == {"kept": 1, "failed": 0}
    assert got == [{"to": "asha@example.in"}]
    assert (message(session).done_at, message(session).attempts) == (NOW, 1)
    assert not outbox.has_due()
    assert outbox.deliver(10) == {"kept": 0, "failed": 0}


def test_the_same_promise_is_made_once(session: Session, clock: time_machine.Traveller) -> None:
    outbox.promise("mail", "7", {"first": True})
    outbox.promise("mail", "7", {"first": False})
    assert message(session).payload == {"first": True}


def test_a_promise_that_was_put_off_waits(session: Session, clock: time_machine.Traveller) -> None:
    outbox.handler("mail")(lambda each: None)
    outbox.promise("mail", "7", {}, available_at=NOW + timedelta(hours=1))
    assert not outbox.has_due()
    clock.shift(timedelta(hours=1))
    assert outbox.deliver(10) == {"kept": 1, "failed": 0}


def test_a_promise_that_fails_is_tried_again_later_and_leaves_nothing(
    session: Session, clock: time_machine.Traveller
) -> None:
    @outbox.handler("mail")
    def send(each: OutboxMessage) -> None:
        session.add(JobRun(job="half done", period=str(each.attempts)))
        session.flush()
        if each.attempts < 3:
            raise ConnectionError("The mail server is away.")

    outbox.promise("mail", "7", {})
    waits = []
    for _ in range(2):
        assert outbox.deliver(10) == {"kept": 0, "failed": 1}
        waits.append(message(session).available_at - NOW)
        clock.move_to(message(session).available_at)
    assert waits == [timedelta(seconds=2), timedelta(seconds=6)]
    assert message(session).error == "ConnectionError: The mail server is away."
    assert outbox.deliver(10) == {"kept": 1, "failed": 0}
    assert message(session).error is None
    assert session.scalars(select(JobRun.period)).all() == ["3"]


def test_a_promise_that_nobody_handles_says_so_and_stays(
    session: Session, clock: time_machine.Traveller
) -> None:
    outbox.promise("smoke.signal", "7", {})
    assert outbox.deliver(10) == {"kept": 0, "failed": 1}
    assert "There is no outbox kind named 'smoke.signal'" in (message(session).error or "")
    assert message(session).done_at is None
