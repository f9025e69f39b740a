"""The money of the demonstration: top-ups and grants, two billing runs, and invoices that are paid in time,
late, in part or never."""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import ROUND_UP, Decimal

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from app.db import db, in_transaction
from app.domain.money import quantize_payable
from app.domain.periods import ONE_DAY, day_start
from app.models import Account, Grant, Invoice, Payment, Wallet, WalletTransaction
from app.models.invoices import InvoiceStatus
from app.permissions import Actor
from app.services import (
    accounts,
    advance_tax,
    advances,
    billing,
    grants,
    invoices,
    payments,
    wallet_limits,
    wallets,
)
from app.services.demo.customers import Buyer
from app.services.demo.timeline import BILLED_AFTER, ZONE, Timeline

FINANCE = Actor.system("bank statement")
BILLING = Actor.system("billing")
DAYS = 27
# What a message costs on the starter plan, the channels mixed as `usage.CHANNELS` mixes them.
PRICE = {"INR": Decimal("0.213"), "USD": Decimal("0.00633"), "IDR": Decimal(294)}
# What is put into a wallet on the first day of each month, as percent of a month's usage.
FILLED = {"full": (180, 140, 140), "low": (125, 125, 125), "empty": (60, 50, 0)}
# Who is given credit on the first of which month: percent of its usage, days until it expires, kind, why.
GRANTED = ("charminar", "hooghly")
GRANTS = (
    (0, 50, 10, "promotional", "Welcome credit"),
    (2, 20, 45, "promotional", "Festival offer"),
    (2, 150, None, "purchased", "Credit bought in advance"),
)
# On which day after the invoice it is paid, and how much of it in percent.
PAID = {"prompt": (8, 100), "late": (24, 100), "partly": (13, 50), "full": (4, 100), "low": (11, 100)}
# Invoices of the first of a month are due on its 16th.
OVERDUE_DAY = 17
OPEN = (InvoiceStatus.issued, InvoiceStatus.partially_paid, InvoiceStatus.overdue)
LOW_PERCENT, WELL_FILLED_PERCENT = 150, 15


def fill_wallets(everybody: Sequence[Buyer], on: date, timeline: Timeline) -> None:
    """On the first of a month, top the wallets up by bank transfer, and give some of them credit."""
    if on.day != 1:
        return
    month = (on.year - timeline.first_on.year) * 12 + on.month - timeline.first_on.month
    for buyer in everybody:
        percent = FILLED[buyer.pays][month] if buyer.prepaid else 0
        if percent:
            in_transaction(lambda one=buyer, share=percent: _top_up(one, share, on))  # type: ignore[misc]
        if buyer.key in GRANTED:
            in_transaction(lambda one=buyer: _grant(one, month, on))  # type: ignore[misc]


def bill(on: date, timeline: Timeline) -> None:
    """On the evening of a month's first day, bill the month before; what is past its day becomes overdue."""
    at = day_start(on, ZONE) + BILLED_AFTER
    if at > timeline.until:
        return
    if on.day == 1 and on > timeline.first_on:
        for _step in billing.run(f"{on - ONE_DAY:%Y-%m}", at=at, actor=BILLING):
            pass
    if on.day == OVERDUE_DAY:
        in_transaction(lambda: invoices.mark_overdue(at=at, actor=BILLING))


def pay_invoices(everybody: Sequence[Buyer], on: date, timeline: Timeline) -> None:
    """Pay what is paid on this day."""
    customs = {buyer.external_id: PAID[buyer.pays] for buyer in everybody if buyer.pays in PAID}
    for days, percent in set(customs.values()):
        issued_on = on - timedelta(days=days)
        if issued_on.day != 1:
            continue
        payers = [external_id for external_id, custom in customs.items() if custom == (days, percent)]
        for invoice_id in in_transaction(lambda: _issued(issued_on, payers)):  # noqa: B023
            in_transaction(lambda one=invoice_id, share=percent: _pay(one, share, on, timeline))  # type: ignore[misc]


