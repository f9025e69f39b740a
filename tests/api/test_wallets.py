"""The wallets' API: its contract, and who may do what."""

from typing import Any
from uuid import uuid4

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import clock
from app.models import Account, Journal, Wallet, WalletTransaction
from app.services import keys, wallets
from tests.factories import ACTOR, make_account
from tests.services.metered import NOON, a_rupee_each, add_usage, meter


@pytest.fixture
def wallet(session: Session) -> Wallet:
    """The empty wallet of a prepaid account in INR."""
    found = wallets.find_for(make_account(prepaid=True))
    assert found is not None
    return found


def secret_of(*scopes: str, account: Account | None = None) -> str:
    """Return the secret of a new key with these scopes."""
    made = keys.create("test", scopes=list(scopes), account=account, actor=ACTOR, at=clock.now())
    return made[1]


@pytest.fixture
def api(client: FlaskClient, wallet: Wallet) -> Any:
    """Call the API about the wallet, with a key that may do everything to wallets unless another is given."""
    secret = secret_of("wallets:write")

    def call(
        method: str, path: str, body: Any = None, *, key: str | None = None, secret: str = secret
    ) -> Any:
        headers = {"Authorization": f"Bearer {secret}"} | ({"Idempotency-Key": key} if key else {})
        answer = client.open(f"/api/v1{path}", method=method, json=body, headers=headers)
        return answer.status_code, answer.get_json()

    return call


def count(session: Session) -> int:
    """Return how many journals there are."""
    return session.scalar(select(func.count()).select_from(Journal)) or 0


def test_a_wallet_is_told_by_the_names_of_the_contract(api: Any, wallet: Wallet) -> None:
    status, answer = api("GET", f"/wallets/{wallet.id}")
    attributes = answer["data"]["attributes"]
    created_at = attributes.pop("created_at")
    assert (status, answer["data"]["type"], answer["data"]["id"]) == (200, "wallet", str(wallet.id))
    assert created_at.endswith("Z")
    assert attributes == {
        "account_id": str(wallet.account_id),
        "currency": "INR",
        "balance": "0.00",
        "held": "0.00",
        "granted": "0.00",
        "available": "0.00",
        "receivable": "0.00",
        "low_balance_threshold": None,
        "auto_top_up": None,
        "alert_levels": None,
        "daily_cap": None,
        "monthly_cap": None,
        "overdraft_limit": "0.00",
        "status": "active",
    }


@pytest.mark.parametrize("amount", ["118", "118.00", 118, {"amount": "118.00", "currency": "INR"}])
def test_a_credit_answers_with_its_transaction(api: Any, wallet: Wallet, amount: Any) -> None:
    status, answer = api("POST", f"/wallets/{wallet.id}/credits", {"amount": amount, "reason": "Welcome"})
    attributes = answer["data"]["attributes"]
    told = ("kind", "state", "amount", "balance_after", "reason", "reference")
    assert status == 201
    assert [attributes[name] for name in told] == ["credit", "COMPLETED", "118.00", "118.00", "Welcome", None]


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({}, "/amount", "required"),
        ({"amount": "0"}, "/amount", "not_positive"),
        ({"amount": "-5"}, "/amount", "not_positive"),
        ({"amount": "1.001"}, "/amount", "too_many_decimals"),
        ({"amount": "9223372036854775808"}, "/amount", "too_large"),
        ({"amount": True}, "/amount", "not_a_number"),
        ({"amount": {"amount": "1", "currency": "USD"}}, "/amount", "currency_mismatch"),
        ({"amount": "1", "colour": "red"}, "/colour", "unknown_field"),
    ],
)
def test_a_body_that_cannot_be_is_400_and_nothing_is_written(
    session: Session, api: Any, wallet: Wallet, body: Any, pointer: str, code: str
) -> None:
    status, answer = api("POST", f"/wallets/{wallet.id}/credits", body)
    assert status == 400
    assert [(each["pointer"], each["code"]) for each in answer["error"]["fields"]] == [(pointer, code)]
    assert count(session) == 0


