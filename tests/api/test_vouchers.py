"""Vouchers, quotes of top-ups and TDS by the API."""

import pytest
from sqlalchemy import func, select

from app import clock
from app.db import db, transaction
from app.models import Payment, TdsReceivable, Wallet
from app.services import advances, payments
from tests import factories as make
from tests.services.paying import make_issued_invoice, paying_through


@pytest.fixture
def paying(app, sandbox, monkeypatch):
    with paying_through(app, sandbox, monkeypatch):
        yield


@pytest.fixture
def wallet(app) -> Wallet:
    with transaction():
        make.make_seller()
        make.make_tax_rate("18")
        found = make.make_wallet()
        advances.receive(
            found, "1180", at=clock.now(), actor=make.ACTOR, reason="Bank transfer", reference="NEFT-1"
        )
        return found


def attributes(answer):
    return answer.json["data"]["attributes"]


def test_a_voucher_is_listed_and_read_with_its_taxes(caller, wallet):
    (listed,) = caller.get("/vouchers", wallet_id=str(wallet.id)).json["data"]
    answer = caller.get(f"/vouchers/{listed['id']}")
    told = attributes(answer)
    assert (told["kind"], told["taxable"], told["tax"], told["amount"]) == (
        "receipt_voucher",
        "1000.00",
        "180.00",
        "1180.00",
    )
    assert [(tax["code"], tax["amount"]) for tax in told["taxes"]] == [("CGST", "90.00"), ("SGST", "90.00")]
    assert caller.get("/vouchers", kind="refund_voucher").json["data"] == []
    assert caller.get("/vouchers/0190a1b2-0000-7000-8000-000000000000").status_code == 404


def test_a_top_up_quote_adds_the_tax(caller, wallet):
    told = attributes(caller.get(f"/wallets/{wallet.id}/top-ups/quote", amount="1000"))
    assert (told["amount"], told["tax"], told["to_pay"]) == ("1000.00", "180.00", "1180.00")
    refused = caller.get(f"/wallets/{wallet.id}/top-ups/quote", amount="0")
    assert (refused.status_code, refused.json["error"]["fields"][0]["pointer"]) == (400, "/amount")


def test_a_top_up_of_1000_asks_for_1180_and_puts_1000_into_the_wallet(paying, caller, wallet, sandbox):
    answer = caller.post(f"/wallets/{wallet.id}/top-ups", {"amount": "1000.00", "gateway": "stripe"})
    told = attributes(answer)
    assert (answer.status_code, told["amount"], told["tax"]) == (201, "1180.00", "180.00")
    sandbox.press(told["checkout_url"], "pay")
    payments.apply_gateway_state(db.session.scalars(select(Payment.id)).one())
    assert db.session.get(Wallet, wallet.id, populate_existing=True).balance == 2000
    numbers = [row["attributes"]["number"] for row in caller.get("/vouchers").json["data"]]
    assert [number.rpartition("/")[2] for number in numbers] == ["0002", "0001"]


def test_tds_is_recorded_with_a_payment_and_certified_once(caller, app):
    with transaction():
        invoice = make_issued_invoice()
    body = {
        "gateway": "manual",
        "invoice_id": str(invoice.id),
        "amount": "609.50",
        "reference": "UTR9",
        "tds_amount": "10.50",
        "tds_section": "194C",
    }
    assert caller.post("/payments", {**body, "tds_amount": "10.51"}).status_code == 400
    assert caller.post("/payments", {**body, "gateway": "stripe"}).status_code == 400
    assert db.session.scalar(select(func.count()).select_from(Payment)) == 0
    assert caller.post("/payments", body).status_code == 201
    assert attributes(caller.get(f"/invoices/{invoice.id}"))["status"] == "paid"
    (listed,) = caller.get("/tds-receivables", status="expected").json["data"]
    assert (listed["attributes"]["amount"], listed["attributes"]["section"]) == ("10.50", "194C")
    path = f"/tds-receivables/{listed['id']}"
    answer = caller.post(f"{path}/certify", {"certificate_number": "16A/1", "certified_on": "2027-05-15"})
    assert (answer.status_code, attributes(answer)["status"]) == (200, "certified")
    assert caller.post(f"{path}/certify", {"certificate_number": "16A/2"}).status_code == 409
    told = attributes(caller.get(path))
    assert (told["certificate_number"], told["certified_on"]) == ("16A/1", "2027-05-15")
    assert db.session.scalar(select(func.count()).select_from(TdsReceivable)) == 1
