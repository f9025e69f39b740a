"""What one customer sees of their own: every query is scoped, so another's id is as good as none."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Generic, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Select, select, tuple_
from sqlalchemy.orm import contains_eager, joinedload, selectinload

from app.db import db
from app.domain.periods import ONE_DAY, local_date
from app.errors import NotFound
from app.models import Account, Invoice, Payment, Voucher, Wallet, WalletTransaction
from app.models.invoices import InvoiceKind, InvoiceStatus

UNNUMBERED = (InvoiceStatus.draft, InvoiceStatus.parked)
OPEN = (InvoiceStatus.issued, InvoiceStatus.partially_paid, InvoiceStatus.overdue)
SOON = timedelta(days=7)
PAGE = 25

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Alert:
    """Something to know or to do: a tone (`warning`, `alert`, `action`), a sentence, and where it leads."""

    tone: str
    text: str
    invoice: Invoice | None = None
    wallet: Wallet | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows, newest first, and the id after which the next ones come."""

    rows: list[T]
    next_id: UUID | None


def accounts(customer_id: UUID) -> list[Account]:
    """Return the customer's accounts, the oldest first."""
    query = select(Account).where(Account.customer_id == customer_id).order_by(Account.created_at, Account.id)
    return list(db.session.scalars(query))


def wallets(customer_id: UUID) -> list[Wallet]:
    """Return the wallets of the customer's accounts, the accounts loaded."""
    query = select(Wallet).join(Wallet.account).options(contains_eager(Wallet.account))
    return list(db.session.scalars(query.where(_own(customer_id)).order_by(Wallet.id)))


def get_wallet(customer_id: UUID, wallet_id: UUID) -> Wallet:
    """Return one of the customer's wallets.

    Raises:
        NotFound: there is none with this id, or it is somebody else's.
    """
    query = select(Wallet).join(Wallet.account).options(contains_eager(Wallet.account))
    return _one(query.where(_own(customer_id), Wallet.id == wallet_id), "wallet")


def transactions(wallet: Wallet, *, after: UUID | None = None) -> Page[WalletTransaction]:
    """Return a page of a wallet's transactions, the newest first."""
    query = select(WalletTransaction).where(WalletTransaction.wallet_id == wallet.id)
    place = tuple_(WalletTransaction.created_at, WalletTransaction.id)
    if after is not None:
        last = _one(query.where(WalletTransaction.id == after), "transaction")
        query = query.where(place < (last.created_at, last.id))
    return _page(query.order_by(WalletTransaction.created_at.desc(), WalletTransaction.id.desc()))


def invoices(customer_id: UUID, *, after: UUID | None = None, limit: int = PAGE) -> Page[Invoice]:
    """Return a page of the customer's issued documents, the newest first."""
    query = select(Invoice).where(Invoice.customer_id == customer_id, Invoice.status.not_in(UNNUMBERED))
    if after is not None:
        query = query.where(Invoice.id < after)
    return _page(query.options(joinedload(Invoice.account)).order_by(Invoice.id.desc()), limit)


def get_invoice(customer_id: UUID, invoice_id: UUID) -> Invoice:
    """Return one of the customer's issued documents with its lines.

    Raises:
        NotFound: there is none with this id, it is not issued yet, or it is somebody else's.
    """
    query = select(Invoice).where(
        Invoice.customer_id == customer_id, Invoice.id == invoice_id, Invoice.status.not_in(UNNUMBERED)
    )
    return _one(query.options(selectinload(Invoice.lines), joinedload(Invoice.account)), "invoice")


def open_invoices(customer_id: UUID) -> list[Invoice]:
    """Return the invoices that wait for money, the most urgent first."""
    query = select(Invoice).where(
        Invoice.customer_id == customer_id, Invoice.status.in_(OPEN), Invoice.kind != InvoiceKind.credit_note
    )
    return list(db.session.scalars(query.order_by(Invoice.due_on, Invoice.id)))


def sum_due(waiting: Sequence[Invoice]) -> dict[str, Decimal]:
    """Return what is due in all, per currency."""
    due: dict[str, Decimal] = {}
    for invoice in waiting:
        due[invoice.currency] = due.get(invoice.currency, Decimal(0)) + invoice.amount_due
    return due


def period_days(invoice: Invoice) -> tuple[date, date]:
    """Return the first and the last local day of an invoice's period."""
    zone = invoice.account.timezone
    return local_date(invoice.period_start, zone), local_date(invoice.period_end, zone) - ONE_DAY


def get_payment(customer_id: UUID, payment_id: UUID) -> Payment:
    """Return one of the customer's payments.

    Raises:
        NotFound: there is none with this id, or it is somebody else's.
    """
    query = select(Payment).join(Payment.account).options(contains_eager(Payment.account))
    return _one(query.where(_own(customer_id), Payment.id == payment_id), "payment")


def vouchers(customer_id: UUID, *, after: UUID | None = None) -> Page[Voucher]:
    """Return a page of the customer's vouchers, the newest first."""
    query = select(Voucher).where(Voucher.customer_id == customer_id)
    if after is not None:
        query = query.where(Voucher.id < after)
    return _page(query.order_by(Voucher.id.desc()))


def get_voucher(customer_id: UUID, voucher_id: UUID) -> Voucher:
    """Return one of the customer's vouchers.

    Raises:
        NotFound: there is none with this id, or it is somebody else's.
    """
    return _one(
        select(Voucher).where(Voucher.customer_id == customer_id, Voucher.id == voucher_id), "voucher"
    )


def alerts(
    found_wallets: Sequence[Wallet], waiting: Sequence[Invoice], recent: Sequence[Invoice], *, today: date
) -> list[Alert]:
    """Return what the customer should know today, the most urgent first."""
    told = [Alert("alert", "is overdue", invoice=one) for one in waiting if one.due_on and one.due_on < today]
    for wallet in found_wallets:
        if wallet.receivable > 0:
            told.append(Alert("alert", "The balance is used up and usage is owed", wallet=wallet))
        elif is_low(wallet):
            told.append(Alert("warning", "The balance is below its threshold", wallet=wallet))
    due_soon = [one for one in waiting if one.due_on and today <= one.due_on <= today + SOON]
    told += [Alert("warning", "is due soon", invoice=one) for one in due_soon]
    urgent = {alert.invoice.id for alert in told if alert.invoice}
    fresh = [
        one for one in recent if one.issued_on and one.issued_on >= today - SOON and one.id not in urgent
    ]
    return told + [Alert("action", "was issued", invoice=one) for one in fresh]


def is_low(wallet: Wallet) -> bool:
    """Tell whether a wallet is below its threshold."""
    threshold = wallet.low_balance_threshold
    return threshold is not None and wallet.balance - wallet.held < threshold


def available(wallet: Wallet) -> Decimal:
    """Return what the wallet can spend."""
    return wallet.balance - wallet.held + wallet.overdraft_limit


def _own(customer_id: UUID) -> ColumnElement[bool]:
    return Account.customer_id == customer_id


def _one(query: Select[T], what: str) -> T:
    found = db.session.scalar(query)
    if found is None:
        raise NotFound(f"There is no such {what}.")
    return found


def _page(query: Select[T], limit: int = PAGE) -> Page[T]:
    rows = list(db.session.scalars(query.limit(limit + 1)))
    more = len(rows) > limit
    rows = rows[:limit]
    return Page(rows, rows[-1].id if more else None)  # type: ignore[attr-defined]