def test_a_debit_beyond_the_balance_is_409_and_nothing_is_written(
    session: Session, api: Any, wallet: Wallet
) -> None:
    api("POST", f"/wallets/{wallet.id}/credits", {"amount": "10"})
    status, answer = api("POST", f"/wallets/{wallet.id}/debits", {"amount": "10.01"})
    assert (status, answer["error"]["code"]) == (409, "insufficient_funds")
    assert count(session) == 1
    assert api("GET", f"/wallets/{wallet.id}")[1]["data"]["attributes"]["balance"] == "10.00"


def test_the_same_idempotency_key_moves_money_once(session: Session, api: Any, wallet: Wallet) -> None:
    first = api("POST", f"/wallets/{wallet.id}/credits", {"amount": "10"}, key="k1")
    again = api("POST", f"/wallets/{wallet.id}/credits", {"amount": "10"}, key="k1")
    other = api("POST", f"/wallets/{wallet.id}/credits", {"amount": "11"}, key="k1")
    assert (first[0], again) == (201, first)
    assert (other[0], other[1]["error"]["code"]) == (422, "idempotency_mismatch")
    assert count(session) == 1


def test_a_transaction_is_reversed_once(api: Any, wallet: Wallet) -> None:
    made = api("POST", f"/wallets/{wallet.id}/credits", {"amount": "10"})[1]["data"]
    path = f"/wallets/{wallet.id}/transactions/{made['id']}/reverse"
    status, answer = api("POST", path, {"reason": "A mistake"})
    assert (status, answer["data"]["attributes"]["amount"]) == (201, "-10.00")
    assert answer["data"]["relationships"]["reverses"] == {"id": made["id"], "type": "wallet_transaction"}
    status, answer = api("POST", path, {"reason": "Again"})
    assert (status, answer["error"]["code"]) == (409, "illegal_transition")


def test_a_transaction_of_another_wallet_is_not_found(api: Any, wallet: Wallet) -> None:
    made = api("POST", f"/wallets/{wallet.id}/credits", {"amount": "10"})[1]["data"]
    other = wallets.find_for(make_account(prepaid=True))
    assert other is not None
    path = f"/wallets/{other.id}/transactions/{made['id']}/reverse"
    assert api("POST", path, {"reason": "No"})[0] == 404


def test_the_list_of_transactions_explains_usage_and_has_pages(session: Session, api: Any) -> None:
    subscription, wallet, metric = a_rupee_each(balance="10")
    for quantity in (1, 2):
        add_usage(subscription.account, metric, quantity)
        meter()
    status, first = api("GET", f"/wallets/{wallet.id}/transactions?limit=2")
    cursor = first["meta"]["next_cursor"]
    _, second = api("GET", f"/wallets/{wallet.id}/transactions?limit=2&cursor={cursor}")
    rows = [each["attributes"] for each in first["data"] + second["data"]]
    assert status == 200
    assert sorted(row["amount"] for row in rows) == ["-1.00", "-2.00", "10.00"]
    assert second["meta"]["next_cursor"] is None
    (explained,) = [row for row in rows if row["amount"] == "-2.00"]
    assert explained["explanation"] == [
        {
            "component": metric.code,
            "metric": metric.code,
            "period_start": "2026-09-30T18:30:00+00:00",
            "quantity": "2",
            "amount": "2.00",
        }
    ]


