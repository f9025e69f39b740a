"""The double-entry ledger: journals whose postings sum to zero, and one hash chain per wallet (DOMAIN.md §5).

Every journal belongs to one wallet, whose row the caller holds locked: that lock is what makes the numbers of
a wallet's journals gapless and its chain a single line.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Table, insert

from app.db import db
from app.domain.ledger import GENESIS, PostingLine, chain_hash, check_balanced
from app.domain.money import plain, quantize
from app.errors import Conflict
from app.ids import new_id
from app.models import Journal, Posting, Wallet
from app.models.wallets import Book, TransactionKind

Sides = Mapping[Book, Decimal]

# All rows of a run go in by one statement each, whatever is left empty in some.
JOURNALS, POSTINGS = cast(Table, Journal.__table__), cast(Table, Posting.__table__)

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
) -> UUID:
    """Write one journal and return its id; see `post_all`."""
    return post_all([Entry(kind, wallet, sides, at, actor, reason, reference, reverses_id)])[0]


def post_all(entries: Sequence[Entry]) -> list[UUID]:
    """Write journals with their postings, move the cached figures of their wallets, and return the journals'
    ids.

    The wallets are locked by the caller. Their `balance`, `receivable`, `seq` and `chain_head` change with
    the next flush.

    Raises:
        Unbalanced: the sides do not sum to zero, or one of them is zero.
        Conflict: the balance would be larger than can be stored.
    """
    journals, postings = [], []
    for entry in entries:
        journal = _journal_row(entry)
        journals.append(journal)
        postings.extend(_posting_rows(entry, journal))
    if journals:
        db.session.flush()
        db.session.execute(insert(JOURNALS), journals)
        db.session.execute(insert(POSTINGS), postings)
    return [journal["id"] for journal in journals]


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
    wallet.chain_head = link(
        previous,
        wallet_id=wallet.id,
        seq=wallet.seq,
        balance_after=wallet.balance,
        sides=spell((str(book), amount) for book, amount in sides.items()),
        journal=journal,
    )
    chained = {
        "seq": wallet.seq,
        "balance_after": wallet.balance,
        "prev_hash": previous,
        "hash": wallet.chain_head,
    }
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
    wallet.balance += sides.get(Book.wallet, Decimal(0))
    wallet.receivable -= sides.get(Book.receivable, Decimal(0))
    wallet.seq += 1
    if max(abs(wallet.balance), wallet.receivable) >= LARGEST_BALANCE:
        raise Conflict("The balance would be larger than a wallet can hold.")
