"""Payments by the API: begun through a gateway, recorded by hand, listed, and never somebody else's."""

import pytest
from sqlalchemy import func, select

from app.db import db, transaction
from app.models import Payment
from tests.factories import make_account, make_wallet
from tests.services.paying import make_issued_invoice, paying_through


@pytest.fixture(autouse=True)
def paying(app, sandbox, monkeypatch):
    with paying_through(app, sandbox, monkeypatch):
        yield


@pytest.fixture
def wallet(app):
    with transaction():
        return make_wallet()


@pytest.fixture
def invoice(app):
    with transaction():
        return make_issued_invoice()


def count():
    return db.session.scalar(select(func.count()).select_from(Payment))


def attributes(answer):
    return answer.json["data"]["attributes"]


def test_a_wallet_payment_answers_with_the_gateways_page(caller, wallet, sandbox):
    answer = caller.post("/payments", {"gateway": "stripe", "wallet_id": str(wallet.id), "amount": "118.00"})
    assert answer.status_code == 201
    told = attributes(answer)
    assert (told["status"], told["amount"], told["currency"]) == ("pending", "118.00", "INR")
    assert told["checkout_url"].startswith(f"{sandbox.url}/pay/cs_test_")


def test_an_invoice_payment_is_over_all_that_is_due(caller, invoice):
    answer = caller.post("/payments", {"gateway": "razorpay", "invoice_id": str(invoice.id)})
    assert (answer.status_code, attributes(answer)["amount"]) == (201, "620.00")


def test_the_same_key_is_the_same_payment(caller, wallet):
    body = {"gateway": "stripe", "wallet_id": str(wallet.id), "amount": "118.00"}
    first = caller.post("/payments", body, Idempotency_Key="k1")
    again = caller.post("/payments", body, Idempotency_Key="k1")
    assert (again.status_code, again.json["data"]["id"]) == (201, first.json["data"]["id"])
    other = caller.post("/payments", {**body, "amount": "119.00"}, Idempotency_Key="k1")
    assert (other.status_code, other.json["error"]["code"]) == (422, "idempotency_mismatch")
    assert count() == 1


def test_a_bank_transfer_is_recorded_as_paid(caller, invoice):
    body = {"gateway": "manual", "invoice_id": str(invoice.id), "amount": "620", "reference": "UTR9"}
    answer = caller.post("/payments", body)
    assert (answer.status_code, attributes(answer)["status"]) == (201, "succeeded")
    again = caller.post("/payments", {**body, "amount": "1"})
    assert again.status_code == 409
    assert count() == 1


def test_a_bank_transfer_is_recorded_once_per_key(caller, invoice):
    body = {"gateway": "manual", "invoice_id": str(invoice.id), "amount": "100", "reference": "UTR9"}
    first, second = (caller.post("/payments", body, Idempotency_Key="bank-1") for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 201)
    assert second.json["data"] == first.json["data"]
    assert second.headers["Idempotency-Replayed"] == "true"
    other = caller.post("/payments", {**body, "amount": "200"}, Idempotency_Key="bank-1")
    assert (other.status_code, other.json["error"]["code"]) == (422, "idempotency_mismatch")
    assert count() == 1


@pytest.mark.parametrize(("currency", "status"), [("INR", 201), ("USD", 400)])
def test_a_bank_transfer_may_name_its_currency(caller, invoice, currency, status):
    amount = {"amount": "100", "currency": currency}
    body = {"gateway": "manual", "invoice_id": str(invoice.id), "amount": amount, "reference": "UTR9"}
    answer = caller.post("/payments", body)
    assert answer.status_code == status
    told = attributes(answer)["amount"] if status == 201 else answer.json["error"]["code"]
    assert told == {"INR": "100.00", "USD": "currency_mismatch"}[currency]
    assert count() == {"INR": 1, "USD": 0}[currency]


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"amount": "0"}, 400, "invalid"),
        ({"amount": "1.001"}, 400, "invalid"),
        ({"amount": {"amount": "5", "currency": "USD"}}, 400, "currency_mismatch"),
        ({"gateway": "paypal"}, 400, "invalid"),
        ({"wallet_id": None}, 400, "invalid"),
        ({"wallet_id": "0190a1b2-0000-7000-8000-000000000000"}, 404, "not_found"),
        ({"gateway": "manual"}, 400, "invalid"),
        ({"surprise": 1}, 400, "invalid"),
    ],
)
def test_what_cannot_be_paid_is_refused_and_leaves_nothing(caller, wallet, change, status, code):
    body = {"gateway": "stripe", "wallet_id": str(wallet.id), "amount": "118.00", **change}
    answer = caller.post("/payments", body)
    assert (answer.status_code, answer.json["error"]["code"]) == (status, code)
    assert count() == 0


def test_a_list_is_filtered_and_paged(caller, wallet, invoice):
    for amount in ("1", "2", "3"):
        caller.post("/payments", {"gateway": "stripe", "wallet_id": str(wallet.id), "amount": amount})
    caller.post("/payments", {"gateway": "stripe", "invoice_id": str(invoice.id)})
    page = caller.get("/payments", wallet_id=str(wallet.id), limit=2).json
    rest = caller.get("/payments", wallet_id=str(wallet.id), limit=2, cursor=page["meta"]["next_cursor"]).json
    amounts = [one["attributes"]["amount"] for one in page["data"] + rest["data"]]
    assert amounts == ["3.54", "2.36", "1.18"]  # with the tax of an advance at 18 %
    assert rest["meta"]["next_cursor"] is None
    assert len(caller.get("/payments", status="pending").json["data"]) == 4


def test_somebody_elses_payment_is_not_there(caller, new_caller, wallet):
    made = caller.post("/payments", {"gateway": "stripe", "wallet_id": str(wallet.id), "amount": "1"})
    with transaction():
        stranger = make_account()
    foreign = new_caller("payments:write", account=stranger)
    assert foreign.get(f"/payments/{made.json['data']['id']}").status_code == 404
    assert foreign.get("/payments").json["data"] == []
    body = {"gateway": "stripe", "wallet_id": str(wallet.id), "amount": "1"}
    assert foreign.post("/payments", body).status_code == 404
    assert count() == 1


def test_a_key_of_the_account_does_not_record_its_own_payment(new_caller, invoice):
    bound = new_caller("payments:write", account=invoice.account)
    body = {"gateway": "manual", "invoice_id": str(invoice.id), "amount": "620", "reference": "UTR9"}
    assert bound.post("/payments", body).status_code == 403
    assert count() == 0


def test_a_top_up_is_told_as_every_payment(caller, wallet):
    made = caller.post(f"/wallets/{wallet.id}/top-ups", {"amount": "5"}).json["data"]
    assert made == caller.get(f"/payments/{made['id']}").json["data"]


def test_reading_does_not_open_writing(new_caller, wallet):
    reader = new_caller("payments:read")
    body = {"gateway": "stripe", "wallet_id": str(wallet.id), "amount": "1"}
    assert reader.post("/payments", body).status_code == 403
    assert count() == 0
