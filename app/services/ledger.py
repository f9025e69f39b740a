"""The double-entry ledger: journals whose postings sum to zero, and one hash chain per wallet.

Every journal belongs to one wallet, whose row the caller holds locked: that lock is what makes the numbers of
a wallet's journals gapless and its chain a single line.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm.attributes import set_committed_value

from app.db import Base, db
from app.domain.ledger import GENESIS, PostingLine, chain_hash, check_balanced
from app.domain.money import plain, quantize
from app.errors import Conflict
from app.ids import new_id
from app.models import Journal, Posting, Wallet
from app.models.wallets import Book, TransactionKind
from app.services import bulk

Sides = Mapping[Book, Decimal]
Written = Sequence[tuple[type[Base], bulk.Rows]]

FIGURES = ("balance", "receivable", "seq", "chain_head")
KEEP_FIGURES = """
    UPDATE wallets AS w SET balance = k.balance, receivable = k.receivable, seq = k.seq,
           chain_head = k.chain_head, updated_at = now()
    FROM unnest(
        CAST(:ids AS uuid[]), CAST(:balance AS numeric[]), CAST(:receivable AS numeric[]),
        CAST(:seq AS bigint[]), CAST(:chain_head AS bytea[])
    ) AS k (id, balance, receivable, seq, chain_head)
    WHERE w.id = k.id
"""

# The wallet's last journal that was made by then; what it owed is what it owes less what came after.
STOOD = text("""
    WITH last AS (
        SELECT p.seq, p.balance_after FROM postings p JOIN journals j ON j.id = p.journal_id
        WHERE p.wallet_id = :wallet_id AND p.seq IS NOT NULL AND j.created_at <= :at
        ORDER BY p.seq DESC LIMIT 1
    )
    SELECT coalesce((SELECT balance_after FROM last), 0) AS balance,
           w.receivable + coalesce((
               SELECT sum(owed.amount) FROM postings p
               JOIN postings owed ON owed.journal_id = p.journal_id AND owed.book = 'receivable'
               WHERE p.wallet_id = w.id AND p.seq > coalesce((SELECT seq FROM last), 0)
           ), 0) AS receivable,
           coalesce((SELECT seq FROM last), 0) AS seq
    FROM wallets w WHERE w.id = :wallet_id
