"""Checks of the ledger: sums, cached figures, and the chain over every wallet's journals."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from operator import attrgetter
from typing import Any

from app.domain.ledger import GENESIS
from app.domain.money import plain
from app.services.ledger import JOURNAL_COLUMNS, link
from app.services.verify.checks import Findings, check, count_rows, stream

UNBALANCED = """
    SELECT coalesce(p.journal_id, j.id) AS id, j.id IS NULL AS orphaned, count(p.id) AS sides,
           coalesce(sum(p.amount), 0) AS rest
    FROM journals j FULL JOIN postings p ON p.journal_id = j.id
    GROUP BY 1, 2
    HAVING j.id IS NULL OR count(p.id) < 2 OR sum(p.amount) <> 0 OR bool_or(p.currency <> j.currency)
"""

FIGURES = """
    SELECT w.id, w.balance, w.receivable, w.seq,
           coalesce(sum(p.amount) FILTER (WHERE p.book = 'wallet'), 0) AS posted,
           coalesce(-sum(p.amount) FILTER (WHERE p.book = 'receivable'), 0) AS owed,
           count(p.seq) AS links, coalesce(max(p.seq), 0) AS last
    FROM wallets w LEFT JOIN postings p ON p.wallet_id = w.id
    GROUP BY w.id
    HAVING w.balance <> coalesce(sum(p.amount) FILTER (WHERE p.book = 'wallet'), 0)
        OR w.receivable <> coalesce(-sum(p.amount) FILTER (WHERE p.book = 'receivable'), 0)
        OR w.seq <> count(p.seq) OR w.seq <> coalesce(max(p.seq), 0)
"""

# The sides are spelled as `app.services.ledger.spell` does.
CHAINED = """
    SELECT p.wallet_id, w.chain_head, p.seq, p.balance_after, p.prev_hash, p.hash, s.sides, s.moved,
           j.id, j.kind, j.currency, j.reason, j.actor, j.reference_type, j.reference_id, j.reverses_id,
           j.created_at
    FROM postings p
    JOIN wallets w ON w.id = p.wallet_id
    LEFT JOIN journals j ON j.id = p.journal_id
    JOIN (
        SELECT journal_id, coalesce(sum(amount) FILTER (WHERE book = 'wallet'), 0) AS moved,
               string_agg(book || '=' || trim_scale(amount)::text, ';' ORDER BY book COLLATE "C", amount) AS
               sides
        FROM postings GROUP BY journal_id
    ) s ON s.journal_id = p.journal_id
    WHERE p.seq IS NOT NULL
    ORDER BY p.wallet_id, p.seq
"""

TOLD_OTHERWISE = """
    SELECT t.id, t.wallet_id, t.amount, coalesce(p.amount, 0) AS posted
    FROM wallet_transactions t
    LEFT JOIN postings p ON p.journal_id = t.journal_id AND p.book = 'wallet'
    WHERE t.state IN ('COMPLETED', 'REVERSED')
      AND (t.amount <> coalesce(p.amount, 0) OR p.wallet_id <> t.wallet_id)
    UNION ALL
    SELECT NULL, p.wallet_id, 0, p.amount FROM postings p
    WHERE p.book = 'wallet' AND NOT EXISTS (SELECT FROM wallet_transactions t WHERE t.journal_id =
    p.journal_id)
"""


@check("journals", "The postings of every journal sum to zero")
def journals(findings: Findings, at: datetime) -> None:
    """Look for journals that do not balance, have one side only, or are missing behind their postings."""
    count_rows(findings, journals="journals", postings="postings")
    for row in stream(UNBALANCED):
        wrong = "is missing" if row.orphaned else f"has {row.sides} sides and a rest of {plain(row.rest)}"
        findings.add(f"journal {row.id}", f"The journal {wrong}.")


@check("wallets", "Balances, debts and sequences of wallets equal their postings")
def wallets(findings: Findings, at: datetime) -> None:
    """Compare the cached figures of every wallet with its postings."""
    count_rows(findings, wallets="wallets")
    for row in stream(FIGURES):
        compared = (
            ("The balance", row.balance, row.posted),
            ("What is owed", row.receivable, row.owed),
            ("The sequence", Decimal(row.seq), Decimal(row.links if row.links != row.seq else row.last)),
        )
        for what, cached, found in compared:
            if cached != found:
                findings.add(
                    f"wallet {row.id}", f"{what} is {plain(cached)}, the postings say {plain(found)}."
                )


@check("chains", "The hash chain of every wallet recomputes")
def chains(findings: Findings, at: datetime) -> None:
    """Recompute every link from the journal and its sides, and follow it to the head that the wallet
    keeps."""
    for wallet_id, rows in groupby(stream(CHAINED), key=attrgetter("wallet_id")):
        findings.count("wallets")
        for seq, message in _follow(rows, findings):
            findings.add(f"posting {seq} of wallet {wallet_id}", message)


def _follow(rows: Iterator[Any], findings: Findings) -> Iterator[tuple[int, str]]:
    previous, balance, expected = GENESIS, Decimal(0), 1
    row = None
    for row in rows:
        findings.count("links")
        if row.seq != expected:
            yield expected, f"Postings {expected} to {row.seq - 1} are missing."
        balance += row.moved
        if row.balance_after != balance:
            yield (
                row.seq,
                f"The balance after it is {plain(row.balance_after)}, it adds up to {plain(balance)}.",
            )
            balance = row.balance_after
        if row.id is None:
            yield row.seq, "Its journal is missing."
        elif row.prev_hash != previous:
            yield row.seq, "It does not follow the posting before it."
        elif row.hash != _link(row):
            yield row.seq, "Its journal or one of its sides was changed."
        previous, expected = row.hash, row.seq + 1
    if row is not None and row.hash != row.chain_head:
        yield row.seq, "It is not the one that the wallet names as its last."


def _link(row: Any) -> bytes:
    return link(
        row.prev_hash,
        wallet_id=row.wallet_id,
        seq=row.seq,
        balance_after=row.balance_after,
        sides=row.sides,
        journal={name: getattr(row, name) for name in JOURNAL_COLUMNS},
    )


@check("transactions", "Every movement of a wallet's balance has its transaction, of the same amount")
def transactions(findings: Findings, at: datetime) -> None:
    """Compare what people read with what is posted."""
    count_rows(findings, transactions="wallet_transactions")
    for row in stream(TOLD_OTHERWISE):
        where = f"transaction {row.id}" if row.id else f"wallet {row.wallet_id}"
        findings.add(where, f"The transaction says {plain(row.amount)}, the ledger {plain(row.posted)}.")
