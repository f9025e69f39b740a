"""What gateways post is verified, stored once and acted on later, in any order and however often."""

import json
from datetime import timedelta
from decimal import Decimal
from itertools import permutations

import pytest
import time_machine
from sqlalchemy import func, select

from app import clock
from app.db import db, transaction
from app.gateways.razorpay import RazorpayGateway
from app.models import Payment, Wallet, WalletTransaction, WebhookMessage
from app.models.payments import MessageStatus, PaymentStatus
from app.services import gateway_messages, payments
from tests.factories import ACTOR, make_wallet
from tests.services.paying import paying_through


@pytest.fixture(params=["stripe", "razorpay"])
def gateway(request) -> str:
    return request.param


@pytest.fixture(autouse=True)
def paying(app, sandbox, monkeypatch):
    with paying_through(app, sandbox, monkeypatch):
        yield


@pytest.fixture
def top_up(gateway):
    with transaction():
        wallet = make_wallet()
    return payments.start_top_up(wallet, "1180.50", gateway=gateway, actor=ACTOR)


def post(client, message):
    gateway, body, headers = message
    kept = {name: value for name, value in headers.items() if "Signature" in name}
    return client.post(f"/webhooks/{gateway}", data=body, headers=kept, content_type="application/json")


def count(model):
    return db.session.scalar(select(func.count()).select_from(model))


def state(payment_id):
    """Return what a test can see of the outcome: status, balance, number of movements."""
    payment = db.session.get(Payment, payment_id, populate_existing=True)
    wallet = db.session.get(Wallet, payment.wallet_id, populate_existing=True)
    return payment.status, wallet.balance, count(WalletTransaction)


PAID = (PaymentStatus.succeeded, Decimal("1180.50"), 1)


def test_a_paid_top_up_reaches_the_wallet_by_its_webhook(client, sandbox, receiver, top_up):
    sandbox.press(top_up.checkout_url, "pay")
    for message in receiver.wait_for(2, top_up.id):
        assert post(client, message).status_code == 200
    assert state(top_up.id) == (PaymentStatus.pending, 0, 0)
    assert gateway_messages.process() == {"processed": 2, "waiting": 0}
    assert state(top_up.id) == PAID


def test_a_repeat_is_answered_200_and_stored_once(client, sandbox, receiver, top_up):
    sandbox.press(top_up.checkout_url, "pay")
    message = receiver.wait_for(2, top_up.id)[0]
    answers = [post(client, message) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert [answer.json["data"]["repeated"] for answer in answers] == [False, True, True]
    assert count(WebhookMessage) == 1


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_every_order_of_decline_payment_and_repeats_ends_the_same(client, sandbox, receiver, top_up, order):
    sandbox.press(top_up.checkout_url, "decline")
    sandbox.press(top_up.checkout_url, "pay")
    messages = receiver.wait_for(3, top_up.id)
    messages.append(messages[0])
    for n in order:
        assert post(client, messages[n]).status_code == 200
        gateway_messages.process()
    assert state(top_up.id) == PAID
    assert count(WebhookMessage) == 3


def test_a_processed_message_that_is_posted_again_changes_nothing(client, sandbox, receiver, top_up):
    sandbox.press(top_up.checkout_url, "pay")
    messages = receiver.wait_for(2, top_up.id)
    for message in messages * 2:
        post(client, message)
        gateway_messages.process()
    assert state(top_up.id) == PAID
    assert not gateway_messages.has_waiting()


def test_a_forged_message_is_refused_and_leaves_nothing(client, sandbox, receiver, top_up):
    sandbox.press(top_up.checkout_url, "pay")
    gateway, body, headers = receiver.wait_for(2, top_up.id)[0]
    for forged in (body + b" ", body.replace(b"118050", b"918050")):
        answer = post(client, (gateway, forged, headers))
        assert (answer.status_code, answer.json["error"]["code"]) == (400, "bad_signature")
    assert post(client, (gateway, body, {})).status_code == 400
    assert count(WebhookMessage) == 0


@pytest.mark.parametrize("gateway", ["stripe"])
def test_an_old_delivery_is_a_replay(client, sandbox, receiver, top_up):
    sandbox.press(top_up.checkout_url, "pay")
    message = receiver.wait_for(2, top_up.id)[0]
    with time_machine.travel(clock.now() + timedelta(seconds=301), tick=True):
        assert post(client, message).status_code == 400
    assert count(WebhookMessage) == 0


def test_a_message_waits_while_its_gateway_is_silent(client, sandbox, receiver, top_up):
    sandbox.press(top_up.checkout_url, "pay")
    post(client, receiver.wait_for(2, top_up.id)[0])
    sandbox.control(failing_calls=1)
    assert gateway_messages.process() == {"processed": 0, "waiting": 1}
    assert state(top_up.id) == (PaymentStatus.pending, 0, 0)
    assert gateway_messages.process() == {"processed": 1, "waiting": 0}
    assert state(top_up.id) == PAID


def signed(app, body):
    """Return a message as Razorpay would sign it."""
    gateway = payments.open_gateway("razorpay", app.extensions["settings"])
    assert isinstance(gateway, RazorpayGateway)
    raw = json.dumps(body).encode()
    return "razorpay", raw, {"X-Razorpay-Signature": gateway.sign(raw)}


@pytest.mark.parametrize(
    ("notes", "status"),
    [
        ({"intent_id": "0190a1b2-0000-7000-8000-000000000000"}, MessageStatus.failed),
        ({}, MessageStatus.processed),
        ([], MessageStatus.processed),
    ],
)
def test_a_message_about_nothing_of_ours_is_closed(app, client, notes, status):
    payment = {"id": "pay_elsewhere", "status": "captured", "notes": notes}
    body = {"event": "payment.captured", "payload": {"payment": {"entity": payment}}}
    assert post(client, signed(app, body)).status_code == 200
    gateway_messages.process()
    assert db.session.scalars(select(WebhookMessage)).one().status is status


@pytest.mark.parametrize("body", [{}, {"event": "x"}, {"event": "x", "payload": {}}, [], "text"])
def test_a_signed_body_of_another_shape_is_refused(app, client, body):
    assert post(client, signed(app, body)).status_code == 400
    assert count(WebhookMessage) == 0


def test_an_unknown_gateway_has_no_address(client):
    assert client.post("/webhooks/manual", data=b"{}").status_code == 404


def test_a_huge_body_is_refused(client):
    answer = client.post("/webhooks/stripe", data=b"x" * 300_000, headers={"Stripe-Signature": "t=1,v1=0"})
    assert answer.status_code == 413
    assert count(WebhookMessage) == 0
