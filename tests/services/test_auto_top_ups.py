"""Wallets that fill themselves up, through the gateways' own SDKs against the sandbox."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update

from app import clock
from app.config import current_settings
from app.db import db, transaction
from app.models import AutoTopUp, Notification, OutboxMessage, Payment, PaymentMethod, Wallet
from app.models.alerts import AutoTopUpStatus
from app.models.payments import PaymentStatus
from app.services import auto_top_up_attempts, outbox, payments, wallet_limits, wallets
from tests.factories import ACTOR, make_wallet
from tests.services.paying import paying_through

PLAN = {"threshold": "100", "amount": "500"}


@pytest.fixture(autouse=True)
def paying(app, sandbox, monkeypatch):
    with paying_through(app, sandbox, monkeypatch):
        yield


@dataclass
class Filling:
    """A wallet that fills itself up from below 100 with 500."""

    wallet_id: UUID

    @property
    def wallet(self) -> Wallet:
        return db.session.get_one(Wallet, self.wallet_id, populate_existing=True)

    @property
    def rows(self) -> list[AutoTopUp]:
        query = select(AutoTopUp).where(AutoTopUp.wallet_id == self.wallet_id).order_by(AutoTopUp.id)
        return list(db.session.scalars(query.execution_options(populate_existing=True)))

    @property
    def payments(self) -> list[Payment]:
        query = select(Payment).where(Payment.wallet_id == self.wallet_id).order_by(Payment.created_at)
        return list(db.session.scalars(query.execution_options(populate_existing=True)))

    def debit(self, amount: str) -> None:
        with transaction():
            wallets.debit(self.wallet, Decimal(amount), at=clock.now(), actor=ACTOR, reason="Spent")

    def wait(self, minutes: int) -> None:
        """Let time pass for the open top-up."""
        earlier = AutoTopUp.next_at - timedelta(minutes=minutes)
        with transaction():
            db.session.execute(
                update(AutoTopUp).where(AutoTopUp.wallet_id == self.wallet_id).values(next_at=earlier)
            )

    def told(self) -> list[tuple[str, str | None]]:
        keep_promises()
        query = select(Notification.title, Notification.url).where(Notification.kind == "auto_top_up")
        rows = db.session.execute(
            query.where(Notification.resource_id == str(self.wallet_id)).order_by(Notification.id)
        )
        name = self.wallet.account.name
        return [(title.removeprefix(f"{name}: "), url) for title, url in rows]


def keep_promises() -> None:
    while outbox.deliver(50)["kept"]:
        pass


def a_wallet(balance: str = "150", **plan: Any) -> Filling:
    with transaction():
        wallet = make_wallet(balance, auto_top_up={**PLAN, **plan})
    return Filling(wallet.id)


def with_a_saved_card(sandbox, balance: str = "150") -> Filling:
    """Return a wallet whose first top-up was paid on Stripe's page, which kept the card."""
    filling = a_wallet("0")
    auto_top_up_attempts.run()
    (first,) = filling.payments
    sandbox.press(first.checkout_url, "pay")
    payments.apply_gateway_state(first.id)
    filling.debit(str(Decimal(500) - Decimal(balance)))
    return filling


def test_nothing_begins_above_the_threshold(sandbox):
    filling = a_wallet()
    filling.debit("50")
    assert (filling.rows, filling.wallet.topping_up) == ([], False)
    assert auto_top_up_attempts.run() == {"looked_at": 0, "begun": 0}


def test_below_the_threshold_one_payment_begins_and_its_page_is_mailed(sandbox):
    filling = a_wallet()
    filling.debit("60")
    filling.debit("10")
    assert [row.status for row in filling.rows] == [AutoTopUpStatus.waiting]
    assert auto_top_up_attempts.run() == {"looked_at": 1, "begun": 1}
    assert auto_top_up_attempts.run() == {"looked_at": 0, "begun": 0}
    (payment,) = filling.payments
    assert (payment.amount, payment.status, payment.gateway) == (500, PaymentStatus.pending, "stripe")
    assert filling.told() == [("please top up", payment.checkout_url)]
    to = f"To: {filling.wallet.account.customer.email}"
    mails = [path.read_text() for path in current_settings().mail_dir.glob("*.eml")]
    assert len([mail for mail in mails if to in mail and "please top up" in mail]) == 1


def test_the_money_ends_it_and_the_next_fall_begins_another(sandbox):
    filling = a_wallet()
    filling.debit("60")
    auto_top_up_attempts.run()
    (payment,) = filling.payments
    sandbox.press(payment.checkout_url, "pay")
    for _ in range(3):
        payments.apply_gateway_state(payment.id)
    assert (filling.wallet.balance, filling.wallet.topping_up) == (Decimal(590), False)
    assert [row.status for row in filling.rows] == [AutoTopUpStatus.done]
    filling.debit("500")
    assert [row.status for row in filling.rows] == [AutoTopUpStatus.done, AutoTopUpStatus.waiting]


def test_the_card_of_the_first_top_up_is_charged_for_the_next_without_the_customer(sandbox):
    filling = with_a_saved_card(sandbox, "90")
    method = db.session.scalars(select(PaymentMethod)).one()
    assert (method.label, method.gateway) == ("Visa ending 4242", "stripe")
    before = filling.told()
    auto_top_up_attempts.run()
    charged = filling.payments[-1]
    assert (charged.method_id, charged.status, charged.checkout_url) == (
        method.id,
        PaymentStatus.pending,
        None,
    )
    assert payments.apply_gateway_state(charged.id) is PaymentStatus.succeeded
    assert (filling.wallet.balance, charged.fee) == (Decimal(590), Decimal(10))
    assert [row.status for row in filling.rows] == [AutoTopUpStatus.done, AutoTopUpStatus.done]
    assert filling.told() == before


