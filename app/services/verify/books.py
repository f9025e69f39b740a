"""Checks of the ledger: sums, cached figures, and what people read of it. The chains are in `chains`."""

from datetime import datetime
from decimal import Decimal

from app.domain.money import plain
from app.services.verify.checks import Findings, check, count_rows, stream

UNBALANCED = """
    SELECT coalesce(p.journal_id, j.id) AS id, j.id IS NULL AS orphaned, coalesce(p.sides, 0) AS sides,
           coalesce(p.rest, 0) AS rest, coalesce(p.places, 0) AS places
    FROM journals j FULL JOIN (
        SELECT journal_id, count(*) AS sides, count(seq) AS places, sum(amount) AS rest,
               min(currency) AS currency, max(currency) AS another
        FROM postings GROUP BY journal_id
    ) p ON p.journal_id = j.id
    WHERE j.id IS NULL OR p.journal_id IS NULL OR p.sides < 2 OR p.rest <> 0 OR p.places <> 1
       OR p.currency <> j.currency OR p.another <> j.currency
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
# Transactions whose postings are gone, and how far the chain of their wallet goes.
CUT_OFF = """
    SELECT t.id, t.wallet_id,
           (SELECT coalesce(max(p.seq), 0) FROM postings p WHERE p.wallet_id = t.wallet_id) AS last
    FROM wallet_transactions t
    WHERE t.journal_id IS NOT NULL AND NOT EXISTS (SELECT FROM postings p WHERE p.journal_id = t.journal_id)
"""


@check("journals", "The postings of every journal sum to zero")
def journals(findings: Findings, at: datetime) -> None:
    """Look for journals that do not balance, have one side only, stand in no chain or in two, or are missing
    behind their postings."""
    count_rows(findings, journals="journals", postings="postings")
    for row in stream(UNBALANCED):
        has = f"has {row.sides} sides, a rest of {plain(row.rest)} and {row.places} places in a chain"
        findings.add(f"journal {row.id}", f"The journal {'is missing' if row.orphaned else has}.")


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


@check("transactions", "Every movement of a wallet's balance has its transaction, of the same amount")
def transactions(findings: Findings, at: datetime) -> None:
    """Compare what people read with what is posted."""
    count_rows(findings, transactions="wallet_transactions")
    for row in stream(TOLD_OTHERWISE):
        where = f"transaction {row.id}" if row.id else f"wallet {row.wallet_id}"
        findings.add(where, f"The transaction says {plain(row.amount)}, the ledger {plain(row.posted)}.")
    for row in stream(CUT_OFF):
        findings.add(
            f"posting {row.last + 1} of wallet {row.wallet_id}",
            f"Transaction {row.id} has no posting; the chain of its wallet ends with {row.last}.",
        )
