"""The hash chain of one wallet, recomputed link by link; `verify` does the same in SQL for all of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from app.domain.ledger import GENESIS, LINK_BYTES
from app.domain.money import plain
from app.models import Wallet
from app.services.ledger import JOURNAL_COLUMNS, link
from app.services.verify.checks import stream

MOST_FAULTS = 20

# The sides are spelled as `app.services.ledger.spell` does.
LINKS = """
    SELECT p.id AS posting_id, p.wallet_id, p.seq, p.balance_after, p.prev_hash, p.hash, s.sides, s.moved,
           j.id, j.kind, j.currency, j.reason, j.actor, j.reference_type, j.reference_id, j.reverses_id,
           j.created_at
    FROM postings p
    LEFT JOIN journals j ON j.id = p.journal_id
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(amount) FILTER (WHERE book = 'wallet'), 0) AS moved,
               string_agg(book || '=' || trim_scale(amount)::text, ';' ORDER BY book COLLATE "C", amount)
               AS sides
        FROM postings WHERE journal_id = p.journal_id
    ) AS s
    WHERE p.wallet_id = :wallet_id AND p.seq IS NOT NULL
    ORDER BY p.seq
"""


@dataclass(frozen=True, slots=True)
class Fault:
    """A link that is wrong: its number in the chain, the posting's id (None where it is missing), and how."""

    seq: int
    posting_id: int | None
    message: str


@dataclass(frozen=True, slots=True)
class ChainCheck:
    """How many links were recomputed, and the first of those that are wrong."""

    links: int
    faults: tuple[Fault, ...]

    @property
    def ok(self) -> bool:
        """True when the chain is whole."""
        return not self.faults


def check(wallet: Wallet) -> ChainCheck:
    """Recompute the chain of a wallet from its first journal to the head that the wallet keeps."""
    previous, balance, expected, links = GENESIS, Decimal(0), 1, 0
    faults: list[Fault] = []
    for row in stream(LINKS, wallet_id=wallet.id):
        links += 1
        balance += row.moved
        faults += _faults(row, previous, balance, expected)
        previous, balance, expected = row.hash, row.balance_after, row.seq + 1
    if previous != (wallet.chain_head or GENESIS) or expected - 1 != wallet.seq:
        message = f"The chain ends here; the wallet says that it has {wallet.seq} links, or another last one."
        faults.append(Fault(expected - 1, None, message))
    return ChainCheck(links, tuple(faults[:MOST_FAULTS]))


def _faults(row: Any, previous: bytes, balance: Decimal, expected: int) -> Iterator[Fault]:
    if row.seq != expected:
        yield Fault(expected, None, f"Links {expected} to {row.seq - 1} are missing.")
    if row.balance_after != balance:
        told = f"The balance after it is {plain(row.balance_after)}, it adds up to {plain(balance)}."
        yield Fault(row.seq, row.posting_id, told)
    if row.id is None:
        yield Fault(row.seq, row.posting_id, "Its journal is missing.")
    elif row.prev_hash != previous:
        yield Fault(row.seq, row.posting_id, "It does not follow the link before it.")
    elif row.hash != _link(row, row.wallet_id):
        yield Fault(row.seq, row.posting_id, "Its journal or one of its sides was changed.")


def _link(row: Any, wallet_id: UUID) -> bytes:
    if len(row.prev_hash) not in (len(GENESIS), LINK_BYTES):
        return GENESIS
    return link(
        row.prev_hash,
        wallet_id=wallet_id,
        seq=row.seq,
        balance_after=row.balance_after,
        sides=row.sides,
        journal={name: getattr(row, name) for name in JOURNAL_COLUMNS},
    )
