"""Money in advance: received with its tax, and adjusted on the invoice of the usage it paid (ADR 15).

What came in for a wallet is split into what the wallet gets and the tax, with a receipt voucher. The invoice
of the usage shows the tax of all of it; the share that was collected with the oldest open advances is taken
off what is due, so that tax is charged once. Only advances under the same registration, place of supply and
taxes count; others stay open.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal

from sqlalchemy import select

from app.db import db
from app.domain.advances import Advance, Taking, take, taken_in_all
from app.domain.money import EXACT, add_up, quantize
from app.domain.numbering import ist_date
from app.domain.tax import TaxPart
from app.models import (
    Account,
    Invoice,
    InvoiceLine,
    Payment,
    Voucher,
    VoucherAdjustment,
    Wallet,
    WalletTransaction,
)
from app.permissions import Actor
from app.services import advance_tax, refunds, vouchers, wallets
from app.services.invoice_lines import taxes_json
from app.services.wallet_rules import read_amount

NOTHING = Decimal(0)
GIVEN_BACK = "Given back: the invoice came to less than the wallet had paid"

# The taxes that a line or an advance bears: (code, rate) of each.
Bears = tuple[tuple[str, Decimal], ...]
# A line, and what the wallet was charged for it.
Charged = tuple[InvoiceLine, Decimal]


def receive(
    wallet: Wallet,
    amount: object,
    *,
    at: datetime,
    actor: Actor,
    reason: str,
    reference: str | None = None,
    payment: Payment | None = None,
) -> WalletTransaction:
    """Book money that arrived for a wallet: `amount` is all of it, with its tax. The wallet gets the taxable
    part, and the receipt voucher is issued at once.

    Raises:
        Invalid: the amount is zero, negative, too precise or too large, the reason is missing, or the series
            of vouchers is full.
        CurrencyMismatch: it is in another currency.
        Conflict: the wallet is closed.
    """
    received = read_amount(amount, wallet)
    split = advance_tax.received(wallet.account, received, on=ist_date(at))
    transaction = wallets.top_up(
        wallet, split.taxable, tax=split.tax, at=at, actor=actor, reason=reason, reference=reference
    )
    if split.bearing is not None:
        vouchers.issue_receipt(wallet, transaction, split, payment=payment, at=at, actor=actor)
    return transaction


def adjust(invoice: Invoice, account: Account, charged: Sequence[Charged], owed: Decimal) -> Decimal:
    """Take the tax that was collected in advance off an invoice that is being issued, for the usage that the
    wallet paid: `charged` by line, without `owed` that it could not pay. Return what the wallet paid beyond
    what the invoice then comes to.

    The paise by which the collected tax differs from that of the invoice go into its round-off.
    """
    found = vouchers.open_advances(account.customer_id, invoice.currency)
    matching = [
        (voucher, advance)
        for voucher, advance in found
        if (voucher.registration_id, voucher.place_of_supply)
        == (invoice.registration_id, invoice.place_of_supply)
    ]
    if not matching:
        return NOTHING
    spent = _spent(account, invoice.currency, [advance for _, advance in found])
    left = min(spent, sum((amount for _, amount in charged), NOTHING) - owed)
    taxable = _by_taxes((line, line.amount) for line in invoice.lines)
    for bears, paid in _by_taxes(charged).items():
        advances = [advance for _, advance in matching if _bears(advance.taxes) == bears]
        takings = take(advances, min(left, paid, taxable[bears]))
        covered, _ = taken_in_all(takings)
        left -= covered
        _adjust(invoice, takings, bears)
    beyond = invoice.paid_from_wallet + invoice.advance_tax + owed - invoice.total
    return max(beyond, NOTHING)


def of_invoice(invoice: Invoice) -> list[VoucherAdjustment]:
    """Return what an invoice took up of advances, the oldest voucher first."""
    query = select(VoucherAdjustment).join(VoucherAdjustment.voucher)
    query = query.where(VoucherAdjustment.invoice_id == invoice.id)
    return list(db.session.scalars(query.order_by(Voucher.issued_at, Voucher.id)))


def _adjust(invoice: Invoice, takings: Sequence[Taking], bears: Bears) -> None:
    covered, collected = taken_in_all(takings)
    if not takings:
        return
    for taking in takings:
        db.session.add(
            VoucherAdjustment(
                voucher_id=taking.id,
                invoice=invoice,
                currency=invoice.currency,
                taxable=taking.taxable,
                tax=taking.tax,
                taxes=taxes_json(taking.taxes, invoice.currency),
            )
        )
    asked = add_up(
        (quantize(EXACT.multiply(covered, rate).scaleb(-2, EXACT), invoice.currency) for _, rate in bears),
        invoice.currency,
    )
    invoice.advance_tax += collected
    invoice.round_off += collected - asked
    invoice.total += collected - asked


def _spent(account: Account, currency: str, advances: Sequence[Advance]) -> Decimal:
    """Return how much of the open advances is no longer in the customer's wallets."""
    query = (
        select(Wallet)
        .join(Wallet.account)
        .where(Account.customer_id == account.customer_id, Wallet.currency == currency)
    )
    unused = sum((_paid_in(wallet) for wallet in db.session.scalars(query)), NOTHING)
    return max(sum((advance.open for advance in advances), NOTHING) - unused, NOTHING)


def _paid_in(wallet: Wallet) -> Decimal:
    """Return what is in a wallet of money that was paid in, what is held of it included."""
    return max(wallet.balance - wallet.granted - refunds.unpaid_in(wallet), NOTHING)


def _by_taxes(amounts: Iterable[Charged]) -> dict[Bears, Decimal]:
    sums: defaultdict[Bears, Decimal] = defaultdict(lambda: NOTHING)
    for line, amount in amounts:
        if amount:
            bears = tuple((part["code"], Decimal(part["rate"])) for part in line.taxes)
            sums[bears] += amount
    return sums


def _bears(parts: Iterable[TaxPart]) -> Bears:
    return tuple((part.code, part.rate) for part in parts)
