"""Holds, transfers, refunds and the status of wallets through the API."""

from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.models import AuditRecord, Hold, IdempotencyRecord, Journal, Transfer, Wallet, WalletTransaction
from tests.api.conftest import Caller, NewCaller
from tests.factories import make_account, make_wallet

WRITTEN = (Hold, Transfer, Journal, WalletTransaction, AuditRecord, IdempotencyRecord)


@pytest.fixture
def wallet(session: Session) -> Wallet:
    """A wallet with ₹100."""
    return make_wallet("100")


@pytest.fixture
def calls(new_caller: NewCaller) -> Caller:
    """A caller that may do everything to wallets."""
    return new_caller("wallets:write")


def post(caller: Caller, path: str, body: Any, key: str = "") -> tuple[int, Any]:
    """Post and return the status and the answer."""
    answer = caller.post(path, body, **({"Idempotency_Key": key} if key else {}))
    return answer.status_code, answer.get_json()


def rows(session: Session) -> tuple[int, ...]:
    """Return how many rows there are of everything that money writes."""
    session.flush()
    return tuple(session.scalar(select(func.count()).select_from(each)) or 0 for each in WRITTEN)


def figures(session: Session, wallet: Wallet) -> tuple[str, str]:
    """Return balance and what is held."""
    session.refresh(wallet)
    return f"{wallet.balance:.2f}", f"{wallet.held:.2f}"


def place(caller: Caller, wallet: Wallet, **values: Any) -> tuple[str, Any]:
    """Hold ₹60 and return the path of the hold and its attributes."""
    body = {"amount": "60", "reason": "A parcel", **values}
    status, answer = post(caller, f"/wallets/{wallet.id}/holds", body)
    assert status == 201, answer
    return f"/wallets/{wallet.id}/holds/{answer['data']['id']}", answer["data"]["attributes"]


def test_a_hold_is_told_by_the_names_of_the_contract(session: Session, calls: Caller, wallet: Wallet) -> None:
    path, attributes = place(calls, wallet, reference="P7", expires_at="2099-01-01T00:00:00Z")
    assert attributes.pop("created_at").endswith("Z")
    assert attributes == {
        "state": "open",
        "amount": "60.00",
        "captured": "0.00",
        "currency": "INR",
        "reason": "A parcel",
        "reference": "P7",
        "expires_at": "2099-01-01T00:00:00Z",
        "resolved_at": None,
    }
    assert calls.get(path).get_json()["data"]["relationships"]["wallet"]["id"] == str(wallet.id)
    told = calls.get(f"/wallets/{wallet.id}").get_json()["data"]["attributes"]
    assert (told["balance"], told["held"], told["available"]) == ("100.00", "60.00", "40.00")


def test_a_hold_is_captured_in_part_and_the_rest_can_be_spent(
    session: Session, calls: Caller, wallet: Wallet
) -> None:
    path, _ = place(calls, wallet)
    status, answer = post(calls, f"{path}/capture", {"amount": "45.50", "reason": "Weighed"})
    assert (status, answer["data"]["attributes"]["state"]) == (200, "captured")
    assert answer["data"]["attributes"]["captured"] == "45.50"
    made = answer["data"]["relationships"]["transaction"]["id"]
    listed = calls.get(f"/wallets/{wallet.id}/transactions").get_json()["data"]
    assert (listed[0]["id"], listed[0]["attributes"]["amount"]) == (made, "-45.50")
    assert figures(session, wallet) == ("54.50", "0.00")


def test_a_second_resolution_is_409_and_names_the_state(
    session: Session, calls: Caller, wallet: Wallet
) -> None:
    path, _ = place(calls, wallet)
    assert post(calls, f"{path}/release", {"reason": "Not sent"})[0] == 200
    before = rows(session)
    for act in ("capture", "release"):
        status, answer = post(calls, f"{path}/{act}", {})
        assert (status, answer["error"]["code"]) == (409, "illegal_transition")
        assert f"A hold cannot go from released to {act}d." in answer["error"]["message"]
    assert (rows(session), figures(session, wallet)) == (before, ("100.00", "0.00"))


def test_held_money_is_not_debited(session: Session, calls: Caller, wallet: Wallet) -> None:
    place(calls, wallet)
    before = rows(session)
    status, answer = post(calls, f"/wallets/{wallet.id}/debits", {"amount": "40.01", "reason": "Fee"})
    assert (status, answer["error"]["code"]) == (409, "insufficient_funds")
    assert (rows(session), figures(session, wallet)) == (before, ("100.00", "60.00"))


def test_the_same_key_with_another_body_is_422_and_changes_nothing(
    session: Session, calls: Caller, wallet: Wallet
) -> None:
    path = f"/wallets/{wallet.id}/holds"
    first = post(calls, path, {"amount": "10", "reason": "A parcel"}, "k1")
    before = rows(session)
    again = post(calls, path, {"amount": "10", "reason": "A parcel"}, "k1")
    status, other = post(calls, path, {"amount": "11", "reason": "A parcel"}, "k1")
    assert (first[0], again) == (201, first)
    assert (status, other["error"]["code"]) == (422, "idempotency_mismatch")
    assert (rows(session), figures(session, wallet)) == (before, ("100.00", "10.00"))


def test_money_goes_to_another_wallet_and_both_say_so(
    session: Session, calls: Caller, wallet: Wallet
) -> None:
    other = make_wallet(account=make_account(wallet.account.customer, prepaid=True))
    body = {"to_wallet_id": str(other.id), "amount": "30", "reason": "For the branch"}
    status, answer = post(calls, f"/wallets/{wallet.id}/transfers", body)
    assert (status, answer["data"]["attributes"]["amount"]) == (201, "30.00")
    assert (figures(session, wallet)[0], figures(session, other)[0]) == ("70.00", "30.00")
    for each in (wallet, other):
        listed = calls.get(f"/wallets/{each.id}/transfers").get_json()["data"]
        assert [one["id"] for one in listed] == [answer["data"]["id"]]


