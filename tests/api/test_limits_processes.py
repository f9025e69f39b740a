"""Limits of a real web server with two processes, and events taken while Redis dies and hangs."""

import json
import os
import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from app import clock
from app.db import transaction
from app.embedded.processes import wait_until
from app.embedded.stores import Stores
from app.services import keys
from tests import factories
from tests.api.conftest import TEST
from tests.support.own import OwnDatabase

pytestmark = pytest.mark.processes


def prepare(own: OwnDatabase) -> str:
    """Make an account, a metric and a key; return the key's secret."""
    with own.app(), transaction():
        factories.make_account(external_id="acme")
        factories.make_metric("auth.otp")
        return keys.create("sender", scopes=["all"], actor=TEST, at=clock.now())[1]


def call(url: str, secret: str, body: object = None) -> int:
    """Call with a key, post where there is a body, and return the status."""
    headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    try:
        with urlopen(Request(url, data, headers), timeout=30) as response:
            return int(response.status)
    except HTTPError as refused:
        with refused:
            return refused.code


def send(url: str, secret: str, first: int, count: int) -> Counter[int]:
    """Post single events on eight connections and count the statuses."""

    def post(number: int) -> int:
        event = {"event_id": f"e{number}", "account_id": "acme", "metric": "auth.otp"}
        return call(f"{url}/api/v1/events", secret, event)

    with ThreadPoolExecutor(8) as senders:
        return Counter(senders.map(post, range(first, first + count)))


def test_two_web_processes_let_exactly_as_many_through_as_the_limit_says(own_database: OwnDatabase) -> None:
    own_database.settings = replace(own_database.settings, rate_limits="invoices=1/h:20 events=1/h:30")
    secret = prepare(own_database)
    url = own_database.start_web(workers=2)

    with ThreadPoolExecutor(8) as readers:
        read = Counter(readers.map(lambda _: call(f"{url}/api/v1/invoices", secret), range(60)))
    sent = send(url, secret, 0, 60)

    assert read == {200: 20, 429: 40}
    assert sent == {202: 30, 429: 30}
    with own_database.connect() as connection:
        assert connection.execute("SELECT count(*) FROM usage_events").fetchone() == (30,)


def test_no_event_is_lost_or_refused_while_redis_hangs_dies_and_comes_back(
    own_database: OwnDatabase, own_redis: Stores
) -> None:
    [server] = own_redis.children
    own_database.settings = replace(own_database.settings, redis_url=own_redis.redis_url)
    secret = prepare(own_database)
    url = own_database.start_web(workers=2)
    assert server.pid is not None

    before = send(url, secret, 0, 50)
    os.kill(server.pid, signal.SIGSTOP)
    hanging = send(url, secret, 50, 50)
    os.kill(server.pid, signal.SIGKILL)
    server.wait_stopped()
    dead = send(url, secret, 100, 50)
    server.start()
    assert wait_until(server.ready, patience_seconds=60)
    back = send(url, secret, 150, 50)

    assert (before, hanging, dead, back) == ({202: 50},) * 4
    with own_database.connect() as connection:
        assert connection.execute("SELECT count(*) FROM usage_events").fetchone() == (200,)
