"""The door under fire: a real web server, many senders with shuffled duplicates, connections that are cut."""

import json
import os
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

import psycopg
import pytest

from app import clock
from app.db import transaction
from app.embedded.processes import session_members
from app.services import keys
from tests import factories
from tests.api.conftest import TEST
from tests.support.own import OwnDatabase

pytestmark = pytest.mark.processes

SENDERS = 16
DELIVERIES = 4
EVENTS = 1_000
WORKERS = 2
PATIENCE_SECONDS = 120
CUT = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND application_name = %s
"""


class Sender:
    """Posts batches on one connection and sends again what was not confirmed."""

    def __init__(self, url: str, secret: str) -> None:
        self.host = urlsplit(url).netloc
        self.headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}

    def post(
        self, connection: HTTPConnection, batch: Sequence[dict[str, str]]
    ) -> tuple[int, dict[str, object]]:
        """Post a batch once."""
        connection.request("POST", "/api/v1/events", json.dumps(batch), self.headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())

    def deliver(self, events: Sequence[dict[str, str]], sizes: Iterator[int]) -> Counter[str]:
        """Deliver all events in batches, each until it is confirmed; count what was answered."""
        answers: Counter[str] = Counter()
        pause, until = threading.Event(), time.monotonic() + PATIENCE_SECONDS
        connection = HTTPConnection(self.host, timeout=30)
        waiting = list(events)
        while waiting:
            size = next(sizes)
            try:
                status, body = self.post(connection, waiting[:size])
            except (OSError, HTTPException):
                # Nobody knows what became of it, so the same is sent again.
                connection.close()
                answers["broken"] += 1
                assert not pause.wait(0.05)
                assert time.monotonic() < until, "the server does not come back"
                continue
            answers[str(status)] += 1
            if status == 503:
                continue
            assert status == 202, body
            for result in body["data"]["attributes"]["results"]:  # type: ignore[index]
                answers[result["status"]] += 1
                answers["conflict"] += result.get("conflict", False)
            waiting = waiting[size:]
        connection.close()
        return answers


@pytest.fixture
def secret(own_database: OwnDatabase) -> str:
    with own_database.app(), transaction():
        for n in range(10):
            factories.make_account(external_id=f"account-{n}")
        factories.make_metric("auth.otp", dimensions=["channel"])
        return keys.create("senders", scopes=["events:write"], actor=TEST, at=clock.now())[1]


def make_events() -> list[dict[str, str]]:
    at = clock.now().isoformat()
    return [
        {"event_id": f"e{n}", "account_id": f"account-{n % 10}", "metric": "auth.otp", "timestamp": at}
        for n in range(EVENTS)
    ]


def send_shuffled(url: str, secret: str) -> Counter[str]:
    """Deliver every event four times, shuffled, by 16 senders at once."""
    deliveries = Random(7).sample(make_events() * DELIVERIES, EVENTS * DELIVERIES)
    share = len(deliveries) // SENDERS
    sender = Sender(url, secret)

    def send(n: int) -> Counter[str]:
        sizes = Random(n)
        return sender.deliver(
            deliveries[n * share : (n + 1) * share], iter(lambda: sizes.choice((1, 3, 20)), None)
        )

    with ThreadPoolExecutor(SENDERS) as pool:
        return sum(pool.map(send, range(SENDERS)), Counter())


def stored(own: OwnDatabase) -> tuple[int, int, int]:
    with own.connect() as connection:
        found = connection.execute(
            "SELECT (SELECT count(*) FROM event_keys), (SELECT count(*) FROM usage_events), "
            "(SELECT sum(events) FROM usage_deltas)"
        ).fetchone()
    assert found is not None
    return found[0], found[1], int(found[2])


def test_shuffled_duplicates_from_sixteen_senders_count_once_each(
    own_database: OwnDatabase, secret: str
) -> None:
    url = own_database.start_web(workers=WORKERS)

    answers = send_shuffled(url, secret)

    assert (answers["accepted"], answers["duplicate"], answers["conflict"]) == (
        EVENTS,
        EVENTS * (DELIVERIES - 1),
        0,
    )
    assert stored(own_database) == (EVENTS, EVENTS, EVENTS)


def send_while(disturb: Callable[[threading.Event], int], url: str, secret: str) -> Counter[str]:
    """Deliver everything while `disturb` does its work, which must have struck."""
    over = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        disturbing = pool.submit(disturb, over)
        try:
            answers = send_shuffled(url, secret)
        finally:
            over.set()
        assert disturbing.result() > 0
    return answers


def test_every_confirmed_event_counts_exactly_once_though_connections_are_cut(
    own_database: OwnDatabase, secret: str
) -> None:
    def cut(over: threading.Event) -> int:
        cuts = 0
        with psycopg.connect(own_database.url, autocommit=True, application_name="scissors") as connection:
            while not over.wait(0.1):
                cuts += len(connection.execute(CUT, ("otpless-billing",)).fetchall())
        return cuts

    answers = send_while(cut, own_database.start_web(workers=WORKERS), secret)

    # What was applied but not confirmed is a duplicate to the sender who tries again.
    assert answers["accepted"] + answers["duplicate"] == EVENTS * DELIVERIES
    assert stored(own_database) == (EVENTS, EVENTS, EVENTS)


def test_every_confirmed_event_counts_exactly_once_though_web_workers_are_killed(
    own_database: OwnDatabase, secret: str
) -> None:
    url = own_database.start_web("--respawn-failed-workers", workers=WORKERS)
    web = own_database.processes[-1].pid
    assert web is not None

    first = [pid for pid in session_members(web) if pid != web]

    def kill(over: threading.Event) -> int:
        """Kill every worker at once, so that each sender has a request or a connection broken."""
        if over.wait(0.1):
            return 0
        for pid in first:
            os.kill(pid, signal.SIGKILL)
        return len(first)

    answers = send_while(kill, url, secret)

    assert answers["broken"] > 0
    assert answers["accepted"] + answers["duplicate"] == EVENTS * DELIVERIES
    assert stored(own_database) == (EVENTS, EVENTS, EVENTS)


@pytest.mark.parametrize("stalled", [False, True], ids=["away", "stalled"])
def test_events_are_taken_though_redis_does_not_answer(
    own_database: OwnDatabase, secret: str, tmp_path: Path, stalled: bool
) -> None:
    path = tmp_path / "redis.sock"
    own_database.settings = replace(own_database.settings, redis_url=f"unix://{path}")
    with socket.socket(socket.AF_UNIX) as silent:
        if stalled:
            silent.bind(str(path))
            silent.listen()
        url = own_database.start_web(workers=WORKERS)
        answers = Sender(url, secret).deliver(make_events(), iter(lambda: 5, None))

    assert answers == {"202": EVENTS // 5, "accepted": EVENTS, "conflict": 0}
    assert stored(own_database) == (EVENTS, EVENTS, EVENTS)
