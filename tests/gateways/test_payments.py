"""The contract of every hosted payment gateway, with the real SDKs against the real sandbox process."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
import requests

from app import clock
from app.errors import GatewayRefused, GatewayUnavailable
from app.gateways.payments import BadSignature, GatewayPayment, GatewayStatus, from_minor, to_minor


def paid(gateway, sandbox, intent):
    checkout = gateway.create_checkout(intent)
    sandbox.press(checkout.url, "pay")
    return checkout, gateway.fetch(checkout.ref)


def test_an_unpaid_checkout_is_pending_with_the_amount_asked_for(gateway, intent):
    checkout = gateway.create_checkout(intent)
    assert gateway.fetch(checkout.ref) == GatewayPayment(
        status=GatewayStatus.pending, amount=Decimal("1180.50"), currency="INR"
    )


def test_a_paid_checkout_tells_amount_currency_fee_and_payment(gateway, sandbox, intent):
    _, payment = paid(gateway, sandbox, intent)
    assert payment.status is GatewayStatus.succeeded
    assert (payment.amount, payment.currency, payment.fee) == (Decimal("1180.50"), "INR", Decimal("23.61"))
    assert payment.payment_ref.startswith(("pi_", "pay_"))
    assert payment.reason == ""


def test_a_decline_is_a_failure_with_its_reason_and_can_still_be_paid(gateway, sandbox, intent):
    checkout = gateway.create_checkout(intent)
    sandbox.press(checkout.url, "decline")
    declined = gateway.fetch(checkout.ref)
    assert (declined.status, declined.reason) == (
        GatewayStatus.failed,
        "Your card was declined. Try another one.",
    )
    sandbox.press(checkout.url, "pay")
    assert gateway.fetch(checkout.ref).status is GatewayStatus.succeeded


def test_a_delayed_payment_succeeds_later(gateway, sandbox, receiver, intent):
    checkout = gateway.create_checkout(intent)
    sandbox.press(checkout.url, "delay")
    receiver.wait_for(2, intent.id)
    assert gateway.fetch(checkout.ref).status is GatewayStatus.succeeded


def test_the_same_intent_gets_the_same_checkout(gateway, intent):
    assert gateway.create_checkout(intent) == gateway.create_checkout(intent)


def test_a_lost_answer_is_unknown_and_resolved_by_asking_with_the_same_intent(gateway, sandbox, intent):
    sandbox.control(slow_answers=1, slow_seconds=1.5)
    with pytest.raises(GatewayUnavailable):
        gateway.create_checkout(intent)
    checkout = gateway.create_checkout(intent)
    assert gateway.create_checkout(intent) == checkout


def test_a_failing_gateway_is_unavailable_not_a_refusal(gateway, sandbox, intent):
    sandbox.control(failing_calls=1)
    with pytest.raises(GatewayUnavailable):
        gateway.create_checkout(intent)


def test_a_checkout_that_is_not_there_is_refused(gateway):
    with pytest.raises(GatewayRefused, match="No such checkout"):
        gateway.fetch("nowhere")


@pytest.mark.parametrize("amount", ["0", "-1", "0.001"])
def test_an_amount_the_gateway_cannot_count_is_refused(gateway, intent, amount):
    with pytest.raises(GatewayRefused, match="cannot be charged"):
        gateway.create_checkout(replace(intent, amount=Decimal(amount)))


def test_a_part_and_then_the_rest_are_refunded_and_nothing_more(gateway, sandbox, intent):
    _, payment = paid(gateway, sandbox, intent)
    first = gateway.refund(payment.payment_ref, Decimal("180.50"), "INR", key=str(uuid4()))
    assert (first.status, first.amount, first.currency) == (
        GatewayStatus.succeeded,
        Decimal("180.50"),
        "INR",
    )
    gateway.refund(payment.payment_ref, Decimal(1000), "INR", key=str(uuid4()))
    with pytest.raises(GatewayRefused, match="greater than what is left"):
        gateway.refund(payment.payment_ref, Decimal("0.01"), "INR", key=str(uuid4()))


def test_one_key_refunds_once(gateway, sandbox, intent):
    _, payment = paid(gateway, sandbox, intent)
    key = str(uuid4())
    first = gateway.refund(payment.payment_ref, Decimal(1000), "INR", key=key)
    assert gateway.refund(payment.payment_ref, Decimal(1000), "INR", key=key) == first


def test_an_unpaid_checkout_cannot_be_refunded(gateway, intent):
    gateway.create_checkout(intent)
    with pytest.raises(GatewayRefused, match="not captured"):
        gateway.refund("pay_unknown", Decimal(1), "INR", key=str(uuid4()))


def test_a_wrong_amount_taken_is_told_as_it_was_taken(gateway, sandbox, intent):
    sandbox.control(overpay=-5000)
    _, payment = paid(gateway, sandbox, intent)
    assert payment.amount == Decimal("1130.50")


def test_webhooks_are_signed_and_name_the_intent(gateway, sandbox, receiver, intent):
    checkout, payment = paid(gateway, sandbox, intent)
    events = [gateway.verify_webhook(body, headers) for _, body, headers in receiver.wait_for(2, intent.id)]
    assert {event.intent_id for event in events} == {intent.id}
    assert {event.payment_ref for event in events} == {payment.payment_ref}
    assert {event.checkout_ref for event in events} == {None, checkout.ref}
    assert len({event.key for event in events}) == 2


def test_copies_of_a_webhook_share_their_key(gateway, sandbox, receiver, intent):
    sandbox.control(duplicates=2)
    paid(gateway, sandbox, intent)
    events = [gateway.verify_webhook(body, headers) for _, body, headers in receiver.wait_for(6, intent.id)]
    assert len({event.key for event in events}) == 2


def test_held_webhooks_arrive_in_the_other_order(gateway, sandbox, receiver, intent):
    sandbox.control(hold_webhooks=True)
    paid(gateway, sandbox, intent)
    sandbox.control(newest_first=True, hold_webhooks=False)
    kinds = [
        gateway.verify_webhook(body, headers).kind for _, body, headers in receiver.wait_for(2, intent.id)
    ]
    assert kinds in (
        ["checkout.session.completed", "payment_intent.succeeded"],
        ["payment_link.paid", "payment.captured"],
    )


def test_a_webhook_is_posted_again_until_it_is_taken(gateway, sandbox, receiver, intent):
    receiver.answer = 503
    paid(gateway, sandbox, intent)
    receiver.wait_for(2, intent.id)
    receiver.answer = 200
    bodies = [body for _, body, _ in receiver.wait_for(4, intent.id)]
    assert bodies[:2] == bodies[2:]


def test_a_forged_webhook_is_refused(gateway, sandbox, receiver, intent):
    paid(gateway, sandbox, intent)
    _, body, headers = receiver.wait_for(2, intent.id)[0]
    with pytest.raises(BadSignature):
        gateway.verify_webhook(body.replace(b"1180", b"9999").replace(b"118050", b"999999"), headers)
    with pytest.raises(BadSignature):
        gateway.verify_webhook(body, {})


def test_the_hosted_page_shows_the_amount_and_the_end(gateway, sandbox, intent):
    checkout = gateway.create_checkout(intent)
    page = requests.get(checkout.url, timeout=5)
    assert "Pay ₹1,180.50" in page.text
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    answer = sandbox.press(checkout.url, "pay")
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("http://127.0.0.1:8000/portal/wallet")
    assert "Payment received" in requests.get(checkout.url, timeout=5).text


def test_a_page_for_no_checkout_is_404(sandbox):
    assert requests.get(f"{sandbox.url}/pay/nothing", timeout=5).status_code == 404


def test_a_wrong_key_opens_nothing(sandbox):
    for path in ("/v1/checkout/sessions/x", "/v1/payment_links/x", "/sandbox/deliveries"):
        answer = requests.get(sandbox.url + path, headers={"Authorization": "Bearer guess"}, timeout=5)
        assert answer.status_code == 401


@pytest.mark.parametrize(
    ("amount", "exponent", "minor"), [("1180.50", 2, 118050), ("1500", 0, 1500), ("2.125", 3, 2125)]
)
def test_amounts_become_minor_units_and_back(amount, exponent, minor):
    assert to_minor(Decimal(amount), exponent) == minor
    assert from_minor(minor, exponent) == Decimal(amount)


def test_each_gateway_counts_currencies_in_its_own_way(stripe_gateway, razorpay_gateway):
    currencies = ("INR", "USD", "IDR", "JPY", "KWD", "ISK")
    assert [stripe_gateway.minor_exponent(code) for code in currencies] == [2, 2, 2, 0, 3, 2]
    assert [razorpay_gateway.minor_exponent(code) for code in currencies] == [2, 2, 2, 0, 3, 0]


def test_a_checkout_expires_and_takes_no_money_then(razorpay_gateway, sandbox, receiver, intent):
    over = replace(intent, expires_at=clock.now() - timedelta(seconds=1))
    checkout = razorpay_gateway.create_checkout(over)
    assert razorpay_gateway.fetch(checkout.ref).status is GatewayStatus.expired
    sandbox.press(checkout.url, "pay")
    assert razorpay_gateway.fetch(checkout.ref).status is GatewayStatus.expired
    (message,) = receiver.wait_for(1, intent.id)
    assert razorpay_gateway.verify_webhook(message[1], message[2]).kind == "payment_link.expired"