def test_limits_are_changed_one_by_one(api: Any, wallet: Wallet) -> None:
    body = {"low_balance_threshold": "50", "auto_top_up": {"threshold": "20", "amount": "500"}}
    status, answer = api("PATCH", f"/wallets/{wallet.id}", body)
    assert status == 200
    api("PATCH", f"/wallets/{wallet.id}", {"overdraft_limit": "5"})
    status, answer = api("PATCH", f"/wallets/{wallet.id}", {"auto_top_up": None})
    attributes = answer["data"]["attributes"]
    told = ("low_balance_threshold", "auto_top_up", "overdraft_limit", "available")
    assert [attributes[name] for name in told] == ["50.00", None, "5.00", "5.00"]
    status, answer = api("PATCH", f"/wallets/{wallet.id}", {"balance": "1000"})
    assert (status, answer["error"]["fields"][0]["pointer"]) == (400, "/balance")


def test_a_wallet_is_opened_by_the_callers_own_id_of_the_account(api: Any) -> None:
    account = make_account(external_id="shop-1")
    status, answer = api("POST", "/wallets", {"account_id": "shop-1"})
    assert (status, answer["data"]["attributes"]["account_id"]) == (201, str(account.id))
    assert api("POST", "/wallets", {"account_id": "shop-1"})[0] == 409
    assert api("POST", "/wallets", {"account_id": "shop-2"})[0] == 404
    assert len(api("GET", "/wallets?account_id=shop-1")[1]["data"]) == 1


def test_a_key_of_another_account_finds_nothing(session: Session, api: Any, wallet: Wallet) -> None:
    foreign = secret_of("wallets:write", account=make_account())
    for method, path, body in (
        ("GET", "", None),
        ("PATCH", "", {"overdraft_limit": "5"}),
        ("GET", "/transactions", None),
        ("POST", "/credits", {"amount": "1"}),
        ("POST", "/debits", {"amount": "1"}),
        ("POST", "/top-ups", {"amount": "1"}),
    ):
        assert api(method, f"/wallets/{wallet.id}{path}", body, secret=foreign)[0] == 404
    assert api("GET", "/wallets", secret=foreign)[1]["data"] == []
    assert count(session) == 0


def test_a_key_of_the_wallets_own_account_makes_no_money_and_no_credit(
    session: Session, api: Any, wallet: Wallet
) -> None:
    bound = secret_of("wallets:write", account=wallet.account)
    limits = {"low_balance_threshold": "5"}
    assert api("PATCH", f"/wallets/{wallet.id}", limits, secret=bound)[0] == 200
    for method, path, body in (
        ("PATCH", "", {"overdraft_limit": "5"}),
        ("POST", "/credits", {"amount": "1"}),
        ("POST", "/debits", {"amount": "1"}),
    ):
        assert api(method, f"/wallets/{wallet.id}{path}", body, secret=bound)[0] == 403, path
    session.refresh(wallet)
    assert (count(session), wallet.overdraft_limit) == (0, 0)


def test_a_key_that_only_reads_cannot_move_money(session: Session, api: Any, wallet: Wallet) -> None:
    reader = secret_of("wallets:read")
    assert api("GET", f"/wallets/{wallet.id}", secret=reader)[0] == 200
    assert api("POST", f"/wallets/{wallet.id}/credits", {"amount": "1"}, secret=reader)[0] == 403
    assert count(session) == 0


def test_a_wallet_that_is_not_there_is_404(api: Any) -> None:
    assert api("GET", f"/wallets/{uuid4()}")[0] == 404
    assert api("GET", "/wallets/7")[0] == 404


def test_nothing_of_the_list_is_lost_between_pages(session: Session, api: Any, wallet: Wallet) -> None:
    for n in range(5):
        wallets.credit(wallet, str(n + 1), at=NOON, actor=ACTOR, reason="Page")
    session.flush()
    seen, cursor = [], ""
    while cursor is not None:
        more = f"&cursor={cursor}" if cursor else ""
        answer = api("GET", f"/wallets/{wallet.id}/transactions?limit=2{more}")[1]
        seen += [each["id"] for each in answer["data"]]
        cursor = answer["meta"]["next_cursor"]
    assert len(seen) == len(set(seen)) == 5
    assert session.scalar(select(func.count()).select_from(WalletTransaction)) == 5
