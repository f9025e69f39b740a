"""How the balance of a wallet went, and what its deductions were for: component, period, tiers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import joinedload

from app.db import db
from app.domain.periods import ONE_DAY, local_date
from app.models import ChargePosition, Invoice, InvoiceLine, PriceComponent, Wallet, WalletTransaction
from app.services.charges import Key, still_billed
from app.services.price_book import PriceBook

DAYS_SHOWN = 90
MOST_SHOWN = 15
NOTHING = Decimal(0)

# The last transaction before the end of each local day: a look into the index a day, however many there are.
BALANCES = text("""
    SELECT d.day::date AS day, t.balance_after
    FROM generate_series(CAST(:first AS timestamp), CAST(:last AS timestamp), interval '1 day') AS d (day)
    LEFT JOIN LATERAL (
        SELECT balance_after FROM wallet_transactions
        WHERE wallet_id = :wallet_id AND balance_after IS NOT NULL
          AND created_at < ((d.day + interval '1 day') AT TIME ZONE :zone)
        ORDER BY created_at DESC, id DESC LIMIT 1
    ) AS t ON true
    ORDER BY 1
""")


@dataclass(frozen=True, slots=True)
class Part:
    """One price that a deduction paid for: what was new in it, and how its whole period adds up now.

    `tiers` are rows of the price's breakdown, `total` what the period costs so far; there are none where the
    charge position cannot be told for certain. `last_on` is the period's last local day, `line` that of the
    first invoice which shows it, and explains it down to its events.
    """

    component: str
    metric: str
    first_on: date
    quantity: Decimal
    amount: Decimal
    last_on: date | None = None
    position: ChargePosition | None = None
    tiers: Sequence[dict[str, Any]] = ()
    total: Decimal = NOTHING
    line: InvoiceLine | None = None


def balances(wallet: Wallet, at: datetime, days: int = DAYS_SHOWN) -> list[tuple[date, Decimal]]:
    """Return the balance at the end of each of the last local days of the wallet's account, today's being the
    one of `at`; 0 before its first movement.
    """
    zone = wallet.account.timezone
    last = local_date(at, zone)
    asked = {"first": last - timedelta(days=days - 1), "last": last, "wallet_id": wallet.id, "zone": zone}
    return [(row.day, row.balance_after or NOTHING) for row in db.session.execute(BALANCES, asked)]


def latest(wallet: Wallet, most: int = MOST_SHOWN) -> list[WalletTransaction]:
    """Return the latest transactions of a wallet, the newest first."""
    query = select(WalletTransaction).where(WalletTransaction.wallet_id == wallet.id)
    newest = query.order_by(WalletTransaction.created_at.desc(), WalletTransaction.id.desc())
    return list(db.session.scalars(newest.limit(most)))


def explain(wallet: Wallet, transactions: Sequence[WalletTransaction]) -> dict[UUID, list[Part]]:
    """Return what the transactions of a wallet were for, by their ids, where they say it."""
    told = {each.id: each.explanation for each in transactions if each.explanation}
    starts = {datetime.fromisoformat(row["period_start"]) for rows in told.values() for row in rows}
    found = _positions(wallet.account_id, starts) if starts else {}
    lines = _lines(wallet.account_id, starts) if found else {}
    book = PriceBook()
    book.tariffs.load([wallet.account_id] if found else [])
    zone = wallet.account.timezone
    return {key: [_part(row, zone, found, lines, book) for row in rows] for key, rows in told.items()}


def _positions(account_id: UUID, starts: set[datetime]) -> dict[tuple[str, datetime], list[ChargePosition]]:
    query = (
        select(ChargePosition)
        .join(ChargePosition.component)
        .options(joinedload(ChargePosition.component).joinedload(PriceComponent.metric))
        .where(ChargePosition.account_id == account_id, ChargePosition.period_start.in_(starts))
    )
    found: dict[tuple[str, datetime], list[ChargePosition]] = {}
    for each in db.session.scalars(query):
        found.setdefault((each.component.code, each.period_start), []).append(each)
    return found


def _lines(account_id: UUID, starts: set[datetime]) -> dict[Key, InvoiceLine]:
    """Return the first line of an issued invoice for each charge of periods that start then."""
    query = (
        select(InvoiceLine)
        .join(InvoiceLine.invoice)
        .where(
            Invoice.account_id == account_id,
            InvoiceLine.period_start.in_(starts),
            InvoiceLine.component_id.is_not(None),
            Invoice.original_id.is_(None),
            still_billed(),
        )
    )
    found: dict[Key, InvoiceLine] = {}
    for line in db.session.scalars(query.order_by(Invoice.issued_at, InvoiceLine.n)):
        if line.subscription_id and line.component_id and line.period_start:
            found.setdefault((line.subscription_id, line.component_id, line.period_start), line)
    return found


def _part(
    row: dict[str, str],
    zone: str,
    found: dict[tuple[str, datetime], list[ChargePosition]],
    lines: dict[Key, InvoiceLine],
    book: PriceBook,
) -> Part:
    start = datetime.fromisoformat(row["period_start"])
    first_on = local_date(start, zone)
    plain = Part(row["component"], row["metric"], first_on, Decimal(row["quantity"]), Decimal(row["amount"]))
    candidates = found.get((row["component"], start), [])
    # Two subscriptions of one account may price the same component in the same period.
    if len(candidates) != 1:
        return plain
    position = candidates[0]
    charge = book.rate(position)
    return Part(
        plain.component,
        plain.metric,
        first_on,
        plain.quantity,
        plain.amount,
        last_on=local_date(position.period_end, zone) - ONE_DAY,
        position=position,
        tiers=charge.breakdown_json(),
        total=charge.amount,
        line=lines.get((position.subscription_id, position.component_id, position.period_start)),
    )
