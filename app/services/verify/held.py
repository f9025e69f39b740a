"""Checks of what is held in wallets, what was captured, and what went from one wallet to another."""

from datetime import datetime

from app.domain.money import plain
from app.services.verify.checks import Findings, check, count_rows, stream

HELD = """
    SELECT w.id, w.held, coalesce(sum(h.amount), 0) AS open
    FROM wallets w LEFT JOIN wallet_holds h ON h.wallet_id = w.id AND h.state = 'open'
    GROUP BY w.id
    HAVING w.held <> coalesce(sum(h.amount), 0)
"""

CAPTURED_OTHERWISE = """
    SELECT h.id, h.captured, coalesce(-t.amount, 0) AS taken
    FROM wallet_holds h LEFT JOIN wallet_transactions t ON t.id = h.transaction_id
    WHERE h.state = 'captured'
      AND (t.kind, t.wallet_id, -t.amount) IS DISTINCT FROM ('capture', h.wallet_id, h.captured)
    UNION ALL
    SELECT t.id, 0, -t.amount FROM wallet_transactions t
    WHERE t.kind = 'capture' AND NOT EXISTS (SELECT FROM wallet_holds h WHERE h.transaction_id = t.id)
"""

UNDER_WAY = """
    SELECT a.customer_id, p.currency, sum(p.amount) AS rest
    FROM postings p JOIN accounts a ON a.id = p.account_id
    WHERE p.book = 'transfer'
    GROUP BY a.customer_id, p.currency
    HAVING sum(p.amount) <> 0
"""

TRANSFERRED_OTHERWISE = """
    SELECT x.id, x.amount
    FROM wallet_transfers x
    LEFT JOIN wallet_transactions f ON f.id = x.from_transaction_id AND f.wallet_id = x.from_wallet_id
    LEFT JOIN wallet_transactions t ON t.id = x.to_transaction_id AND t.wallet_id = x.to_wallet_id
    WHERE (f.amount, t.amount) IS DISTINCT FROM (-x.amount, x.amount)
"""


@check("holds", "What is held in every wallet is the sum of its open holds, and what was captured was taken")
def holds(findings: Findings, at: datetime) -> None:
    """Compare the cached figure with the holds, and captured holds with their movements."""
    count_rows(findings, holds="wallet_holds")
    for row in stream(HELD):
        message = f"It says that {plain(row.held)} is held, its open holds come to {plain(row.open)}."
        findings.add(f"wallet {row.id}", message)
    for row in stream(CAPTURED_OTHERWISE):
        findings.add(f"hold {row.id}", f"{plain(row.captured)} was captured, {plain(row.taken)} was taken.")


@check("transfers", "What left one wallet of a customer arrived in another")
def transfers(findings: Findings, at: datetime) -> None:
    """Sum the book between wallets for each customer, and compare each transfer with its two movements."""
    count_rows(findings, transfers="wallet_transfers")
    for row in stream(UNDER_WAY):
        message = f"{plain(row.rest)} {row.currency} is between wallets."
        findings.add(f"customer {row.customer_id}", message)
    for row in stream(TRANSFERRED_OTHERWISE):
        findings.add(f"transfer {row.id}", f"Its movements are not those of {plain(row.amount)}.")
