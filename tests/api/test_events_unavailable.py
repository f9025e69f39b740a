"""While the database is away every door says that the outcome is unknown and when to try again; the same,
sent again, counts once.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from psycopg import sql

from app import clock
from app.db import transaction
from app.services import keys
from tests import factories
from tests.api.conftest import TEST
from tests.support.own import OwnDatabase
from tests.support.stores import Servers

pytestmark = pytest.mark.processes

CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
EVENT = {"event_id": "ours", "account_id": "acme", "metric": "auth.otp"}
CLOUD = {"specversion": "1.0", "id": "cloud", "source": "/s", "type": "auth.otp", "subject": "acme"}
LAGO = {"transaction_id": "lago", "external_subscription_id": "acme", "code": "auth.otp"}
# Path, content type, body, and the status once the database is back.
DOORS: list[tuple[str, str, Any, int]] = [
    ("/api/v1/events", "application/json", EVENT, 202),
    ("/api/v1/events", "application/cloudevents+json", CLOUD, 204),
    ("/compat/lago/api/v1/events", "application/json", {"event": LAGO}, 200),
    (
        "/compat/lago/api/v1/events/batch",
        "application/json",
        {"events": [{**LAGO, "transaction_id": "batch"}]},
        200,
    ),
]


@contextmanager
def away(servers: Servers, name: str) -> Iterator[None]:
    """Let nobody into a database while the block runs, and cut whoever is in it."""
    allow = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
    with servers.administer() as connection:
        connection.execute(allow.format(sql.Identifier(name), sql.SQL("false")))
        try:
            connection.execute(CUT, (name,))
            yield
        finally:
            connection.execute(allow.format(sql.Identifier(name), sql.SQL("true")))


def test_with_the_database_away_every_door_answers_503_and_the_same_again_counts_once(
    own_database: OwnDatabase, servers: Servers
) -> None:
    with own_database.app(), transaction():
        factories.make_account(external_id="acme")
        factories.make_metric("auth.otp")
        _, secret = keys.create("sender", scopes=["events:write"], actor=TEST, at=clock.now())
    url = own_database.start_web()
    name = own_database.url.partition("?")[0].rpartition("/")[2]

    def send(path: str, kind: str, body: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {secret}", "Content-Type": kind}
        return httpx.post(f"{url}{path}", json=body, headers=headers, timeout=60)

    with away(servers, name):
        answers = [send(path, kind, body) for path, kind, body, _ in DOORS]

    assert [(answer.status_code, answer.headers["Retry-After"]) for answer in answers] == [(503, "1")] * 4
    codes = [answer.json()["error"]["code"] for answer in answers[:2]]
    shapes = [(answer.json()["error"], answer.json()["code"]) for answer in answers[2:]]
    assert codes == ["unavailable", "unavailable"]
    assert shapes == [("Service Unavailable", "unavailable")] * 2

    again = [send(path, kind, body).status_code for path, kind, body, _ in DOORS]
    assert again == [status for *_, status in DOORS]
    with own_database.connect() as connection:
        stored = connection.execute("SELECT event_id FROM usage_events ORDER BY event_id").fetchall()
    assert stored == [("batch",), ("cloud",), ("lago",), ("ours",)]
