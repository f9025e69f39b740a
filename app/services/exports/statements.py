"""Statements: what moved in a wallet, what a customer was billed and has paid, with the balance after each.

Both are drawn up from the books at the moment they are asked for. The PDF and the rows of CSV and XLSX are
the same content (`app.services.statement_document`).
"""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import select

from app.db import db
from app.domain.money import plain, quantize
from app.domain.numbering import ist_date
from app.domain.periods import day_start, local_date
from app.errors import Invalid
from app.formatting import format_date
from app.models import Customer, Invoice, Journal, Payment, Posting, Refund, TdsReceivable, Wallet
from app.models.invoices import InvoiceKind
from app.models.payments import PaymentStatus
from app.models.refunds import RefundStatus
from app.models.wallets import Book
from app.services import ledger, parties, taxes
from app.services.exports.kinds import ZONE, Scope, statement_kind

HEADINGS = ("Date", "What", "Details", "Amount", "Balance")
MONEY_CAME = (PaymentStatus.succeeded, PaymentStatus.partially_refunded, PaymentStatus.refunded)
NOTHING = Decimal(0)
# Beyond this a statement is a list: CSV and XLSX take it.
MOST_ROWS = 50_000

# (day, what it is, details, signed amount)
Move = tuple[date, str, str, Decimal]


@statement_kind(
    "wallet_statement",
    "Statement of a wallet",
    resource="wallets",
    headings=HEADINGS,
    needs=("wallet_id", "first", "last"),
)
def of_wallet(scope: Scope, at: datetime) -> dict[str, Any]:
    """Return the movements of a wallet in local days of its account, with the balance before and after."""
    wallet = db.session.get_one(Wallet, scope.wallet_id)
    zone = wallet.account.timezone
    start, end = _span(scope, zone)
    query = (
        select(Posting.amount, Posting.balance_after, Journal.kind, Journal.reason, Journal.created_at)
        .join(Posting.journal)
        .where(Posting.wallet_id == wallet.id, Posting.book == Book.wallet)
        .where(Journal.created_at >= start, Journal.created_at < end)
        .order_by(Posting.seq)
        .limit(MOST_ROWS + 1)
    )
    found = db.session.execute(query).all()
    first = found[0].balance_after - found[0].amount if found else None
    opening = ledger.balance_as_of(wallet, start).balance if first is None else first
    moves = [
        (local_date(row.created_at, zone), _words(row.kind), _unsaid(row.reason, row.kind), row.amount)
        for row in found
    ]
    content = _content(scope, wallet.account.customer, wallet.currency, opening, moves, at)
    return {
        **content,
        "kind": "wallet_statement",
        "title": "Statement of Wallet",
        "account": wallet.account.name,
    }


@statement_kind(
    "customer_statement",
    "Statement of a customer",
    resource="billing",
    headings=HEADINGS,
    needs=("customer_id", "currency", "first", "last"),
)
def of_customer(scope: Scope, at: datetime) -> dict[str, Any]:
    """Return what a customer was billed in a currency, has paid and was credited, with what was owed after
    each."""
    customer = db.session.get_one(Customer, scope.customer_id)
    assert scope.currency is not None
    assert scope.first is not None
    assert scope.last is not None
    moves = sorted(_of_books(customer, scope.currency), key=lambda move: move[0])
    before = sum((move[3] for move in moves if move[0] < scope.first), NOTHING)
    within = [move for move in moves if scope.first <= move[0] <= scope.last]
    content = _content(scope, customer, scope.currency, before, within, at)
    return {
        **content,
        "kind": "customer_statement",
        "title": "Statement of Account",
        "account": "",
    }


def rows_of(content: dict[str, Any]) -> Iterable[tuple[Any, ...]]:
    """Yield a statement as the rows of a sheet: the opening balance, the movements, the closing one."""
    yield content["number"], "Opening balance", "", None, Decimal(content["opening"])
    for row in content["rows"]:
        yield row["on"], row["what"], row["detail"], Decimal(row["amount"]), Decimal(row["balance"])
    yield content["number"], "Closing balance", "", None, Decimal(content["closing"])


