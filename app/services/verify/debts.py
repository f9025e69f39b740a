"""Checks of what wallets owe once it is invoiced, and of what counts towards their spending caps."""

from datetime import datetime

from app.domain.money import plain
from app.services.verify.checks import Findings, check, count_rows, stream

# A payment or a credit note pays the debt before anything else (`app.services.invoiced_debts`).
OPEN_DEBTS = """
    SELECT d.reference_id, d.open, i.id,
           greatest(0, d.billed - (i.amount_paid - i.paid_from_wallet - i.advance_tax + i.amount_credited))
           AS expected
    FROM (
        SELECT j.reference_id, -sum(p.amount) AS open, coalesce(sum(r.amount), 0) AS billed
        FROM postings p JOIN journals j ON j.id = p.journal_id
        LEFT JOIN postings r ON r.journal_id = p.journal_id AND r.book = 'receivable'
        WHERE p.book = 'invoiced'
        GROUP BY j.reference_id
    ) d
    LEFT JOIN invoices i ON i.id::text = d.reference_id AND i.status NOT IN ('draft', 'parked')
    WHERE i.id IS NULL
       OR d.open <> greatest(
           0, d.billed - (i.amount_paid - i.paid_from_wallet - i.advance_tax + i.amount_credited)
       )
"""

MISCOUNTED = """
    SELECT wallet_id, spans.span, coalesce(counted.amount, 0) AS counted, coalesce(posted.amount, 0) AS posted
    FROM (VALUES ('day'), ('month')) AS spans (span)
    CROSS JOIN (SELECT id AS wallet_id FROM wallets) w
    LEFT JOIN (
        SELECT wallet_id, span, sum(amount) AS amount FROM wallet_spending GROUP BY 1, 2
    ) counted USING (wallet_id, span)
    LEFT JOIN (
        SELECT p.wallet_id, sum(p.amount) AS amount
        FROM postings p JOIN journals j ON j.id = p.journal_id AND j.kind = 'usage'
        WHERE p.book = 'revenue'
        GROUP BY 1
    ) posted USING (wallet_id)
    WHERE coalesce(counted.amount, 0) <> coalesce(posted.amount, 0)
"""


@check("invoiced_debts", "What wallets owe on invoices is what is unpaid of it")
def invoiced_debts(findings: Findings, at: datetime) -> None:
    """Compare the book of invoiced debt, invoice by invoice, with what was billed and what was paid."""
    count_rows(findings, invoices="invoices")
    for row in stream(OPEN_DEBTS):
        where = f"invoice {row.reference_id}"
        if row.id is None:
            findings.add(where, "Debt of a wallet stands on an invoice that was never issued.")
        else:
            findings.add(
                where, f"{plain(row.open)} of debt is open in the books, {plain(row.expected)} is unpaid."
            )


@check("spending", "What counts towards the spending caps is what usage cost")
def spending(findings: Findings, at: datetime) -> None:
    """Compare the counters of days and of months of every wallet with the revenue that was posted."""
    count_rows(findings, counters="wallet_spending")
    for row in stream(MISCOUNTED):
        told = f"The {row.span}s count {plain(row.counted)}, the ledger {plain(row.posted)}."
        findings.add(f"wallet {row.wallet_id}", told)