def set_thresholds(everybody: Sequence[Buyer], timeline: Timeline) -> None:
    """Give each wallet a threshold: one that is well filled lies above it, the others below."""
    for buyer in everybody:
        if buyer.prepaid:
            in_transaction(lambda one=buyer: _set_threshold(one))  # type: ignore[misc]


def _top_up(buyer: Buyer, percent: int, on: date) -> None:
    wallet = _wallet(buyer)
    reference = f"NEFT-{buyer.key}-{on:%y%m}".upper()
    done = select(WalletTransaction.id).where(
        WalletTransaction.wallet_id == wallet.id, WalletTransaction.reference == reference
    )
    if db.session.scalar(done) is None:
        amount = _round_sum(_month_cost(buyer) * percent / 100, wallet.currency)
        at = day_start(on, ZONE) + timedelta(hours=10)
        came = advance_tax.to_collect(wallet.account, amount, on=on).amount
        advances.receive(wallet, came, at=at, actor=FINANCE, reason="Bank transfer", reference=reference)


def _grant(buyer: Buyer, month: int, on: date) -> None:
    wallet, at = _wallet(buyer), day_start(on, ZONE) + timedelta(hours=11)
    for in_month, percent, days, kind, reason in GRANTS:
        given = select(Grant.id).where(Grant.wallet_id == wallet.id, Grant.reason == reason)
        if in_month == month and db.session.scalar(given) is None:
            amount = _round_sum(_month_cost(buyer) * percent / 100, wallet.currency)
            end = None if days is None else at + timedelta(days=days)
            grants.give(wallet, amount, at=at, actor=FINANCE, reason=reason, kind=kind, expires_at=end)


def _issued(on: date, payers: Sequence[str]) -> list[object]:
    query = (
        select(Invoice.id)
        .join(Account, Account.id == Invoice.account_id)
        .where(Invoice.issued_on == on, Invoice.status.in_(OPEN), Account.external_id.in_(payers))
    )
    return list(db.session.scalars(query.order_by(Invoice.number)))


def _pay(invoice_id: object, percent: int, on: date, timeline: Timeline) -> None:
    invoice = db.session.scalars(
        select(Invoice).where(Invoice.id == invoice_id).options(joinedload(Invoice.account))
    ).one()
    reference = f"UTR{invoice.number}".replace("/", "")
    taken = select(Payment.id).where(Payment.gateway == "manual", Payment.gateway_ref == reference)
    at = day_start(on, ZONE) + timedelta(hours=15)
    if at > timeline.until or db.session.scalar(taken) is not None:
        return
    amount = quantize_payable(invoice.amount_due * percent / 100, invoice.currency)
    payments.record_manual(invoice, amount, reference=reference, at=at, actor=FINANCE)


def _set_threshold(buyer: Buyer) -> None:
    wallet = _wallet(buyer)
    if wallet.low_balance_threshold is not None:
        return
    if buyer.pays == "full":
        threshold = wallet.balance * WELL_FILLED_PERCENT / 100
    else:
        threshold = max(wallet.balance * LOW_PERCENT / 100, _month_cost(buyer) / 10)
    values = {"low_balance_threshold": _round_sum(threshold, wallet.currency)}
    wallet_limits.set_limits(wallet, values, actor=FINANCE)


def _wallet(buyer: Buyer) -> Wallet:
    wallet = wallets.find_for(accounts.get(buyer.external_id))
    assert wallet is not None, f"{buyer.external_id} is prepaid and has no wallet"
    return wallet


def _month_cost(buyer: Buyer) -> Decimal:
    return buyer.daily * DAYS * PRICE[buyer.currency]


def _round_sum(amount: Decimal, currency: str) -> Decimal:
    """Return a sum that a person would transfer: the next one with two leading digits."""
    step = Decimal(10) ** (amount.adjusted() - 1)
    return quantize_payable((amount / step).to_integral_value(ROUND_UP) * step, currency)
