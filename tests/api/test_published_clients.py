"""The published clients of CloudEvents and Lago, as they come from PyPI, against the running web server."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from cloudevents.core.bindings.http import HTTPMessage, to_binary_event, to_structured_event
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from cloudevents.v1.conversion import to_binary as to_binary_1
from cloudevents.v1.conversion import to_structured as to_structured_1
from cloudevents.v1.http import CloudEvent as CloudEvent1
from lago_python_client.client import Client
from lago_python_client.exceptions import LagoApiError
from lago_python_client.models import BatchEvent, Event

from app import clock
from app.db import transaction
from app.services import keys
from tests import factories
from tests.api.conftest import TEST
from tests.support.own import OwnDatabase

pytestmark = pytest.mark.processes

STORED = "SELECT event_id, quantity, properties, occurred_at FROM usage_events ORDER BY event_id"


@dataclass
class Server:
    """The running web server, and the key of a sender."""

    own: OwnDatabase
    url: str
    secret: str

    def stored(self) -> list[tuple[str, Decimal, dict[str, Any], datetime]]:
        """Return what was stored."""
        with self.own.connect() as connection:
            return connection.execute(STORED).fetchall()

    def post(self, message: HTTPMessage) -> httpx.Response:
        """Send what a CloudEvents client made."""
        headers = {**message.headers, "Authorization": f"Bearer {self.secret}"}
        return httpx.post(f"{self.url}/api/v1/events", content=message.body, headers=headers)


@pytest.fixture
def server(own_database: OwnDatabase) -> Server:
    with own_database.app(), transaction():
        factories.make_account(external_id="acme")
        factories.make_metric("auth.otp", aggregation="sum", dimensions=["channel"])
        _, secret = keys.create("sender", scopes=["events:write"], actor=TEST, at=clock.now())
    return Server(own_database, own_database.start_web(), secret)


def a_cloud(event_id: str, at: datetime, **more: Any) -> CloudEvent:
    attributes = {"id": event_id, "source": "/sms gateway", "type": "auth.otp", "subject": "acme", "time": at}
    return CloudEvent({**attributes, **more}, {"channel": "sms", "quantity": 2.5})


def test_the_cloudevents_client_posts_in_every_mode(server: Server) -> None:
    at = datetime.now(UTC).replace(microsecond=1)
    single = JSONFormat()
    batch = b"[" + b",".join(single.write(a_cloud(f"batch-{n}", at)) for n in range(2)) + b"]"
    kind = {"content-type": "application/cloudevents-batch+json"}
    old = {
        "id": "structured-1",
        "source": "/s",
        "type": "auth.otp",
        "subject": "acme",
        "time": at.isoformat(),
    }

    answers = [
        server.post(to_structured_event(a_cloud("structured", at))),
        server.post(to_binary_event(a_cloud("binary", at))),
        server.post(to_binary_event(a_cloud("₹ 100%", at, datacontenttype="application/json"))),
        server.post(HTTPMessage(kind, batch)),
        server.post(HTTPMessage(*to_structured_1(CloudEvent1(old, {"channel": "sms", "quantity": "2.5"})))),
        server.post(HTTPMessage(*to_binary_1(CloudEvent1({**old, "id": "binary-1"}, {"quantity": 2.5})))),
        server.post(to_structured_event(a_cloud("binary", at))),
    ]

    assert [(answer.status_code, answer.content) for answer in answers] == [(204, b"")] * 7
    assert [(row[0], row[1], row[3]) for row in server.stored()] == [
        (event_id, Decimal("2.5"), at)
        for event_id in ("batch-0", "batch-1", "binary", "binary-1", "structured", "structured-1", "₹ 100%")
    ]


def test_the_cloudevents_client_is_told_what_is_wrong_in_its_own_names(server: Server) -> None:
    answers = [
        server.post(make(a_cloud("x", datetime.now(UTC), subject="nobody")))
        for make in (to_structured_event, to_binary_event)
    ]

    fields = [answer.json()["error"]["fields"] for answer in answers]
    told = {"pointer": "/subject", "code": "unknown_account", "message": "There is no account with this id."}
    assert [answer.status_code for answer in answers] == [400, 400]
    assert fields == [[told], [told]]
    assert server.stored() == []


def an_event(transaction_id: str, **more: Any) -> Event:
    given = {"external_subscription_id": "acme", "code": "auth.otp", "properties": {"channel": "sms"}}
    return Event(transaction_id=transaction_id, **{**given, **more})


def lago(server: Server, secret: str = "") -> Client:
    return Client(api_key=secret or server.secret, api_url=f"{server.url}/compat/lago/")


def test_the_lago_client_posts_one_event_and_reads_it_back(server: Server) -> None:
    at = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)
    client = lago(server)

    event = client.events.create(an_event("t-1", timestamp=int(at.timestamp())))

    assert event is not None
    assert (event.transaction_id, event.external_subscription_id, event.code) == ("t-1", "acme", "auth.otp")
    assert event.timestamp == at.isoformat().replace("+00:00", "Z")
    assert event.properties == {"channel": "sms"}
    assert event.lago_id is not None
    assert server.stored() == [("t-1", Decimal(1), {"channel": "sms"}, at)]


def test_the_lago_client_learns_why_nothing_was_stored(server: Server) -> None:
    client = lago(server)
    client.events.batch_create(BatchEvent(events=[an_event("a"), an_event("b")]))

    with pytest.raises(LagoApiError) as twice:
        client.events.create(an_event("a"))
    with pytest.raises(LagoApiError) as partly:
        client.events.batch_create(
            BatchEvent(events=[an_event("new"), an_event("b"), an_event("c", code="x")])
        )
    with pytest.raises(LagoApiError) as stranger:
        lago(server, "nobody").events.create(an_event("d"))

    assert (twice.value.status_code, twice.value.response["error_details"]) == (
        422,
        {"transaction_id": ["value_already_exist"]},
    )
    assert (partly.value.status_code, partly.value.response["error_details"]) == (
        422,
        {"1": {"transaction_id": ["value_already_exist"]}, "2": {"code": ["billable_metric_not_found"]}},
    )
    assert (stranger.value.status_code, stranger.value.response) == (
        401,
        {"status": 401, "error": "Unauthorized"},
    )
    assert [row[0] for row in server.stored()] == ["a", "b"]


def test_of_batches_that_share_an_event_and_come_at_once_one_is_stored_whole(server: Server) -> None:
    client = lago(server)

    def send(n: int) -> Any:
        events = [an_event(f"own-{n}-{k}") for k in range(20)] + [an_event("shared")]
        try:
            client.events.batch_create(BatchEvent(events=events))
        except LagoApiError as error:
            return error.response["error_details"]
        return "stored"

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(send, range(8)))

    stored = [n for n, answer in enumerate(answers) if answer == "stored"]
    refused = [answer for answer in answers if answer != "stored"]
    assert len(stored) == 1
    assert refused == [{"20": {"transaction_id": ["value_already_exist"]}}] * 7
    names = [f"own-{stored[0]}-{k}" for k in range(20)]
    assert [row[0] for row in server.stored()] == sorted([*names, "shared"])