def _span(scope: Scope, zone: str) -> tuple[datetime, datetime]:
    assert scope.first is not None
    assert scope.last is not None
    return day_start(scope.first, zone), day_start(scope.last + timedelta(days=1), zone)


def _of_books(customer: Customer, currency: str) -> list[Move]:
    """Return all that changed what a customer owes by invoices: they add; notes, payments, TDS take off."""
    of_invoices = (Invoice.customer_id == customer.id, Invoice.currency == currency)
    moves: list[Move] = []
    issued = select(Invoice).where(*of_invoices, Invoice.number.is_not(None))
    for invoice in db.session.scalars(issued.order_by(Invoice.issued_on, Invoice.id)):
        assert invoice.issued_on is not None
        is_note = invoice.kind is InvoiceKind.credit_note
        words, sign = ("Credit note", -1) if is_note else ("Invoice", 1)
        moves.append((invoice.issued_on, words, str(invoice.number), sign * invoice.total))
        if invoice.paid_from_wallet:
            moves.append(
                (invoice.issued_on, "Paid from wallet", str(invoice.number), -invoice.paid_from_wallet)
            )
    paid = select(Payment).join(Payment.invoice).where(*of_invoices, Payment.status.in_(MONEY_CAME))
    for payment in db.session.scalars(paid.order_by(Payment.id)):
        day = ist_date(payment.settled_at or payment.created_at)
        moves.append((day, "Payment", f"{payment.gateway}, {payment.invoice}", -payment.amount))
    back = select(Refund).join(Refund.payment).join(Payment.invoice).where(*of_invoices)
    for refund in db.session.scalars(back.where(Refund.status == RefundStatus.succeeded).order_by(Refund.id)):
        day = ist_date(refund.settled_at or refund.created_at)
        moves.append((day, "Refund", refund.reason, refund.amount))
    kept = select(TdsReceivable).join(TdsReceivable.invoice).where(*of_invoices)
    moves += [
        (ist_date(tds.created_at), "TDS", f"{tds.section}, {tds.invoice}", -tds.amount)
        for tds in db.session.scalars(kept.order_by(TdsReceivable.id))
    ]
    return moves


def _content(
    scope: Scope, customer: Customer, currency: str, opening: Decimal, moves: list[Move], at: datetime
) -> dict[str, Any]:
    if len(moves) > MOST_ROWS:
        raise Invalid.at("/first", f"These are more than {MOST_ROWS} movements: choose a shorter time.")
    assert scope.first is not None
    assert scope.last is not None
    balance, rows = opening, []
    for day, what, detail, amount in moves:
        balance += amount
        rows.append(
            {
                "on": day.isoformat(),
                "what": what,
                "detail": detail,
                "amount": plain(amount),
                "balance": plain(balance),
            }
        )
    more = sum((move[3] for move in moves if move[3] > 0), NOTHING)
    less = sum((-move[3] for move in moves if move[3] < 0), NOTHING)
    sums = {"opening": opening, "closing": balance, "credits": more, "debits": less}
    return {
        "number": f"{format_date(scope.first)} to {format_date(scope.last)}",
        "currency": currency,
        "issued_on": local_date(at, ZONE).isoformat(),
        "seller": parties.seller_json(taxes.get_seller(local_date(at, ZONE))),
        "buyer": parties.buyer_json(customer),
        **{name: str(quantize(amount, currency)) for name, amount in sums.items()},
        "rows": rows,
    }


def _words(kind: str) -> str:
    return str(kind).replace("_", " ").capitalize()


def _unsaid(reason: str, kind: str) -> str:
    return "" if reason.lower() == _words(kind).lower() else reason
