from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import clock
from app.models import Account, DeadLetter, EventKey, Metric, UsageDelta, UsageEvent
from app.permissions import Actor
from app.services import events
from tests import factories
from tests.api.conftest import Caller, NewCaller


@pytest.fixture
def account(app: Any) -> Account:
    return factories.make_account(external_id="acme")


@pytest.fixture
def metric(app: Any) -> Metric:
    return factories.make_metric("auth.otp", dimensions=["channel", "country"])


def event(event_id: str = "otp-1", **more: Any) -> dict[str, Any]:
    return {"event_id": event_id, "account_id": "acme", "metric": "auth.otp", **more}


def count(session: Session, *models: type) -> list[int | None]:
    return [session.scalar(select(func.count()).select_from(model)) for model in models]


def statuses(response: Any) -> list[str]:
    return [result["status"] for result in response.json["data"]["attributes"]["results"]]


def test_an_event_is_accepted_stored_and_queued_for_metering(
    caller: Caller, session: Session, account: Account, metric: Metric
) -> None:
    at = clock.now().replace(microsecond=0)

    response = caller.post(
        "/events", event(timestamp=at.isoformat(), properties={"channel": "sms", "trace": "x7"})
    )

    assert response.status_code == 202
    assert response.json["status"] == "success"
    assert response.json["data"] == {
        "type": "event_batch",
        "attributes": {
            "accepted": 1,
            "duplicates": 0,
            "rejected": 0,
            "results": [{"index": 0, "event_id": "otp-1", "status": "accepted"}],
        },
    }
    stored = session.scalars(select(UsageEvent)).one()
    assert (stored.account_id, stored.metric_id, stored.occurred_at) == (account.id, metric.id, at)
    assert (stored.quantity, stored.properties) == (Decimal(1), {"channel": "sms", "trace": "x7"})
    delta = session.scalars(select(UsageDelta)).one()
    assert (delta.account_id, delta.metric_id, delta.dimensions) == (
        account.id,
        metric.id,
        {"channel": "sms"},
    )
    assert delta.bucket_at == at.replace(minute=at.minute - at.minute % 15, second=0)
    assert (delta.quantity, delta.events) == (Decimal(1), 1)


@pytest.mark.parametrize(
    "wrap", [lambda events: events, lambda events: {"events": events}], ids=["array", "object"]
)
def test_a_batch_is_an_array_or_an_object_with_events(
    wrap: Any, caller: Caller, session: Session, account: Account, metric: Metric
) -> None:
    response = caller.post("/events", wrap([event("a"), event("b")]))

    assert (response.status_code, statuses(response)) == (202, ["accepted", "accepted"])
    assert count(session, UsageEvent, EventKey) == [2, 2]


def test_events_of_one_bucket_and_one_set_of_dimensions_are_one_delta(
    caller: Caller, session: Session, account: Account, metric: Metric
) -> None:
    at = clock.now() - timedelta(hours=1)
    start = at.replace(minute=15, second=0, microsecond=0)
    batch = [
        event("a", timestamp=start.isoformat(), properties={"channel": "sms"}),
        event(
            "b",
            timestamp=(start + timedelta(minutes=14, seconds=59)).isoformat(),
            properties={"channel": "sms"},
        ),
        event("c", timestamp=start.isoformat(), properties={"channel": "email"}),
        event("d", timestamp=(start + timedelta(minutes=15)).isoformat(), properties={"channel": "sms"}),
    ]

    caller.post("/events", batch)

    found = session.execute(
        select(UsageDelta.bucket_at, UsageDelta.dimensions["channel"].astext, UsageDelta.quantity).order_by(
            UsageDelta.bucket_at, UsageDelta.dimensions["channel"].astext
        )
    ).all()
    assert [tuple(row) for row in found] == [
        (start, "email", Decimal(1)),
        (start, "sms", Decimal(2)),
        (start + timedelta(minutes=15), "sms", Decimal(1)),
    ]


def test_the_same_event_again_is_a_duplicate_and_counts_once(
    caller: Caller, session: Session, account: Account, metric: Metric
) -> None:
    caller.post("/events", event())

    response = caller.post("/events", [event(), event("otp-2"), event("otp-2")])

    assert response.status_code == 202
    assert response.json["data"]["attributes"]["results"] == [
        {"index": 0, "event_id": "otp-1", "status": "duplicate", "conflict": False},
        {"index": 1, "event_id": "otp-2", "status": "accepted"},
        {"index": 2, "event_id": "otp-2", "status": "duplicate", "conflict": False},
    ]
    assert count(session, UsageEvent, EventKey) == [2, 2]
    assert session.scalar(select(func.sum(UsageDelta.quantity))) == Decimal(2)


def test_a_known_id_with_other_content_is_a_conflict_and_the_first_one_stays(
    caller: Caller, session: Session, account: Account, metric: Metric
) -> None:
    caller.post("/events", event(properties={"channel": "sms"}))

    response = caller.post(
        "/events",
        [
            event(properties={"channel": "email"}),
            event(properties={"channel": "sms"}),
            event("new", quantity=1),
            event("new", quantity=2),
        ],
    )

    conflicts = [result.get("conflict") for result in response.json["data"]["attributes"]["results"]]
    assert conflicts == [True, False, None, True]
    kept = session.scalars(select(UsageEvent).where(UsageEvent.event_id == "otp-1")).one()
    assert kept.properties == {"channel": "sms"}


