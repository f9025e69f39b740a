"""Money of payments goes back once, never above the payment, whatever the gateway does."""

from decimal import Decimal

import pytest
from sqlalchemy import func, select, update

from app import clock
from app.db import db, transaction
from app.errors import Conflict, IdempotencyMismatch, InsufficientFunds, Invalid
from app.models import Payment, Refund, Wallet
from app.models.invoices import InvoiceStatus
from app.models.payments import PaymentStatus
from app.models.refunds import RefundStatus, RefundTarget
from app.services import parked_payments, payment_refunds, payments, refund_sending, verify, wallets
from tests.factories import ACTOR, make_account, make_wallet
from tests.services.paying import make_issued_invoice, paying_through
from tests.services.tampering import red


@pytest.fixture(params=["stripe", "razorpay"])
def gateway(request) -> str:
    return request.param


@pytest.fixture(autouse=True)
def paying(app, sandbox, monkeypatch):
    with paying_through(app, sandbox, monkeypatch):
        yield
        sandbox.control(pending_refunds=0, overpay=0)


def pay(sandbox, gateway, amount=None):
    """Return an invoice of 620 that was paid, and its payment."""
    with transaction():
        invoice = make_issued_invoice()
    payment = payments.start_invoice_payment(invoice, gateway=gateway, actor=ACTOR, amount=amount)
    sandbox.press(payment.checkout_url, "pay")
    payments.apply_gateway_state(payment.id)
    return invoice, payment


def begin(payment, amount=None, **more):
    with transaction():
        values = {"reason": "Outage", "at": clock.now(), "actor": ACTOR, **more}
        return payment_refunds.begin(payment, amount, **values)


def found(refund):
    return db.session.get(Refund, refund.id, populate_existing=True)


def green():
    assert red(verify.run(["refunds", "amounts_due", "journals", "wallets", "transactions"])) == {}


def test_a_refund_goes_to_the_gateway_and_the_invoice_waits_again(sandbox, gateway):
    invoice, payment = pay(sandbox, gateway)
    assert invoice.status is InvoiceStatus.paid
    refund = begin(payment, "120")
    assert (refund.status, payment.status, payment.refunded) == (
        RefundStatus.created,
        PaymentStatus.succeeded,
        0,
    )
    assert refund_sending.send() == {"asked": 1, "answered": 1}
    assert (found(refund).status, payment.status, payment.refunded) == (
        RefundStatus.succeeded,
        PaymentStatus.partially_refunded,
        120,
    )
    assert (invoice.status, invoice.amount_due) == (InvoiceStatus.partially_paid, 120)
    begin(payment)
    refund_sending.send()
    assert (payment.status, invoice.status, invoice.amount_due) == ("refunded", InvoiceStatus.issued, 620)
    assert not refund_sending.has_due()
    green()


@pytest.mark.parametrize("amount", ["0", "-1", "1.001", "620.01", str(2**63)])
def test_an_amount_that_cannot_go_back_is_refused_and_leaves_nothing(sandbox, amount):
    _, payment = pay(sandbox, "stripe")
    with pytest.raises(Invalid) as refused:
        begin(payment, amount)
    assert refused.value.fields[0].pointer == "/amount"
    assert db.session.scalar(select(func.count()).where(Refund.payment_id == payment.id)) == 0


def test_what_is_under_way_counts_as_given_back(sandbox, gateway):
    _, payment = pay(sandbox, gateway)
    begin(payment, "400")
    with pytest.raises(Invalid, match=r"₹220\.00 is left"):
        begin(payment, "220.01")
    assert payment_refunds.left_of(payment) == 220


def test_a_timeout_is_unknown_and_asking_again_gives_it_back_once(sandbox, gateway):
    invoice, payment = pay(sandbox, gateway)
    refund = begin(payment, "20")
    sandbox.control(slow_answers=1, slow_seconds=1.5)
    assert refund_sending.send() == {"asked": 1, "answered": 0}
    assert found(refund).status is RefundStatus.unknown
    assert refund_sending.ask(refund.id) is RefundStatus.succeeded
    assert refund_sending.ask(refund.id) is RefundStatus.succeeded
    assert (payment.refunded, invoice.amount_due) == (20, 20)
    green()


def test_a_pending_refund_is_settled_by_the_gateways_message(app, sandbox, gateway):
    invoice, payment = pay(sandbox, gateway)
    sandbox.control(pending_refunds=1)
    refund = begin(payment, "20")
    assert refund_sending.ask(refund.id) is RefundStatus.pending
    assert invoice.amount_due == 0
    sandbox.finish_refunds()
    assert refund_sending.ask_about_payment(payment.id) == {"asked": 1, "answered": 1}
    assert (found(refund).status, invoice.amount_due) == (RefundStatus.succeeded, 20)
    assert refund_sending.payment_of(payment.gateway_payment_ref) == payment.id


