"""The second person by the API: 202 and a request, decided by somebody else's session."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.models import Approval, Journal, Wallet, WalletTransaction
from app.permissions import Role
from tests.api.conftest import NewCaller
from tests.auth.people import csrf_token, make_user, sign_in
from tests.factories import make_wallet
from tests.services.approving import ANANYA, MEERA

Person = Callable[..., tuple[int, Any]]


@pytest.fixture
def at_desk(app: Flask) -> Callable[..., Person]:
    """Sign somebody in: `at_desk(Role.finance_admin, "Meera Iyer")` returns a caller of the API."""

    def take(role: Role, name: str) -> Person:
        client: FlaskClient = app.test_client()
        sign_in(client, make_user(role, name=name))

        def call(method: str, path: str, body: Any = None, *, key: str | None = None) -> tuple[int, Any]:
            headers = {"X-CSRFToken": csrf_token(client)} | ({"Idempotency-Key": key} if key else {})
            answer = client.open(f"/api/v1{path}", method=method, json=body, headers=headers)
            return answer.status_code, answer.get_json()

        return call

    return take


@pytest.fixture
def meera(at_desk: Callable[..., Person]) -> Person:
    """Of finance."""
    return at_desk(Role.finance_admin, MEERA)


@pytest.fixture
def ananya(at_desk: Callable[..., Person]) -> Person:
    """A super admin."""
    return at_desk(Role.super_admin, ANANYA)


@pytest.fixture
def wallet(session: Session) -> Wallet:
    """A wallet with ₹60,000."""
    return make_wallet("60000")


def ask(person: Person, wallet: Wallet, amount: str = "50000.01", what: str = "credits") -> dict[str, Any]:
    """Return the request that an amount above the limit becomes."""
    status, answer = person("POST", f"/wallets/{wallet.id}/{what}", {"amount": amount, "reason": "Goodwill"})
    assert (status, answer["data"]["type"]) == (202, "approval")
    data: dict[str, Any] = answer["data"]
    return data


def test_a_credit_above_the_limit_is_accepted_and_not_done(
    session: Session, meera: Person, wallet: Wallet
) -> None:
    asked = ask(meera, wallet)["attributes"]
    told = ("operation", "status", "amount", "currency", "reason", "requested_by", "decided_by")
    assert [asked[name] for name in told] == [
        "credit",
        "requested",
        "50000.01",
        "INR",
        "Goodwill",
        MEERA,
        None,
    ]
    assert meera("GET", f"/wallets/{wallet.id}")[1]["data"]["attributes"]["balance"] == "60000.00"
    below = meera("POST", f"/wallets/{wallet.id}/credits", {"amount": "50000", "reason": "Goodwill"})
    assert (below[0], below[1]["data"]["type"]) == (201, "wallet_transaction")


def test_somebody_else_approves_once_however_often_the_call_comes(
    session: Session, meera: Person, ananya: Person, wallet: Wallet
) -> None:
    path = f"/approvals/{ask(meera, wallet)['id']}"
    status, answer = ananya("POST", f"{path}/approve", key="yes-1")
    assert (status, answer["data"]["attributes"]["status"]) == (200, "approved")
    assert answer["data"]["attributes"]["decided_by"] == ANANYA
    assert ananya("POST", f"{path}/approve", key="yes-1")[1]["data"] == answer["data"]
    status, again = ananya("POST", f"{path}/approve", key="yes-2")
    assert (status, again["error"]["code"]) == (409, "illegal_transition")
    transaction_id = answer["data"]["relationships"]["transaction"]["id"]
    moved = session.get_one(WalletTransaction, transaction_id)
    assert (str(moved.amount), moved.actor) == ("50000.0100", f"{MEERA}, approved by {ANANYA}")
    assert meera("GET", f"/wallets/{wallet.id}")[1]["data"]["attributes"]["balance"] == "110000.01"


def test_one_key_asks_once(session: Session, meera: Person, wallet: Wallet) -> None:
    body = {"amount": "60000", "reason": "Goodwill"}
    first = meera("POST", f"/wallets/{wallet.id}/debits", body, key="ask")
    again = meera("POST", f"/wallets/{wallet.id}/debits", body, key="ask")
    other = meera("POST", f"/wallets/{wallet.id}/debits", {**body, "amount": "60001"}, key="ask")
    assert (first[0], again[0], other[0]) == (202, 202, 422)
    assert first[1]["data"] == again[1]["data"]
    assert session.scalar(select(func.count()).select_from(Approval)) == 1


def test_who_asked_cannot_approve_or_refuse(session: Session, ananya: Person, wallet: Wallet) -> None:
    path = f"/approvals/{ask(ananya, wallet)['id']}"
    journals = session.scalar(select(func.count()).select_from(Journal))
    assert ananya("POST", f"{path}/approve")[0] == 403
    assert ananya("POST", f"{path}/refuse", {"reason": "No"})[0] == 403
    assert session.scalar(select(func.count()).select_from(Journal)) == journals
    assert ananya("POST", f"{path}/withdraw")[1]["data"]["attributes"]["status"] == "withdrawn"


def test_support_reads_and_decides_nothing(
    session: Session, meera: Person, at_desk: Callable[..., Person], wallet: Wallet
) -> None:
    asked = ask(meera, wallet)
    rohit = at_desk(Role.support, "Rohit Verma")
    assert rohit("GET", "/approvals?status=requested")[1]["data"] == [asked]
    for act, body in (("approve", None), ("refuse", {"reason": "No"}), ("withdraw", None)):
        assert rohit("POST", f"/approvals/{asked['id']}/{act}", body)[0] == 403
    assert rohit("GET", f"/approvals/{asked['id']}")[1]["data"]["attributes"]["status"] == "requested"


def test_a_key_moves_what_its_scope_allows_and_never_decides(
    session: Session, meera: Person, wallet: Wallet, new_caller: NewCaller
) -> None:
    asked = ask(meera, wallet)
    every, reader = new_caller("all"), new_caller("approvals:read")
    done = every.post(f"/wallets/{wallet.id}/credits", {"amount": "60000", "reason": "Migration"})
    assert done.status_code == 201
    assert reader.get("/approvals", wallet_id=str(wallet.id)).json["data"] == [asked]
    assert every.post(f"/approvals/{asked['id']}/approve").status_code == 403
    assert every.post(f"/approvals/{asked['id']}/refuse", {"reason": "No"}).status_code == 403
    bound = new_caller("all", account=wallet.account)
    assert bound.get("/approvals").status_code == 403
    assert session.scalar(select(Approval.status)) == "requested"


def test_a_reversal_above_the_limit_waits_too(
    session: Session, meera: Person, ananya: Person, wallet: Wallet
) -> None:
    original = session.scalars(select(WalletTransaction)).one()
    path = f"/wallets/{wallet.id}/transactions/{original.id}/reverse"
    status, answer = meera("POST", path, {"reason": "Booked twice"})
    assert (status, answer["data"]["attributes"]["operation"]) == (202, "reversal")
    assert answer["data"]["attributes"]["details"] == {"transaction_id": str(original.id)}
    assert ananya("POST", f"/approvals/{answer['data']['id']}/approve")[0] == 200
    assert meera("GET", f"/wallets/{wallet.id}")[1]["data"]["attributes"]["balance"] == "0.00"


def test_money_that_is_gone_is_told_and_the_request_stays(
    session: Session, meera: Person, ananya: Person, wallet: Wallet, new_caller: NewCaller
) -> None:
    path = f"/approvals/{ask(meera, wallet, '60000', 'debits')['id']}"
    new_caller("all").post(f"/wallets/{wallet.id}/debits", {"amount": "0.01", "reason": "Spent"})
    status, answer = ananya("POST", f"{path}/approve")
    assert (status, answer["error"]["code"]) == (409, "insufficient_funds")
    assert ananya("GET", path)[1]["data"]["attributes"]["status"] == "requested"


def test_an_unknown_request_is_not_found(session: Session, ananya: Person) -> None:
    assert ananya("GET", f"/approvals/{uuid4()}")[0] == 404
    assert ananya("POST", f"/approvals/{uuid4()}/approve")[0] == 404