def test_the_same_id_of_another_account_is_another_event(
    caller: Caller, session: Session, account: Account, metric: Metric
) -> None:
    factories.make_account(external_id="globex")

    response = caller.post("/events", [event(), event(account_id="globex")])

    assert statuses(response) == ["accepted", "accepted"]


def test_an_account_may_be_named_by_its_id(
    caller: Caller, session: Session, account: Account, metric: Metric
) -> None:
    assert statuses(caller.post("/events", event(account_id=str(account.id)))) == ["accepted"]


def test_a_sum_adds_up_its_property_exactly(caller: Caller, session: Session, account: Account) -> None:
    factories.make_metric("bytes", aggregation="sum", value_property="size", dimensions=[])
    raw = (
        b'[{"event_id":"a","account_id":"acme","metric":"bytes","properties":{"size":0.1}},'
        b'{"event_id":"b","account_id":"acme","metric":"bytes","properties":{"size":"0.2"}}]'
    )

    response = caller.post("/events", raw)

    assert statuses(response) == ["accepted", "accepted"]
    assert session.scalar(select(func.sum(UsageDelta.quantity))) == Decimal("0.3")


@pytest.mark.parametrize(
    ("properties", "code"),
    [
        ({}, "missing_value"),
        ({"size": None}, "missing_value"),
        ({"size": "ten"}, "not_a_number"),
        ({"size": True}, "not_a_number"),
    ],
)
def test_a_value_that_is_missing_or_no_number_is_refused_never_zero(
    properties: dict[str, Any], code: str, caller: Caller, session: Session, account: Account
) -> None:
    factories.make_metric("bytes", aggregation="sum", value_property="size", dimensions=[])

    response = caller.post("/events", event(metric="bytes", properties=properties))

    result = response.json["data"]["attributes"]["results"][0]
    assert (response.status_code, result["code"], result["pointer"]) == (400, code, "/0/properties/size")
    assert count(session, UsageEvent, EventKey, UsageDelta) == [0, 0, 0]


def test_a_batch_with_good_and_refused_events_stores_the_good_ones(
    caller: Caller, session: Session, account: Account, metric: Metric
) -> None:
    response = caller.post(
        "/events", [event("a"), event("b", metric="nope"), event("c"), event("d", account_id="x")]
    )

    assert response.status_code == 207
    assert response.json["data"]["attributes"] == {
        "accepted": 2,
        "duplicates": 0,
        "rejected": 2,
        "results": [
            {"index": 0, "event_id": "a", "status": "accepted"},
            {
                "index": 1,
                "event_id": "b",
                "status": "rejected",
                "code": "unknown_metric",
                "pointer": "/1/metric",
                "message": "There is no active metric with this code.",
            },
            {"index": 2, "event_id": "c", "status": "accepted"},
            {
                "index": 3,
                "event_id": "d",
                "status": "rejected",
                "code": "unknown_account",
                "pointer": "/3/account_id",
                "message": "There is no account with this id.",
            },
        ],
    }
    assert count(session, UsageEvent, DeadLetter) == [2, 2]


def test_accepted_events_can_be_left_out_of_the_results(
    caller: Caller, session: Session, account: Account, metric: Metric
) -> None:
    response = caller.post("/events?results=errors", [event("a"), event("b", metric="nope")])

    attributes = response.json["data"]["attributes"]
    assert (attributes["accepted"], [result["index"] for result in attributes["results"]]) == (1, [1])


def test_a_refused_event_is_kept_once_and_its_repeats_are_counted(
    caller: Caller, session: Session, account: Account
) -> None:
    caller.post("/events", event(metric="nope", quantity=2))
    caller.post("/events", event(metric="nope", quantity=2))

    letter = session.scalars(select(DeadLetter)).one()
    assert (letter.code, letter.pointer, letter.seen, letter.source) == (
        "unknown_metric",
        "/metric",
        2,
        "api",
    )
    assert (letter.account_ref, letter.metric_code, letter.event_id) == ("acme", "nope", "otp-1")
    assert letter.payload == event(metric="nope", quantity=2)


def test_a_key_of_one_account_knows_no_other(
    new_caller: NewCaller, session: Session, account: Account, metric: Metric
) -> None:
    factories.make_account(external_id="globex")
    bound = new_caller("events:write", account=account)

    response = bound.post("/events", [event(), event(account_id="globex"), event(account_id="nobody")])

    codes = [result.get("code") for result in response.json["data"]["attributes"]["results"]]
    messages = {result.get("message") for result in response.json["data"]["attributes"]["results"][1:]}
    assert codes == [None, "unknown_account", "unknown_account"]
    assert messages == {"There is no account with this id."}
    assert count(session, UsageEvent) == [1]


def test_an_event_of_a_month_without_partition_makes_the_partition(
    caller: Caller, session: Session, account: Account, metric: Metric, app: Any
) -> None:
    at = datetime(2015, 5, 17, 10, 5, tzinfo=UTC)
    results = events.ingest([event(timestamp=at.isoformat())], source="import", actor=Actor.system("test"))

    assert [result.status for result in results] == ["accepted"]
    assert session.scalars(select(UsageEvent.occurred_at)).all() == [at]