def test_a_top_up_leaves_the_wallet_at_once_and_comes_back_when_the_refund_fails(sandbox, gateway):
    with transaction():
        wallet = make_wallet()
    payment = payments.start_top_up(wallet, "100", gateway=gateway, actor=ACTOR)
    sandbox.press(payment.checkout_url, "pay")
    payments.apply_gateway_state(payment.id)
    sandbox.control(pending_refunds=1)
    refund = begin(payment)
    assert balance(wallet) == 0
    assert refund_sending.ask(refund.id) is RefundStatus.pending
    sandbox.finish_refunds(failed=True)
    assert refund_sending.ask(refund.id) is RefundStatus.failed
    assert (balance(wallet), payment.refunded, payment.status) == (100, 0, PaymentStatus.succeeded)
    again = begin(payment)
    assert refund_sending.ask(again.id) is RefundStatus.succeeded
    assert (balance(wallet), payment.status) == (0, PaymentStatus.refunded)
    green()


def test_a_top_up_that_was_spent_is_not_given_back(sandbox):
    with transaction():
        wallet = make_wallet()
    payment = payments.start_top_up(wallet, "100", gateway="stripe", actor=ACTOR)
    sandbox.press(payment.checkout_url, "pay")
    payments.apply_gateway_state(payment.id)
    with transaction():
        wallets.debit(wallet, "60", at=clock.now(), actor=ACTOR, reason="Spent")
    with pytest.raises(InsufficientFunds):
        begin(payment, payment.amount)
    assert (balance(wallet), db.session.scalar(select(func.count()).select_from(Refund))) == (40, 0)


def test_the_same_key_is_the_same_refund(sandbox):
    _, payment = pay(sandbox, "stripe")
    first = begin(payment, "20", key="click-1")
    assert begin(payment, "20", key="click-1").id == first.id
    with pytest.raises(IdempotencyMismatch):
        begin(payment, "30", key="click-1")


def test_a_bank_transfer_goes_back_by_bank_with_a_reference():
    with transaction():
        invoice = make_issued_invoice()
        payment = payments.record_manual(invoice, "620", reference="UTR1", at=clock.now(), actor=ACTOR)
    with pytest.raises(Conflict, match="came by bank"):
        begin(payment, "20")
    with pytest.raises(Invalid, match="reference"):
        begin(payment, "20", target=RefundTarget.bank)
    refund = begin(payment, "20", target=RefundTarget.bank, reference="UTR2")
    assert (refund.status, invoice.amount_due) == (RefundStatus.succeeded, 20)
    green()


def test_a_payment_goes_into_the_wallet(sandbox):
    with transaction():
        account = make_account(prepaid=True)
        invoice = make_issued_invoice(account=account, customer=account.customer)
        payment = payments.record_manual(invoice, "620", reference="UTR3", at=clock.now(), actor=ACTOR)
    begin(payment, "20", target=RefundTarget.wallet)
    wallet = wallets.find_for(account)
    assert (balance(wallet), invoice.amount_due, payment.refunded) == (20, 20, 20)
    green()


def test_parked_money_is_booked_on_another_invoice_or_given_back(sandbox, gateway):
    with transaction():
        invoice = make_issued_invoice()
    payment = payments.start_invoice_payment(invoice, gateway=gateway, actor=ACTOR)
    sandbox.control(overpay=-5000)
    sandbox.press(payment.checkout_url, "pay")
    sandbox.control(overpay=0)
    assert payments.apply_gateway_state(payment.id) is PaymentStatus.parked
    assert (payment.taken, payment_refunds.left_of(payment)) == (570, 570)
    with transaction():
        parked_payments.book(payment, reason="They agreed", at=clock.now(), actor=ACTOR)
    assert (payment.status, invoice.amount_due) == (PaymentStatus.succeeded, 50)
    refund = begin(payment)
    assert refund_sending.ask(refund.id) is RefundStatus.succeeded
    assert (payment.status, payment.refunded, invoice.amount_due) == (PaymentStatus.refunded, 570, 620)
    green()


def test_parked_money_that_cannot_be_booked_stays_parked_and_can_go_back(sandbox, gateway):
    with transaction():
        invoice = make_issued_invoice()
    payment = payments.start_invoice_payment(invoice, gateway=gateway, actor=ACTOR)
    with transaction():
        payments.record_manual(invoice, "620", reference="UTR9", at=clock.now(), actor=ACTOR)
    sandbox.press(payment.checkout_url, "pay")
    payments.apply_gateway_state(payment.id)
    with pytest.raises(Conflict, match="waits for no payment"), transaction():
        parked_payments.book(payment, reason="Again", at=clock.now(), actor=ACTOR)
    refund = begin(payment)
    assert refund_sending.ask(refund.id) is RefundStatus.succeeded
    assert (payment.status, invoice.status, invoice.amount_paid) == ("refunded", InvoiceStatus.paid, 620)
    green()


@pytest.mark.parametrize(
    "change",
    [
        {"refunded": 1},
        {"status": PaymentStatus.refunded},
    ],
)
def test_the_check_names_a_payment_whose_refunds_say_otherwise(sandbox, change):
    _, payment = pay(sandbox, "stripe")
    with transaction():
        db.session.execute(update(Payment).where(Payment.id == payment.id).values(**change))
    assert red(verify.run(["refunds"])) == {"refunds": [f"payment {payment.id}"]}


def balance(wallet) -> Decimal:
    return db.session.get(Wallet, wallet.id, populate_existing=True).balance
