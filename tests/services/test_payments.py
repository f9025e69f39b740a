"""Money through the gateways arrives once, in the right place, whatever the gateway does."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import func, select, update

from app import clock
from app.db import db, transaction
from app.errors import Conflict, IdempotencyMismatch, Invalid
from app.models import AuditRecord, Payment, Wallet, WalletTransaction
from app.models.invoices import InvoiceStatus
from app.models.payments import PaymentStatus
from app.models.wallets import WalletStatus
from app.services import payments
from tests.factories import ACTOR, make_wallet
from tests.services.paying import make_issued_invoice, paying_through


@pytest.fixture(params=["stripe", "razorpay"])
def gateway(request) -> str:
    return request.param


@pytest.fixture(autouse=True)
def paying(app, sandbox, monkeypatch):
    with paying_through(app, sandbox, monkeypatch):
        yield


@dataclass
class TopUp:
    """A wallet and the payment that is to fill it."""

    wallet_id: object
    payment_id: object
    url: str | None

    @property
    def payment(self):
        return db.session.get(Payment, self.payment_id, populate_existing=True)

    @property
    def balance(self):
        return db.session.get(Wallet, self.wallet_id, populate_existing=True).balance

    def transactions(self):
        query = select(func.count()).where(WalletTransaction.wallet_id == self.wallet_id)
        return db.session.scalar(query)


def start(gateway, amount="1180.50", key=None):
    with transaction():
        wallet = make_wallet()
    payment = payments.start_top_up(wallet, amount, gateway=gateway, actor=ACTOR, key=key)
    return TopUp(wallet.id, payment.id, payment.checkout_url)


def test_a_top_up_is_pending_until_paid_and_then_in_the_wallet(sandbox, gateway):
    top_up = start(gateway)
    assert payments.apply_gateway_state(top_up.payment_id) is PaymentStatus.pending
    assert top_up.balance == 0
    sandbox.press(top_up.url, "pay")
    assert payments.apply_gateway_state(top_up.payment_id) is PaymentStatus.succeeded
    assert (top_up.balance, top_up.payment.fee) == (Decimal("1180.50"), Decimal("23.61"))


def test_asking_again_moves_no_money_again(sandbox, gateway):
    top_up = start(gateway)
    sandbox.press(top_up.url, "pay")
    for _ in range(3):
        assert payments.apply_gateway_state(top_up.payment_id) is PaymentStatus.succeeded
    assert (top_up.balance, top_up.transactions()) == (Decimal("1180.50"), 1)


def test_every_step_is_in_the_audit_trail(sandbox, gateway):
    top_up = start(gateway)
    sandbox.press(top_up.url, "pay")
    payments.apply_gateway_state(top_up.payment_id)
    query = select(AuditRecord.action).where(AuditRecord.resource_id == str(top_up.payment_id))
    assert set(db.session.scalars(query)) == {"payment.started", "payment.pending", "payment.succeeded"}


def test_a_declined_payment_fails_with_its_reason_and_may_still_succeed(sandbox, gateway):
    top_up = start(gateway)
    sandbox.press(top_up.url, "decline")
    assert payments.apply_gateway_state(top_up.payment_id) is PaymentStatus.failed
    assert (top_up.payment.reason, top_up.balance) == ("Your card was declined. Try another one.", 0)
    sandbox.press(top_up.url, "pay")
    assert payments.reconcile_failed() == {"asked": 1, "answered": 1}
    assert (top_up.payment.status, top_up.balance) == (PaymentStatus.succeeded, Decimal("1180.50"))


def test_a_timeout_is_unknown_and_is_resolved_by_asking_with_the_same_key(sandbox, gateway):
    sandbox.control(slow_answers=1, slow_seconds=1.5)
    top_up = start(gateway)
    assert (top_up.payment.status, top_up.url) == (PaymentStatus.unknown, None)
    age(top_up)
    assert payments.reconcile() == {"asked": 1, "answered": 1}
    payment = top_up.payment
    assert payment.status is PaymentStatus.pending
    sandbox.press(payment.checkout_url, "pay")
    assert payments.apply_gateway_state(payment.id) is PaymentStatus.succeeded
    assert (top_up.balance, top_up.transactions()) == (Decimal("1180.50"), 1)


def test_an_intent_whose_process_died_before_asking_is_taken_up(sandbox, gateway):
    top_up = start(gateway)
    lost = {"status": PaymentStatus.created, "gateway_ref": None, "checkout_url": None}
    with transaction():
        db.session.execute(update(Payment).where(Payment.id == top_up.payment_id).values(**lost))
    age(top_up)
    payments.reconcile()
    assert (top_up.payment.status, top_up.payment.checkout_url) == (PaymentStatus.pending, top_up.url)


def test_a_missed_webhook_is_found_by_the_reconciler(sandbox, gateway):
    top_up = start(gateway)
    sandbox.press(top_up.url, "pay")
    assert not payments.has_due()
    age(top_up)
    assert payments.has_due()
    payments.reconcile()
    assert (top_up.payment.status, top_up.balance) == (PaymentStatus.succeeded, Decimal("1180.50"))
    assert not payments.has_due()


def test_a_silent_gateway_is_asked_again_after_a_pause(sandbox, gateway):
    top_up = start(gateway)
    age(top_up)
    sandbox.control(failing_calls=1)
    assert payments.reconcile() == {"asked": 1, "answered": 0}
    assert (top_up.payment.status, payments.has_due()) == (PaymentStatus.pending, False)


def test_another_amount_than_asked_for_is_parked_and_books_nothing(sandbox, gateway):
    top_up = start(gateway)
    sandbox.control(overpay=-5000)
    sandbox.press(top_up.url, "pay")
    assert payments.apply_gateway_state(top_up.payment_id) is PaymentStatus.parked
    assert top_up.payment.reason == "The gateway took ₹1,130.50 INR, but ₹1,180.50 INR was asked for."
    assert (top_up.balance, top_up.transactions()) == (0, 0)


def test_money_for_a_wallet_that_was_closed_meanwhile_is_parked(sandbox, gateway):
    top_up = start(gateway)
    with transaction():
        db.session.get(Wallet, top_up.wallet_id).status = WalletStatus.closed
    sandbox.press(top_up.url, "pay")
    assert payments.apply_gateway_state(top_up.payment_id) is PaymentStatus.parked
    assert top_up.payment.reason == "The money arrived and could not be booked: The wallet is closed."
    assert (top_up.balance, top_up.transactions()) == (0, 0)


def test_the_same_key_is_the_same_payment(gateway):
    with transaction():
        wallet = make_wallet()
    first = payments.start_top_up(wallet, "50", gateway=gateway, actor=ACTOR, key="click-1")
    again = payments.start_top_up(wallet, "50", gateway=gateway, actor=ACTOR, key="click-1")
    assert (again.id, again.checkout_url) == (first.id, first.checkout_url)
    with pytest.raises(IdempotencyMismatch):
        payments.start_top_up(wallet, "60", gateway=gateway, actor=ACTOR, key="click-1")
    assert db.session.scalar(select(func.count()).select_from(Payment)) == 1


@pytest.mark.parametrize(
    ("amount", "gateway", "message"),
    [
        ("0", "stripe", "more than zero"),
        ("-5", "stripe", "may not be negative"),
        ("1.001", "stripe", "No more than 2 decimals"),
        ("5", "manual", "has no online page"),
        ("5", "paypal", "Choose one of"),
    ],
)
def test_a_top_up_that_cannot_be_is_refused_and_leaves_nothing(amount, gateway, message):
    with transaction():
        wallet = make_wallet()
    with pytest.raises(Invalid, match=message):
        payments.start_top_up(wallet, amount, gateway=gateway, actor=ACTOR)
    assert db.session.scalar(select(func.count()).select_from(Payment)) == 0


def test_a_gateway_is_never_asked_inside_a_transaction():
    with transaction():
        wallet = make_wallet()
        with pytest.raises(RuntimeError, match="inside a transaction"):
            payments.start_top_up(wallet, "50", gateway="stripe", actor=ACTOR)
    assert db.session.scalar(select(func.count()).select_from(Payment)) == 0


def pay_invoice(sandbox, invoice, gateway, amount=None):
    payment = payments.start_invoice_payment(invoice, gateway=gateway, actor=ACTOR, amount=amount)
    sandbox.press(payment.checkout_url, "pay")
    return payments.apply_gateway_state(payment.id)


def an_invoice():
    with transaction():
        return make_issued_invoice()


def test_an_invoice_is_paid_in_parts_and_then_whole(sandbox, gateway):
    invoice = an_invoice()
    assert pay_invoice(sandbox, invoice, gateway, "120") is PaymentStatus.succeeded
    assert (invoice.status, invoice.amount_due) == (InvoiceStatus.partially_paid, 500)
    assert pay_invoice(sandbox, invoice, gateway) is PaymentStatus.succeeded
    assert (invoice.status, invoice.amount_due) == (InvoiceStatus.paid, 0)
    with pytest.raises(Conflict, match="nothing to be paid"):
        payments.start_invoice_payment(invoice, gateway=gateway, actor=ACTOR)


def test_one_invoice_is_charged_by_one_gateway_at_a_time():
    invoice = an_invoice()
    first = payments.start_invoice_payment(invoice, gateway="stripe", actor=ACTOR)
    assert payments.start_invoice_payment(invoice, gateway="stripe", actor=ACTOR).id == first.id
    with pytest.raises(Conflict, match="by stripe is under way"):
        payments.start_invoice_payment(invoice, gateway="razorpay", actor=ACTOR)
    assert db.session.scalar(select(func.count()).select_from(Payment)) == 1


def test_more_than_is_due_is_refused():
    invoice = an_invoice()
    with pytest.raises(Invalid, match=r"Only ₹620\.00 is due"):
        payments.start_invoice_payment(invoice, gateway="stripe", actor=ACTOR, amount="620.01")


def test_an_invoice_paid_meanwhile_parks_the_money_of_the_gateway(sandbox, gateway):
    invoice = an_invoice()
    payment = payments.start_invoice_payment(invoice, gateway=gateway, actor=ACTOR)
    with transaction():
        payments.record_manual(invoice, "620", reference="UTR1", at=clock.now(), actor=ACTOR)
    sandbox.press(payment.checkout_url, "pay")
    assert payments.apply_gateway_state(payment.id) is PaymentStatus.parked
    assert (invoice.status, invoice.amount_paid) == (InvoiceStatus.paid, 620)


def test_a_bank_transfer_is_recorded_once():
    invoice = an_invoice()
    with transaction():
        payment = payments.record_manual(invoice, "20", reference="UTR7", at=clock.now(), actor=ACTOR)
    assert (payment.status, payment.gateway, invoice.amount_due) == (PaymentStatus.succeeded, "manual", 600)
    with pytest.raises(Conflict, match="recorded before"), transaction():
        payments.record_manual(invoice, "20", reference="UTR7", at=clock.now(), actor=ACTOR)
    assert invoice.amount_due == 600


def age(top_up):
    """Let the payment have been asked about a minute ago."""
    then = clock.now() - timedelta(minutes=1)
    with transaction():
        db.session.execute(
            update(Payment)
            .where(Payment.id == top_up.payment_id)
            .values(updated_at=then, created_at=Payment.created_at)
        )
