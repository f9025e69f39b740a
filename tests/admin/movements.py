"""Rows of holds, transfers and grants for the tests of all screens, made by the services."""

from decimal import Decimal
from typing import Any

from sqlalchemy import select

from app.db import db
from app.domain.tds import SECTIONS
from app.models import (
    Customer,
    EInvoice,
    Invoice,
    Payment,
    PaymentMethod,
    Refund,
    User,
    Voucher,
    VoucherAdjustment,
    Wallet,
)
from app.models.refunds import RefundTarget
from app.permissions import Role
from app.services import (
    advances,
    anchors,
    caps,
    dunning,
    grants,
    holds,
    notifications,
    refunds,
    tds,
    transfers,
    wallet_limits,
    wallets,
)
from tests import factories
from tests.admin.world import AT


def make_movements(customer: Customer) -> None:
    """Hold money and let it go, transfer it to another wallet of the customer, and pay it back from there."""
    told: dict[str, Any] = {"at": AT, "actor": factories.ACTOR, "reason": "A branch was closed"}
    first, second = (
        factories.make_wallet(account=factories.make_account(customer, prepaid=True)) for _ in range(2)
    )
    wallets.top_up(first, "20", **told)
    holds.release(holds.place(first, "20", **told), at=AT, actor=factories.ACTOR)
    transfers.transfer(first, second, "20", **told)
    refunds.refund(second, "20", **told)
    grants.give(second, "20", **told)
    wallets.debit(second, "5", **told)
    _make_alerts(customer, second)
    _make_reminders(customer)
    _make_einvoice(customer)
    _make_vouchers(customer, first)
    anchors.drop(AT)


def _make_vouchers(customer: Customer, wallet: Wallet) -> None:
    """Receive an advance of which the customer's invoice took up a part, and keep TDS of its payment."""
    invoice = db.session.scalars(select(Invoice).where(Invoice.customer_id == customer.id).limit(1)).one()
    payment = db.session.scalars(select(Payment).where(Payment.invoice_id == invoice.id).limit(1)).one()
    advances.receive(wallet, "23.60", at=AT, actor=factories.ACTOR, reason="Bank transfer")
    voucher = db.session.scalars(select(Voucher).where(Voucher.wallet_id == wallet.id)).one()
    took = {"taxable": Decimal(10), "tax": Decimal("1.80"), "currency": "INR", "taxes": []}
    db.session.add(VoucherAdjustment(voucher=voucher, invoice=invoice, **took))
    kept = tds.Kept("194C", SECTIONS["194C"], Decimal(1))
    tds.record(payment, invoice, [kept], at=AT, actor=factories.ACTOR)


def _make_einvoice(customer: Customer) -> None:
    """Let the customer's invoice wait for its reference number."""
    invoice = db.session.scalars(select(Invoice).where(Invoice.customer_id == customer.id).limit(1)).one()
    row = EInvoice(invoice=invoice, irn=invoice.id.hex * 2, provider="sandbox", next_try_at=AT)
    db.session.add(row)
    db.session.flush()


def _make_reminders(customer: Customer) -> None:
    """Remind of the customer's invoice, leave the customer in peace, and give money of its payment back."""
    invoice = db.session.scalars(select(Invoice).where(Invoice.customer_id == customer.id).limit(1)).one()
    payment = db.session.scalars(select(Payment).where(Payment.invoice_id == invoice.id).limit(1)).one()
    dunning.remind(invoice, at=AT, actor=factories.ACTOR)
    until = AT.date()
    dunning.pause(customer, until=until, reason="Dispute", at=AT, actor=factories.ACTOR)
    db.session.add(
        Refund(
            payment=payment,
            target=RefundTarget.bank,
            gateway=payment.gateway,
            amount=Decimal(10),
            currency=payment.currency,
            reason="Outage",
            created_by="Test Person",
        )
    )


def _make_alerts(customer: Customer, wallet: Wallet) -> None:
    """Tell of a low balance that somebody reads, begin an automatic top-up, count spending, keep a card."""
    plan = {"threshold": "50", "amount": "100"}
    limits = {"low_balance_threshold": "60", "auto_top_up": plan}
    wallet_limits.set_limits(wallet, limits, actor=factories.ACTOR)
    wallets.debit(wallet, "1", at=AT, actor=factories.ACTOR, reason="A fee")
    caps.count({wallet: Decimal(1)}, AT)
    notifications.prefer(customer, "low_balance", mail=False)
    reader = db.session.scalars(select(User).where(User.role != Role.customer).limit(1)).one()
    notifications.mark_read(reader, None, at=AT)
    db.session.add(
        PaymentMethod(
            account_id=wallet.account_id,
            gateway="stripe",
            customer_ref="cus_1",
            method_ref=f"pm_{wallet.id}",
            label="Visa ending 4242",
        )
    )
    db.session.flush()