""")

NOTHING = Decimal(0)
# What NUMERIC(20, 4) can hold.
LARGEST_BALANCE = Decimal(10) ** 16


@dataclass(frozen=True, slots=True)
class Entry:
    """A journal to be written. `sides` are credit-positive and sum to zero (see `Book`); `reference` is what
    it belongs to, as (type, id); `reverses_id` is the journal that it takes back."""

    kind: TransactionKind
    wallet: Wallet
    sides: Sides
    at: datetime
    actor: str
    reason: str
    reference: tuple[str, str] | None = None
    reverses_id: UUID | None = None


class Standing(NamedTuple):
    """What a wallet had and owed at an instant, and the number of its last journal by then, 0 before the
    first."""

    balance: Decimal
    receivable: Decimal
    seq: int


class Posted(NamedTuple):
    """A journal that was written, and the balance of its wallet after it."""

    journal_id: UUID
    balance_after: Decimal


def post(
    kind: TransactionKind,
    wallet: Wallet,
    sides: Sides,
    *,
    at: datetime,
    actor: str,
    reason: str,
    reference: tuple[str, str] | None = None,
    reverses_id: UUID | None = None,
) -> Posted:
    """Write one journal; see `post_all`."""
    return post_all([Entry(kind, wallet, sides, at, actor, reason, reference, reverses_id)])[0]


def post_all(
    entries: Sequence[Entry], beside: Callable[[Sequence[Posted]], Written] | None = None
) -> list[Posted]:
    """Write journals with their postings, and move the cached figures of their wallets.

    The wallets are locked by the caller. `beside` returns rows of other tables that go into the same
    statement.

    Raises:
        Unbalanced: the sides do not sum to zero, or one of them is zero.
        Conflict: the balance would be larger than can be stored.
    """
    journals, postings, written = [], [], []
    for entry in entries:
        journal = _journal_row(entry)
        journals.append(journal)
        postings.extend(_posting_rows(entry, journal))
        written.append(Posted(journal["id"], entry.wallet.balance))
    rows: Written = [(Journal, journals), (Posting, postings), *(beside(written) if beside else ())]
    if any(each for _, each in rows):
        db.session.flush()
        wallets = {entry.wallet.id: entry.wallet for entry in entries}
        columns = {name: [getattr(wallet, name) for wallet in wallets.values()] for name in FIGURES}
        bulk.write(rows, KEEP_FIGURES, {"ids": list(wallets), **columns})
    return written


def balance_as_of(wallet: Wallet, at: datetime) -> Standing:
    """Return the balance of a wallet and what it owed at an instant, whatever has moved since.

    It is what stood after the last journal, in the order of the chain, that was made at that instant or
    before it. The chain is read from its end, so the costs grow with what came after the instant and not with
    what came before.
    """
    row = db.session.execute(STOOD, {"wallet_id": wallet.id, "at": at}).one()
    return Standing(row.balance, row.receivable, row.seq)


def link(
    previous: bytes,
    *,
    wallet_id: UUID,
    seq: int,
    balance_after: Decimal,
    sides: str,
    journal: Mapping[str, object],
) -> bytes:
    """Return the hash of one journal of a wallet, given the link before it.

    `sides` is what `spell` returns; `journal` holds the columns of the journal's row.
    """
    told = {f"journal.{name}": journal[name] for name in JOURNAL_COLUMNS}
    own = {"wallet_id": wallet_id, "seq": seq, "balance_after": balance_after, "sides": sides}
    return chain_hash(previous, {**told, **own})  # type: ignore[dict-item]


def spell(sides: Iterable[tuple[str, Decimal]]) -> str:
    """Return the sides of a journal as one canonical text: `cash=-100;wallet=100`."""
    return ";".join(f"{book}={plain(amount)}" for book, amount in sorted(sides))


JOURNAL_COLUMNS = (
    "id",
    "kind",
    "currency",
    "reason",
    "actor",
    "reference_type",
    "reference_id",
    "reverses_id",
    "created_at",
)


def _journal_row(entry: Entry) -> dict[str, Any]:
    reference_type, reference_id = entry.reference or (None, None)
    return {
        "id": new_id(),
        "kind": entry.kind,
        "currency": entry.wallet.currency,
        "reason": entry.reason,
        "actor": entry.actor,
        "reference_type": reference_type,
        "reference_id": reference_id,
        "reverses_id": entry.reverses_id,
        "created_at": entry.at,
    }


def _posting_rows(entry: Entry, journal: dict[str, Any]) -> list[dict[str, Any]]:
    wallet, sides = entry.wallet, entry.sides
    check_balanced(PostingLine(book, amount, wallet.currency) for book, amount in sides.items())
    assert all(amount == quantize(amount, wallet.currency) for amount in sides.values())
    _move_figures(wallet, sides)
    previous = wallet.chain_head or GENESIS
    head = link(
        previous,
        wallet_id=wallet.id,
        seq=wallet.seq,
        balance_after=wallet.balance,
        sides=spell((str(book), amount) for book, amount in sides.items()),
        journal=journal,
    )
    set_committed_value(wallet, "chain_head", head)
    chained = {"seq": wallet.seq, "balance_after": wallet.balance, "prev_hash": previous, "hash": head}
    unchained = dict.fromkeys(chained)
    bearer = Book.wallet if Book.wallet in sides else min(sides)
    return [
        {
            "journal_id": journal["id"],
            "book": book,
            "account_id": wallet.account_id,
            "wallet_id": wallet.id,
            "currency": wallet.currency,
            "amount": amount,
            **(chained if book is bearer else unchained),
        }
        for book, amount in sides.items()
    ]


def _move_figures(wallet: Wallet, sides: Sides) -> None:
    balance = wallet.balance + sides.get(Book.wallet, NOTHING)
    receivable = wallet.receivable - sides.get(Book.receivable, NOTHING)
    if max(abs(balance), receivable) >= LARGEST_BALANCE:
        raise Conflict("The balance would be larger than a wallet can hold.")
    set_committed_value(wallet, "balance", balance)
    set_committed_value(wallet, "receivable", receivable)
    set_committed_value(wallet, "seq", wallet.seq + 1)