def test_a_declined_charge_is_tried_again_after_the_pause_with_a_payment_of_its_own(sandbox):
    filling = with_a_saved_card(sandbox, "90")
    sandbox.control(declined_charges=1)
    auto_top_up_attempts.run()
    declined = filling.payments[-1]
    assert (declined.status, filling.wallet.balance) == (PaymentStatus.failed, Decimal(90))
    assert auto_top_up_attempts.run() == {"looked_at": 0, "begun": 0}
    filling.wait(15)
    assert auto_top_up_attempts.run() == {"looked_at": 1, "begun": 1}
    again = filling.payments[-1]
    assert again.id != declined.id
    payments.apply_gateway_state(again.id)
    assert (filling.wallet.balance, filling.wallet.topping_up) == (Decimal(590), False)
    assert filling.told()[-1] == ("the automatic top-up was declined", None)


def test_after_the_last_attempt_it_gives_up_tells_and_begins_no_other(sandbox):
    filling = with_a_saved_card(sandbox, "90")
    sandbox.control(declined_charges=9)
    for minutes in (0, 15, 60, 360, 1440, 1440):
        filling.wait(minutes)
        auto_top_up_attempts.run()
    assert [payment.status for payment in filling.payments[1:]] == [PaymentStatus.failed] * 5
    row = filling.rows[-1]
    assert (row.status, row.next_at) == (AutoTopUpStatus.gave_up, None)
    assert row.error == "Stripe refused: Your card was declined. Try another one."
    assert filling.told()[-1] == ("the automatic top-up did not succeed", None)
    filling.debit("10")
    assert (len(filling.rows), auto_top_up_attempts.run()["begun"]) == (2, 0)
    with transaction():
        wallets.top_up(filling.wallet, "100", at=clock.now(), actor=ACTOR, reason="Bank transfer")
    assert (filling.rows[-1].status, filling.wallet.topping_up) == (AutoTopUpStatus.done, False)


def test_a_page_that_can_still_be_paid_is_not_followed_by_a_second_payment(sandbox):
    filling = a_wallet()
    filling.debit("60")
    auto_top_up_attempts.run()
    (payment,) = filling.payments
    keep_promises()
    sandbox.press(payment.checkout_url, "decline")
    payments.apply_gateway_state(payment.id)
    filling.wait(15)
    assert auto_top_up_attempts.run() == {"looked_at": 1, "begun": 0}
    page = payment.checkout_url
    assert filling.told() == [("please top up", page), ("the payment was declined", page)]
    assert len(filling.payments) == 1


def test_a_crash_between_the_commit_and_the_call_is_taken_up_by_the_reconciler(sandbox):
    filling = with_a_saved_card(sandbox, "90")
    with transaction():
        payment_id = auto_top_up_attempts.step(filling.rows[-1].id, at=clock.now())
    assert filling.payments[-1].status is PaymentStatus.created
    assert auto_top_up_attempts.run() == {"looked_at": 0, "begun": 0}
    with transaction():
        earlier = {
            "created_at": clock.now() - timedelta(minutes=2),
            "updated_at": clock.now() - timedelta(minutes=2),
        }
        db.session.execute(update(Payment).where(Payment.id == payment_id).values(**earlier))
    payments.reconcile()
    assert (filling.payments[-1].status, filling.wallet.balance) == (PaymentStatus.succeeded, Decimal(590))


def test_a_charge_whose_answer_was_lost_is_asked_again_and_taken_once(sandbox):
    filling = with_a_saved_card(sandbox, "90")
    sandbox.control(slow_answers=1, slow_seconds=1.5)
    auto_top_up_attempts.run()
    charged = filling.payments[-1]
    assert charged.status is PaymentStatus.unknown
    for _ in range(2):
        payments.apply_gateway_state(charged.id)
    assert (filling.wallet.balance, len(filling.payments)) == (Decimal(590), 2)


def test_a_mail_waits_until_the_gateway_has_opened_its_page(sandbox):
    filling = a_wallet()
    filling.debit("60")
    sandbox.control(failing_calls=1)
    auto_top_up_attempts.run()
    assert filling.payments[0].status is PaymentStatus.unknown
    assert filling.told() == []
    payments.apply_gateway_state(filling.payments[0].id)
    with transaction():
        db.session.execute(update(OutboxMessage).values(available_at=clock.now()))
    assert filling.told() == [("please top up", filling.payments[0].checkout_url)]


def test_a_plan_that_is_taken_away_ends_what_was_begun(sandbox):
    filling = a_wallet()
    filling.debit("60")
    with transaction():
        wallet_limits.set_limits(filling.wallet, {"auto_top_up": None}, actor=ACTOR)
    assert [row.status for row in filling.rows] == [AutoTopUpStatus.cancelled]
    assert auto_top_up_attempts.run() == {"looked_at": 0, "begun": 0}


def test_a_plan_that_is_set_below_its_threshold_begins_at_once(sandbox):
    with transaction():
        filling = Filling(make_wallet("50").id)
        wallet_limits.set_limits(filling.wallet, {"auto_top_up": PLAN}, actor=ACTOR)
    assert [row.status for row in filling.rows] == [AutoTopUpStatus.waiting]
