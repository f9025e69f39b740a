"""Signed requests against running web servers: concurrency, other processes, a database that goes away, and
the published clients.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from redis import Redis

from app import clock
from app.db import transaction
from app.services import keys
from app.services.callers import memory
from tests.api.signing import TEST, Sender, make_sender
from tests.factories import make_account, make_metric
from tests.support.machine import ROOT
from tests.support.own import OwnDatabase
from tests.support.stores import Servers

pytestmark = pytest.mark.processes

CLIENTS = ROOT / "docs/integration/clients"
PATH = "/api/v1/events"
REVOKED_WITHIN_SECONDS = memory.REMEMBERED_SECONDS + 1


def get(url: str, headers: dict[str, str]) -> int:
    """Return the status of a GET."""
    try:
        with urlopen(Request(url, headers=headers), timeout=20) as answer:
            return int(answer.status)
    except HTTPError as error:
        return error.code


def committed_sender(own: OwnDatabase) -> Sender:
    with own.app(), transaction():
        return make_sender()[1]


def test_of_twenty_requests_with_one_nonce_exactly_one_is_let_in_also_after_a_flush(
    own_database: OwnDatabase,
) -> None:
    sender = committed_sender(own_database)
    url = own_database.start_web(workers=2)
    for round_ in range(5):
        headers = sender.headers("GET", PATH, nonce=f"round-{round_}")
        with ThreadPoolExecutor(20) as pool:
            statuses = sorted(pool.map(lambda _: get(f"{url}{PATH}", headers), range(20)))  # noqa: B023
        assert statuses == [200] + [401] * 19
        with Redis.from_url(own_database.settings.redis_url) as redis:
            redis.flushall()
        assert get(f"{url}{PATH}", headers) == 401


def test_a_revoked_key_is_refused_in_another_process_within_five_seconds(own_database: OwnDatabase) -> None:
    with own_database.app(), transaction():
        _, sender = make_sender()
        _, bearer = keys.create("bearer", scopes=["all"], actor=TEST, at=clock.now())
    url = own_database.start_web(workers=2)
    authorization = {"Authorization": f"Bearer {bearer}"}

    def both() -> list[int]:
        return [get(f"{url}{PATH}", sender.headers("GET", PATH)), get(f"{url}{PATH}", authorization)]

    assert [both() for _ in range(8)] == [[200, 200]] * 8
    with own_database.connect() as elsewhere:
        elsewhere.execute("UPDATE api_keys SET revoked_at = now()")
    begun = time.monotonic()
    refused = 0

    def refused_by_all() -> bool:
        nonlocal refused
        refused = refused + 1 if both() == [401, 401] else 0
        return refused == 8

    own_database.poll(refused_by_all, "the revocation", within_seconds=30)
    assert time.monotonic() - begun < REVOKED_WITHIN_SECONDS + 1


def test_with_the_database_away_a_rightly_signed_request_is_503_and_its_nonce_is_still_good(
    own_database: OwnDatabase, servers: Servers
) -> None:
    sender = committed_sender(own_database)
    url = own_database.start_web()
    assert get(f"{url}{PATH}", sender.headers("GET", PATH)) == 200
    headers = sender.headers("GET", PATH)
    name = str(conninfo_to_dict(own_database.url)["dbname"])
    shut = sql.SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS {}")
    ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
    with servers.administer() as server:
        server.execute(shut.format(sql.Identifier(name), sql.SQL("false")))
        server.execute(ended, [name])
        assert get(f"{url}{PATH}", headers) == 503
        assert get(f"{url}{PATH}", sender.headers("GET", PATH)) == 503
        server.execute(shut.format(sql.Identifier(name), sql.SQL("true")))
    assert get(f"{url}{PATH}", headers) == 200
    assert get(f"{url}{PATH}", headers) == 401


COMMANDS = {
    "python": [sys.executable, "sign.py"],
    "node": ["node", "sign.mjs"],
    "curl and openssl": ["sh", "sign.sh"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_published_client_posts_an_event_and_reads_it_back(own_database: OwnDatabase, name: str) -> None:
    program, script = COMMANDS[name]
    if shutil.which(program) is None:
        if os.environ.get("CI"):
            pytest.fail(f"{program} is missing.")
        pytest.skip(f"{program} is missing.")
    with own_database.app(), transaction():
        _, sender = make_sender()
        make_account(external_id="café 1")
        make_metric("m.otp")
    url = own_database.start_web()
    secret = {"OTPB_KEY_ID": sender.key_id, "OTPB_SECRET": sender.secret}

    def run(*arguments: str, **changed: str) -> tuple[str, dict]:
        command = [program, str(CLIENTS / script), *arguments]
        done = subprocess.run(
            command, env={**os.environ, **secret, **changed}, capture_output=True, text=True, timeout=60
        )
        status, _, content = done.stdout.partition("\n")
        assert done.returncode == (0 if status.startswith("2") else 1), done.stderr
        return status, json.loads(content)

    event = '{"event_id": "é-1", "account_id": "café 1", "metric": "m.otp"}'
    assert run("POST", f"{url}{PATH}", event)[0] == "202"
    status, listed = run("GET", f"{url}{PATH}?metric=m.otp&account_id=caf%C3%A9+1&limit=5")
    assert (status, [one["attributes"]["event_id"] for one in listed["data"]]) == ("200", ["é-1"])
    for path in ("caf%C3%A9%201", "c%61f%c3%A9%201"):
        assert run("GET", f"{url}/api/v1/accounts/{path}")[0] == "200", path
    assert run("GET", f"{url}/api/v1/nowhere;a=1/@:$&'()*+,=!~-._")[0] == "404"
    assert run("GET", f"{url}{PATH}?b=&&a", OTPB_SECRET=f"{sender.secret}x")[0] == "401"
    assert run("GET", f"{url}{PATH}?b=&&a")[0] == "400"
