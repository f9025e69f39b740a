"""Receipt vouchers for money that came in advance, and refund vouchers for what of it went back.

A voucher is issued in the transaction that moves the money, with a number of its own series and an immutable
content with its SHA-256 (CGST Act s.31(3)(d) and (e), Rules 50 and 51).
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from app.db import db
from app.domain.advances import Advance, Taking, take
from app.domain.invoicing import canonical_json
from app.domain.money import plain, quantize
from app.domain.numbering import ist_date
from app.domain.places import STATES
from app.domain.tax import TaxPart
from app.errors import Conflict
from app.ids import new_id
from app.models import Payment, SellerRegistration, Voucher, VoucherAdjustment, Wallet, WalletTransaction
from app.models.vouchers import VoucherKind
from app.permissions import Actor
from app.services import audit, numbers, outbox, parties, taxes
from app.services.advance_tax import Split
from app.services.components import SAC
from app.services.invoice_lines import taxes_json

NOTHING = Decimal(0)
TITLES = {VoucherKind.receipt_voucher: "Receipt Voucher", VoucherKind.refund_voucher: "Refund Voucher"}
DESCRIPTION = "Advance for communication services, prepaid to the wallet"
# The promise of the PDF; the payload is {"voucher_id"}.
DOCUMENT = "voucher.document"


def issue_receipt(
    wallet: Wallet,
    transaction: WalletTransaction,
    split: Split,
    *,
    at: datetime,
    actor: Actor,
    payment: Payment | None = None,
) -> Voucher:
    """Issue the receipt voucher of a top-up whose money came with tax.

    Raises:
        Invalid: the series of numbers is full.
    """
    bearing = split.bearing
    assert bearing is not None
    voucher = Voucher(
        id=new_id(),
        kind=VoucherKind.receipt_voucher,
        registration_id=bearing.seller.id,
        place_of_supply=bearing.supply.place,
        service_code=SAC,
        rate=bearing.rate,
        taxable=split.taxable,
        tax=split.tax,
        amount=split.amount,
        taxes=taxes_json(split.parts, split.currency),
        payment_id=payment.id if payment else None,
        **_of_wallet(wallet, transaction),
    )
    return _issue(voucher, wallet, transaction, payment, at=at, actor=actor)


def give_back(
    wallet: Wallet, transaction: WalletTransaction, takings: Sequence[Taking], *, at: datetime, actor: Actor
) -> list[Voucher]:
    """Issue a refund voucher for what was taken of each advance and paid back (CGST Rule 51).

    Raises:
        Invalid: a series of numbers is full.
    """
    return [_refund(wallet, transaction, each, at=at, actor=actor) for each in takings]


def to_give_back(wallet: Wallet, amount: Decimal) -> list[Taking]:
    """Return what of the advances goes back with `amount` of the wallet's paid money: the newest first, as
    the oldest are used first. The advances stay locked."""
    found = open_advances(wallet.account.customer_id, wallet.currency)
    return take([advance for _, advance in reversed(found)], amount)


def whole_of(transaction: WalletTransaction) -> list[Taking]:
    """Return the whole advance behind a top-up that is taken back, locked; nothing where it bore no tax.

    Raises:
        Conflict: a part of it was used or given back, or the movement is a refund by a voucher.
    """
    vouchers = list(
        db.session.scalars(
            select(Voucher).where(Voucher.transaction_id == transaction.id).with_for_update(of=Voucher)
        )
    )
    if any(voucher.kind is VoucherKind.refund_voucher for voucher in vouchers):
        raise Conflict("A refund with its voucher is not taken back: record the money as a top-up.")
    takings = []
    for voucher in vouchers:
        advance = _advance(voucher, _taken([voucher.id]).get(voucher.id, NOTHING))
        if advance.taken:
            raise Conflict(
                f"A part of the advance of {voucher.number} is used: refund what is left of it instead."
            )
        takings += take([advance], advance.taxable)
    return takings


def open_advances(customer_id: UUID, currency: str) -> list[tuple[Voucher, Advance]]:
    """Return the advances of a customer of which something is open, the oldest first, their rows locked.

    All wallets of a customer share them, as money may go from one to the other.
    """
    receipts = (
        Voucher.kind == VoucherKind.receipt_voucher,
        Voucher.customer_id == customer_id,
        Voucher.currency == currency,
    )
    query = select(Voucher).where(*receipts, Voucher.taxable > _taken_of_each()).order_by(Voucher.id)
    locked = list(db.session.scalars(query.with_for_update(of=Voucher)))
    # What others took until the lock was free is seen by a statement of its own only.
    taken = _taken([voucher.id for voucher in locked])
    found = [(voucher, _advance(voucher, taken.get(voucher.id, NOTHING))) for voucher in locked]
    still = [(voucher, advance) for voucher, advance in found if advance.open > 0]
    return sorted(still, key=lambda each: (each[0].issued_at, each[0].id))


def _taken_of_each() -> Any:
    adjusted = select(func.coalesce(func.sum(VoucherAdjustment.taxable), 0)).where(
        VoucherAdjustment.voucher_id == Voucher.id
    )
    refund = Voucher.__table__.alias("refund")
    refunded = select(func.coalesce(func.sum(refund.c.taxable), 0)).where(refund.c.receipt_id == Voucher.id)
    return adjusted.correlate(Voucher).scalar_subquery() + refunded.correlate(Voucher).scalar_subquery()


def _taken(voucher_ids: Sequence[UUID]) -> dict[UUID, Decimal]:
    if not voucher_ids:
        return {}
    query = select(Voucher.id, _taken_of_each().label("taken")).where(Voucher.id.in_(voucher_ids))
    return {row.id: row.taken for row in db.session.execute(query)}


def _advance(voucher: Voucher, taken: Decimal) -> Advance:
    parts = tuple(
        TaxPart(part["code"], Decimal(part["rate"]), Decimal(part["taxable"]), Decimal(part["amount"]))
        for part in voucher.taxes
    )
    return Advance(voucher.id, voucher.taxable, parts, taken, voucher.currency)


def _refund(
    wallet: Wallet, transaction: WalletTransaction, taking: Taking, *, at: datetime, actor: Actor
) -> Voucher:
    receipt = db.session.get_one(Voucher, taking.id)
    voucher = Voucher(
        id=new_id(),
        kind=VoucherKind.refund_voucher,
        registration_id=receipt.registration_id,
        place_of_supply=receipt.place_of_supply,
        service_code=receipt.service_code,
        rate=receipt.rate,
        taxable=taking.taxable,
        tax=taking.tax,
        amount=taking.taxable + taking.tax,
        taxes=taxes_json(taking.taxes, receipt.currency),
        payment_id=receipt.payment_id,
        receipt=receipt,
        **_of_wallet(wallet, transaction),
    )
    return _issue(voucher, wallet, transaction, receipt.payment, at=at, actor=actor)


def _of_wallet(wallet: Wallet, transaction: WalletTransaction) -> dict[str, Any]:
    return {
        "customer_id": wallet.account.customer_id,
        "account_id": wallet.account_id,
        "wallet_id": wallet.id,
        "transaction_id": transaction.id,
        "currency": wallet.currency,
    }


def _issue(
    voucher: Voucher,
    wallet: Wallet,
    transaction: WalletTransaction,
    payment: Payment | None,
    *,
    at: datetime,
    actor: Actor,
) -> Voucher:
    seller = taxes.seller_of(db.session.get_one(SellerRegistration, voucher.registration_id))
    voucher.issued_at, voucher.issued_on = at, ist_date(at)
    voucher.number = numbers.take(seller, voucher.kind, on=voucher.issued_on)
    voucher.snapshot = _content(voucher, wallet, transaction, seller, payment)
    voucher.snapshot_sha256 = sha256(canonical_json(voucher.snapshot)).digest()
    db.session.add(voucher)
    db.session.flush()
    outbox.promise(DOCUMENT, str(voucher.id), {"voucher_id": str(voucher.id)})
    audit.record(
        actor,
        f"voucher.{'receipt' if voucher.receipt is None else 'refund'}_issued",
        voucher,
        summary=f"{TITLES[voucher.kind]} {voucher.number} was issued to {wallet.account.customer.name}",
        at=at,
        after={
            "number": voucher.number,
            "taxable": quantize(voucher.taxable, voucher.currency),
            "tax": quantize(voucher.tax, voucher.currency),
            "receipt": str(voucher.receipt) if voucher.receipt else None,
        },
    )
    return voucher


def _content(
    voucher: Voucher,
    wallet: Wallet,
    transaction: WalletTransaction,
    seller: taxes.Seller,
    payment: Payment | None,
) -> dict[str, Any]:
    """Return what the documents of a voucher show, as plain JSON (CGST Rules 50 and 51)."""
    receipt, currency = voucher.receipt, voucher.currency
    return {
        "number": voucher.number,
        "kind": str(voucher.kind),
        "title": TITLES[voucher.kind],
        "currency": currency,
        "issued_on": voucher.issued_on.isoformat(),
        "seller": parties.seller_json(seller),
        "buyer": parties.buyer_json(wallet.account.customer),
        "account": wallet.account.name,
        "place_of_supply": {"code": voucher.place_of_supply, "name": STATES[voucher.place_of_supply]},
        "reverse_charge": False,
        "description": DESCRIPTION,
        "sac": voucher.service_code,
        "rate": plain(voucher.rate),
        "taxable": str(quantize(voucher.taxable, currency)),
        "taxes": voucher.taxes,
        "tax": str(quantize(voucher.tax, currency)),
        "amount": str(quantize(voucher.amount, currency)),
        "paid_by": payment.gateway if payment else None,
        "reference": (payment.gateway_payment_ref if payment else None) or transaction.reference,
        "reason": transaction.reason,
        "receipt": {"number": receipt.number, "issued_on": receipt.issued_on.isoformat()}
        if receipt
        else None,
    }
