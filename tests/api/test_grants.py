"""Grants by the API: given, listed, read and voided; what cannot be is refused with the field named."""

from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import clock
from app.models import Grant, Journal, Wallet
from app.services import approvals
from tests.api.test_wallets import secret_of
from tests.factories import ACTOR, make_account, make_wallet
from tests.services.metered import NOON

LATER = NOON + timedelta(days=30)


@pytest.fixture(autouse=True)
def _at_noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOON)


@pytest.fixture
def wallet(session: Session) -> Wallet:
    """A wallet with ₹50 that were topped up."""
    return make_wallet("50")


@pytest.fixture
def api(client: FlaskClient, wallet: Wallet) -> Any:
    """Call the API about the grants of the wallet."""
    secret = secret_of("wallets:write")

    def call(method: str, path: str = "", body: Any = None, *, key: str = "", secret: str = secret) -> Any:
        headers = {"Authorization": f"Bearer {secret}"} | ({"Idempotency-Key": key} if key else {})
        path = f"/api/v1/wallets/{wallet.id}/grants{path}"
        answer = client.open(path, method=method, json=body, headers=headers)
        return answer.status_code, answer.get_json()

    return call


def counts(session: Session) -> tuple[int, int]:
    """Return how many grants and journals there are."""
    session.expire_all()
    found = [session.scalar(select(func.count()).select_from(model)) for model in (Grant, Journal)]
    return found[0] or 0, found[1] or 0


OFFER = {"amount": "100", "reason": "Launch offer"}


def test_a_grant_is_told_by_the_names_of_the_contract(api: Any, session: Session, wallet: Wallet) -> None:
    body = {**OFFER, "kind": "purchased", "priority": 3, "expires_at": "2026-11-09T12:00:00+05:30"}
    status, answer = api("POST", "", {**body, "reference": "PO-7"})
    data = answer["data"]
    assert (status, data["type"]) == (201, "grant")
    assert data["attributes"] == {
        "kind": "purchased",
        "state": "live",
        "amount": "100.00",
        "remaining": "100.00",
        "currency": "INR",
        "priority": 3,
        "expires_at": "2026-11-09T06:30:00Z",
        "reason": "Launch offer",
        "reference": "PO-7",
        "voided_at": None,
        "created_at": "2026-10-10T06:30:00Z",
    }
    grant = session.scalars(select(Grant)).one()
    assert data["relationships"]["wallet"]["id"] == str(wallet.id)
    assert data["relationships"]["transaction"]["id"] == str(grant.transaction_id)
    status, read = api("GET", f"/{grant.id}")
    assert (status, read["data"]) == (200, data)


def test_grants_are_listed_the_newest_first(api: Any) -> None:
    for amount in ("1", "2", "3"):
        api("POST", "", {**OFFER, "amount": amount})
    status, answer = api("GET", "?limit=2")
    assert status == 200
    assert [row["attributes"]["amount"] for row in answer["data"]] == ["3.00", "2.00"]


def test_the_same_key_gives_one_grant_and_another_body_is_refused(api: Any, session: Session) -> None:
    first = api("POST", "", OFFER, key="once")
    assert api("POST", "", OFFER, key="once") == first
    status, answer = api("POST", "", {**OFFER, "amount": "101"}, key="once")
    assert (status, answer["error"]["code"]) == (422, "idempotency_mismatch")
    assert counts(session) == (1, 2)


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"amount": "0"}, "/amount"),
        ({"amount": "-5"}, "/amount"),
        ({"amount": "1.001"}, "/amount"),
        ({"amount": str(2**63)}, "/amount"),
        ({"amount": {"amount": "1.00", "currency": "USD"}}, "/amount"),
        ({"kind": "gift"}, "/kind"),
        ({"priority": 1001}, "/priority"),
        ({"priority": "high"}, "/priority"),
        ({"expires_at": "2026-10-10T06:30:00Z"}, "/expires_at"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "/expires_at"),
        ({"expires_at": "tomorrow"}, "/expires_at"),
        ({"reason": ""}, "/reason"),
    ],
)
def test_what_cannot_be_granted_is_refused_with_the_field_and_nothing_is_written(
    api: Any, session: Session, change: dict[str, Any], pointer: str
) -> None:
    status, answer = api("POST", "", {**OFFER, **change})
    assert (status, [each["pointer"] for each in answer["error"]["fields"]]) == (400, [pointer])
    assert counts(session) == (0, 1)


def test_a_void_takes_back_what_is_left_once(api: Any, session: Session, wallet: Wallet) -> None:
    _, made = api("POST", "", OFFER)
    path = f"/{made['data']['id']}/void"
    status, answer = api("POST", path, {"reason": "Given by mistake"})
    told = {name: answer["data"]["attributes"][name] for name in ("state", "remaining", "amount")}
    assert (status, told) == (200, {"state": "voided", "remaining": "0.00", "amount": "100.00"})
    session.refresh(wallet)
    assert (wallet.balance, wallet.granted) == (50, 0)
    status, answer = api("POST", path, {"reason": "Again"})
    assert (status, answer["error"]["code"], counts(session)) == (409, "conflict", (1, 3))


def test_an_expired_grant_is_no_longer_voided(
    api: Any, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, made = api("POST", "", {**OFFER, "expires_at": LATER.isoformat()})
    monkeypatch.setattr(clock, "now", lambda: LATER)
    status, answer = api("POST", f"/{made['data']['id']}/void", {"reason": "Too late"})
    assert (status, answer["error"]["message"]) == (
        409,
        "The grant is expired: there is nothing to take back.",
    )
    assert api("GET", f"/{made['data']['id']}")[1]["data"]["attributes"]["state"] == "expired"
    assert counts(session) == (1, 2)


def test_an_expired_grant_pays_no_debit(
    api: Any, client: FlaskClient, session: Session, wallet: Wallet, monkeypatch: pytest.MonkeyPatch
) -> None:
    api("POST", "", {**OFFER, "expires_at": LATER.isoformat()})
    monkeypatch.setattr(clock, "now", lambda: LATER)
    answer = client.post(
        f"/api/v1/wallets/{wallet.id}/debits",
        json={"amount": "51", "reason": "Setup"},
        headers={"Authorization": f"Bearer {secret_of('wallets:write')}"},
    )
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (409, "insufficient_funds")
    assert [each["pointer"] for each in answer.get_json()["error"]["fields"]] == ["/amount"]
    assert counts(session) == (1, 2)


def test_only_staff_and_free_services_grant(api: Any, session: Session, wallet: Wallet) -> None:
    own = secret_of("wallets:write", account=wallet.account)
    reader = secret_of("wallets:read")
    stranger = secret_of("wallets:write", account=make_account(prepaid=True))
    assert [api("POST", "", OFFER, secret=each)[0] for each in (own, reader, stranger)] == [403, 403, 404]
    assert [api("GET", "", secret=each)[0] for each in (own, reader, stranger)] == [200, 200, 404]
    assert counts(session) == (0, 1)


def test_a_grant_of_another_wallet_is_not_found(api: Any, session: Session) -> None:
    other = make_wallet()
    made = approvals.ask(
        "grant",
        other,
        "5",
        at=NOON,
        actor=ACTOR,
        reason="Offer",
        details={"kind": "promotional", "priority": 50, "expires_at": None},
    )
    grant = session.scalars(select(Grant).where(Grant.transaction_id == made.id)).one()
    assert api("GET", f"/{grant.id}")[0] == 404
    assert api("POST", f"/{grant.id}/void", {"reason": "Mistake"})[0] == 404