def test_a_transfer_to_a_strangers_wallet_is_refused_at_its_field(
    session: Session, calls: Caller, wallet: Wallet
) -> None:
    before = rows(session)
    for other, code in ((make_wallet().id, "other_customer"), (wallet.account_id, "not_found")):
        before = rows(session)
        body = {"to_wallet_id": str(other), "amount": "30", "reason": "For the branch"}
        status, answer = post(calls, f"/wallets/{wallet.id}/transfers", body)
        told = [(each["pointer"], each["code"]) for each in answer["error"]["fields"]]
        assert (status, told) == (400, [("/to_wallet_id", code)])
        assert (rows(session), figures(session, wallet)) == (before, ("100.00", "0.00"))


def test_what_was_credited_is_not_refunded(session: Session, calls: Caller, wallet: Wallet) -> None:
    post(calls, f"/wallets/{wallet.id}/credits", {"amount": "25", "reason": "Goodwill"})
    before = rows(session)
    body = {"amount": "100.01", "reason": "Asked for", "reference": "NEFT-7"}
    status, answer = post(calls, f"/wallets/{wallet.id}/refunds", body)
    assert (status, answer["error"]["code"]) == (409, "insufficient_funds")
    assert rows(session) == before
    status, answer = post(calls, f"/wallets/{wallet.id}/refunds", {**body, "amount": "100"})
    told = answer["data"]["attributes"]
    assert (status, told["kind"], told["amount"], told["reference"]) == (201, "refund", "-100.00", "NEFT-7")
    assert figures(session, wallet) == ("25.00", "0.00")


def test_a_frozen_wallet_gives_nothing_out_and_a_full_one_is_not_closed(
    session: Session, calls: Caller, wallet: Wallet
) -> None:
    why = {"reason": "Under review"}
    status, answer = post(calls, f"/wallets/{wallet.id}/freeze", why)
    assert (status, answer["data"]["attributes"]["status"]) == (200, "frozen")
    hold = {"amount": "1", "reason": "A parcel"}
    assert post(calls, f"/wallets/{wallet.id}/holds", hold)[0] == 409
    assert post(calls, f"/wallets/{wallet.id}/close", why)[0] == 409
    assert post(calls, f"/wallets/{wallet.id}/activate", why)[0] == 200
    assert post(calls, f"/wallets/{wallet.id}/activate", why)[0] == 409
    assert figures(session, wallet) == ("100.00", "0.00")


AMOUNTS = [
    ("0", "not_positive"),
    ("-5", "not_positive"),
    (2**63, "too_large"),
    ({"amount": "1", "currency": "USD"}, "currency_mismatch"),
    ("1.001", "too_many_decimals"),
]
MONEY = ["credits", "debits", "holds", "capture", "transfers", "refunds", "grants", "top-ups"]


@pytest.mark.parametrize("where", MONEY)
@pytest.mark.parametrize(("amount", "code"), AMOUNTS, ids=["zero", "negative", "2^63", "USD", "decimals"])
def test_an_amount_that_cannot_be_is_refused_at_every_address_of_money(
    session: Session, calls: Caller, wallet: Wallet, where: str, amount: Any, code: str
) -> None:
    body: dict[str, Any] = {"amount": amount, "reason": "Because"}
    path = f"/wallets/{wallet.id}/{where}"
    if where == "capture":
        path = f"{place(calls, wallet)[0]}/capture"
    elif where == "transfers":
        other = make_wallet(account=make_account(wallet.account.customer, prepaid=True))
        body["to_wallet_id"] = str(other.id)
    elif where == "top-ups":
        body = {"amount": amount, "gateway": "razorpay"}
    before, money = rows(session), figures(session, wallet)
    status, answer = post(calls, path, body, key="k1")
    assert status == 400, answer
    assert [(each["pointer"], each["code"]) for each in answer["error"]["fields"]] == [("/amount", code)]
    assert (rows(session), figures(session, wallet)) == (before, money)


@pytest.mark.parametrize("where", ["holds", "transfers", "refunds", "freeze", "close", "activate"])
def test_a_key_of_the_wallets_account_and_a_reader_move_nothing(
    session: Session, client: FlaskClient, new_caller: NewCaller, wallet: Wallet, where: str
) -> None:
    body = {"amount": "1", "reason": "Because", "to_wallet_id": str(make_wallet().id)}
    sent = {name: body[name] for name in NEEDED[where]}
    bound = new_caller("wallets:write", account=wallet.account)
    assert post(bound, f"/wallets/{wallet.id}/{where}", sent)[0] == (400 if where == "transfers" else 403)
    stranger = new_caller("wallets:write", account=make_wallet().account)
    before = rows(session)
    assert post(stranger, f"/wallets/{wallet.id}/{where}", sent)[0] == 404
    assert post(new_caller("wallets:read"), f"/wallets/{wallet.id}/{where}", sent)[0] == 403
    assert rows(session)[:4] == before[:4]
    assert figures(session, wallet) == ("100.00", "0.00")


NEEDED = {
    "holds": ("amount", "reason"),
    "transfers": ("to_wallet_id", "amount", "reason"),
    "refunds": ("amount", "reason"),
    "freeze": ("reason",),
    "close": ("reason",),
    "activate": ("reason",),
}
