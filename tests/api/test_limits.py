"""Rate limits over the API: which buckets a request takes from, the headers, and the 429."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock
from app.api.limits import Limits, buckets_of, subscriber
from app.domain.buckets import SECOND, read_limits
from app.models import ApiKey, UsageEvent
from app.permissions import Role
from app.services.limits import Limiter
from tests import factories
from tests.api.conftest import Caller, NewCaller
from tests.auth.people import make_user, page_token, sign_in

HEADERS = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "RateLimit-Policy")


class Watch:
    """A clock that is set by hand, in microseconds."""

    def __init__(self) -> None:
        self.now = 1_000 * SECOND

    def __call__(self) -> int:
        """Return the time."""
        return self.now


@pytest.fixture
def watch() -> Watch:
    """The clock of the test."""
    return Watch()


@pytest.fixture
def limit(app: Flask, watch: Watch, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """`limit("ip=2/h:2")`: other limits, in full buckets of this process, on the clock of the test."""

    def change(text: str) -> None:
        limits = Limits(read_limits(text))
        limits.limiter = Limiter(lambda: Redis.from_url("redis://127.0.0.1:1/0"), watch)
        monkeypatch.setitem(app.extensions, "limits", limits)

    return change


def told(response: Any) -> tuple[str | None, ...]:
    return tuple(response.headers.get(name) for name in HEADERS)


def knock(client: FlaskClient, secret: str = "otpb_wrong", address: str = "203.0.113.7") -> Any:
    """Call with a secret from an address."""
    return client.get(
        "/api/v1/invoices",
        headers={"Authorization": f"Bearer {secret}"},
        environ_overrides={"REMOTE_ADDR": address},
    )


@pytest.mark.parametrize(
    ("method", "rule", "buckets"),
    [
        ("POST", "/api/v1/events", ("events",)),
        ("POST", "/compat/lago/api/v1/events/batch", ("events",)),
        ("GET", "/api/v1/events", ("caller",)),
        ("POST", "/api/v1/events/<event_id>/cancel", ("caller",)),
        ("GET", "/api/v1/invoices", ("caller", "invoices:read")),
        ("HEAD", "/api/v1/invoices/<uuid:invoice_id>/pdf", ("caller", "invoices:read")),
        ("POST", "/api/v1/invoices/<uuid:invoice_id>/issue", ("caller", "invoices:write")),
        ("GET", "/api/billing/invoices", ("caller", "invoices:read")),
        ("GET", "/api/v1/pricing", ("caller", "pricing:read")),
        ("POST", "/api/v1/pricing/<code>/versions", ("caller", "pricing:write")),
        ("POST", "/api/v1/pricing/quote", ("caller",)),
        ("GET", "/api/v1/wallets/<uuid:wallet_id>/transactions", ("caller", "wallets")),
        ("POST", "/api/v1/wallets", ("caller", "wallets")),
        ("PATCH", "/api/v1/wallets/<uuid:wallet_id>", ("caller", "wallets")),
        ("POST", "/api/v1/wallets/<uuid:wallet_id>/debits", ("caller",)),
        ("GET", "/api/v1/customers", ("caller",)),
    ],
)
def test_a_request_takes_from_the_buckets_of_its_resource(
    method: str, rule: str, buckets: tuple[str, ...]
) -> None:
    assert buckets_of(method, rule) == buckets


def test_every_answer_tells_the_tightest_bucket(caller: Caller, limit: Callable[[str], None]) -> None:
    limit("")

    assert told(caller.get("/invoices")) == ("200", "199", "1", "100;w=60;burst=200")
    assert told(caller.get("/invoices")) == ("200", "198", "2", "100;w=60;burst=200")
    assert told(caller.get("/customers")) == ("20000", "19997", "1", "10000;w=60;burst=20000")
    assert told(caller.get("/customers/nobody")) == ("20000", "19996", "1", "10000;w=60;burst=20000")


def test_the_limits_of_the_specification_are_on_and_kept_in_redis(caller: Caller, redis: Redis) -> None:
    response = caller.get("/wallets")

    assert told(response) == ("1000", "999", "1", "500;w=60;burst=1000")
    assert sorted(key.split(b":")[1] for key in redis.keys("limit:*")) == [b"caller", b"wallets"]


def test_one_request_too_many_is_told_which_limit_and_how_long_to_wait(
    caller: Caller, watch: Watch, limit: Callable[[str], None]
) -> None:
    limit("invoices=2/min:2")
    assert [caller.get("/invoices").status_code for _ in range(2)] == [200, 200]

    refused = caller.get("/invoices")

    assert refused.status_code == 429
    assert refused.headers["Retry-After"] == "30"
    assert told(refused) == ("2", "0", "60", "2;w=60;burst=2")
    error = refused.json["error"]
    assert (error["code"], error["fields"], error["reference"]) == (
        "rate_limited",
        [],
        refused.headers["X-Request-Id"],
    )
    assert error["message"] == (
        "Too many requests: the limit of reading invoices is 2 a minute, 2 at once. Try again in 30 seconds."
    )
    watch.now += 30 * SECOND
    assert [caller.get("/invoices").status_code for _ in range(2)] == [200, 429]


def test_reading_is_not_held_up_by_writing_nor_one_caller_by_another(
    new_caller: NewCaller, limit: Callable[[str], None]
) -> None:
    limit("invoices=1/h:1")
    first, second = new_caller("all"), new_caller("all")

    assert [first.get("/invoices").status_code for _ in range(2)] == [200, 429]
    assert [first.post("/invoices", {}).status_code for _ in range(2)] == [400, 429]
    assert second.get("/invoices").status_code == 200


def test_a_batch_of_events_is_one_request_and_a_refused_one_stores_nothing(
    caller: Caller, session: Session, limit: Callable[[str], None]
) -> None:
    limit("events=1/h:1")
    account, metric = factories.make_account(), factories.make_metric()
    batch = [{"event_id": f"e{n}", "account_id": str(account.id), "metric": metric.code} for n in range(3)]

    accepted = caller.post("/events", batch)
    refused = caller.post("/events", {**batch[0], "event_id": "e4"})

    assert (accepted.status_code, told(accepted)[:2]) == (202, ("1", "0"))
    assert (refused.status_code, refused.json["error"]["code"]) == (429, "rate_limited")
    assert sorted(session.scalars(select(UsageEvent.event_id))) == ["e0", "e1", "e2"]
    assert caller.get("/events").status_code == 200


def test_lagos_door_takes_from_the_same_bucket_and_refuses_in_lagos_shape(
    caller: Caller, limit: Callable[[str], None]
) -> None:
    limit("events=1/h:1")
    assert caller.post("/events", {}).status_code == 400

    refused = caller.client.post("/compat/lago/api/v1/events", json={"event": {}}, headers=caller.headers)

    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "3600")
    assert refused.json == {"status": 429, "error": "Too Many Requests", "code": "rate_limited"}


def test_signed_in_people_have_buckets_of_their_own(
    client: FlaskClient, limit: Callable[[str], None]
) -> None:
    limit("caller=1/h:1 ip=off")
    sign_in(client, make_user(Role.support))

    assert [client.get("/api/v1/customers").status_code for _ in range(2)] == [200, 429]


def test_who_guesses_keys_is_stopped_and_a_good_key_from_the_same_address_is_not(
    client: FlaskClient, caller: Caller, limit: Callable[[str], None], watch: Watch
) -> None:
    limit("ip=2/min:2")
    good = caller.headers["Authorization"].removeprefix("Bearer ")
    assert knock(client, good).status_code == 200

    guesses = [knock(client, f"otpb_guess{n}") for n in range(4)]

    assert [guess.status_code for guess in guesses] == [401, 401, 429, 429]
    assert [told(guess)[:2] for guess in guesses] == [("2", "1"), ("2", "0"), ("2", "0"), ("2", "0")]
    assert guesses[2].headers["Retry-After"] == "30"
    assert "one address" in guesses[2].json["error"]["message"]
    assert knock(client, good).status_code == 200
    assert knock(client, "otpb_guess9", "198.51.100.1").status_code == 401
    watch.now += 30 * SECOND
    assert [knock(client, f"otpb_guess{n}").status_code for n in range(2)] == [401, 429]


def test_a_good_key_that_this_process_has_not_seen_waits_with_its_address(
    client: FlaskClient, caller: Caller, limit: Callable[[str], None], watch: Watch
) -> None:
    limit("ip=1/h:1")
    good = caller.headers["Authorization"].removeprefix("Bearer ")

    assert knock(client).status_code == 401
    assert knock(client, good).status_code == 429
    watch.now += 3_600 * SECOND
    assert knock(client, good).status_code == 200


def test_a_revoked_key_no_longer_passes_an_empty_bucket(
    client: FlaskClient, caller: Caller, limit: Callable[[str], None], session: Session
) -> None:
    limit("ip=1/h:1")
    good = caller.headers["Authorization"].removeprefix("Bearer ")
    assert knock(client, good).status_code == 200
    session.scalars(select(ApiKey)).one().revoked_at = clock.now()

    assert [knock(client, good).status_code for _ in range(2)] == [401, 429]


def test_calls_without_any_key_count_for_their_address(
    client: FlaskClient, limit: Callable[[str], None]
) -> None:
    limit("ip=1/h:1")

    assert [client.get("/api/v1/customers").status_code for _ in range(2)] == [401, 429]
    assert client.get("/api/v1/openapi.json").status_code == 429


def test_proved_callers_take_nothing_from_their_address(
    client: FlaskClient, caller: Caller, limit: Callable[[str], None]
) -> None:
    limit("ip=1/h:1")
    for _ in range(5):
        assert caller.get("/customers").status_code == 200

    assert told(client.get("/api/v1/openapi.json"))[:2] == ("1", "0")


def test_webhooks_have_a_bucket_of_their_own(client: FlaskClient, limit: Callable[[str], None]) -> None:
    limit("webhooks=1/h:1")

    answers = [client.post("/webhooks/stripe", data=b"{}") for _ in range(2)]

    assert answers[0].status_code != 429
    assert (answers[1].status_code, answers[1].json["error"]["code"]) == (429, "rate_limited")
    assert told(client.get("/api/v1/openapi.json"))[:2] == ("2000", "1999")


def test_sign_ins_are_limited_by_address_and_other_pages_are_not(
    app: Flask, client: FlaskClient, limit: Callable[[str], None]
) -> None:
    limit("ip=1/h:1")
    person = make_user(Role.support)
    sign_in(app.test_client(), person)

    form = {"csrf_token": page_token(client, "/sign-in"), "user": str(person.id)}
    refused = client.post("/sign-in", data=form)

    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "3600")
    assert (refused.mimetype, told(refused)[:2]) == ("text/html", ("1", "0"))
    page = client.get("/sign-in")
    assert (page.status_code, told(page)) == (200, (None,) * 4)


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_the_signs_of_life_are_not_limited(
    client: FlaskClient, limit: Callable[[str], None], path: str
) -> None:
    limit("ip=1/h:1")

    answers = [client.get(path) for _ in range(3)]

    assert [(answer.status_code, told(answer)) for answer in answers] == [(200, (None,) * 4)] * 3


def test_limits_can_be_switched_off(
    client: FlaskClient, caller: Caller, limit: Callable[[str], None]
) -> None:
    limit("off")

    for response in (caller.get("/invoices"), client.get("/api/v1/openapi.json"), knock(client)):
        assert told(response) == (None,) * 4


def test_a_network_of_ipv6_is_one_subscriber() -> None:
    assert subscriber("2001:db8:1:2:3:4:5:6") == subscriber("2001:db8:1:2::9") == "2001:db8:1:2::"
    assert subscriber("2001:db8:1:3::9") == "2001:db8:1:3::"
