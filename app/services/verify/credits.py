"""Checks of what went back: credit notes within their invoices, refunds within their payments, and what
invoices wait for."""

from datetime import datetime

from app.domain.money import plain
from app.services.verify.checks import Findings, check, count_rows, stream

WRONGLY_CREDITED = """
    SELECT i.number, i.total, i.status, i.amount_credited, coalesce(n.total, 0) AS notes, n.wrong
    FROM invoices i
    LEFT JOIN (
        SELECT n.original_id, sum(n.total) AS total, max(n.number) FILTER (
            WHERE n.account_id <> o.account_id OR n.currency <> o.currency OR n.issued_on < o.issued_on
               OR n.total <= 0 OR n.number IS NULL
        ) AS wrong
        FROM invoices n JOIN invoices o ON o.id = n.original_id WHERE n.kind = 'credit_note'
        GROUP BY n.original_id
    ) n ON n.original_id = i.id
    WHERE i.number IS NOT NULL AND i.kind <> 'credit_note' AND (
        i.amount_credited <> coalesce(n.total, 0) OR coalesce(n.total, 0) > i.total OR n.wrong IS NOT NULL
        OR (i.status = 'cancelled') <> (i.amount_credited = i.total AND i.total > 0)
    )
    ORDER BY i.number
"""

# What a note takes back of a line, against what the line charged: never above it, value and taxes.
LINES_ABOVE = """
    SELECT i.number, l.n, l.amount, sum(c.amount) AS credited
    FROM invoice_lines c
    JOIN invoices note ON note.id = c.invoice_id AND note.kind = 'credit_note'
    LEFT JOIN invoice_lines l ON l.id = c.source_id AND l.invoice_id = note.original_id
    LEFT JOIN invoices i ON i.id = l.invoice_id
    GROUP BY i.number, l.n, l.amount, l.id
    HAVING l.id IS NULL OR abs(sum(c.amount)) > abs(l.amount)
"""

# Settlements by payment; what the wallet and vouchers paid stands on the invoice itself.
WRONGLY_PAID = """
    SELECT i.number, i.status, i.total - i.amount_credited AS asked, i.amount_paid
    FROM invoices i
    WHERE i.number IS NOT NULL AND i.kind <> 'credit_note' AND (
        i.status = 'paid' AND i.amount_paid < i.total - i.amount_credited
        OR i.status IN ('issued', 'partially_paid', 'overdue', 'uncollectible')
           AND i.amount_paid >= i.total - i.amount_credited
    )
    ORDER BY i.number
"""

WRONGLY_REFUNDED = """
    SELECT p.id, p.status, coalesce(p.taken, p.amount) AS took, p.refunded, coalesce(r.settled, 0) AS settled,
           coalesce(r.begun, 0) AS begun
    FROM payments p LEFT JOIN (
        SELECT payment_id, sum(amount) FILTER (WHERE status = 'succeeded') AS settled,
               sum(amount) FILTER (WHERE status <> 'failed') AS begun
        FROM refunds GROUP BY payment_id
    ) r ON r.payment_id = p.id
    WHERE p.refunded <> coalesce(r.settled, 0) OR coalesce(r.begun, 0) > coalesce(p.taken, p.amount)
       OR (p.status = 'refunded') <> (p.refunded = coalesce(p.taken, p.amount))
    ORDER BY p.id
"""


@check("credit_notes", "Credit notes never come to more than their invoices, line by line")
def credit_notes(findings: Findings, at: datetime) -> None:
    """Add up the notes of every invoice."""
    count_rows(findings, notes="invoices WHERE kind = 'credit_note'")
    for row in stream(WRONGLY_CREDITED):
        wrong = f" {row.wrong} does not belong to it." if row.wrong else ""
        message = (
            f"{plain(row.amount_credited)} of {plain(row.total)} counts as credited, its notes say "
            f"{plain(row.notes)}, and it is {row.status}.{wrong}"
        )
        findings.add(f"invoice {row.number}", message)
    for row in stream(LINES_ABOVE):
        message = "It is gone."
        if row.number is not None:
            message = f"{plain(row.credited)} was credited of {plain(row.amount)}."
        findings.add(f"line {row.n} of invoice {row.number}", message)


@check("amounts_due", "What invoices wait for is their total less what was paid and credited")
def amounts_due(findings: Findings, at: datetime) -> None:
    """Compare the status of every invoice with what is left of it."""
    count_rows(findings, invoices="invoices WHERE number IS NOT NULL")
    for row in stream(WRONGLY_PAID):
        message = f"It is {row.status}; {plain(row.amount_paid)} of {plain(row.asked)} was paid."
        findings.add(f"invoice {row.number}", message)


@check("refunds", "Refunds never come to more than their payments")
def refunds(findings: Findings, at: datetime) -> None:
    """Add up the refunds of every payment."""
    count_rows(findings, payments="payments", refunds="refunds")
    for row in stream(WRONGLY_REFUNDED):
        message = (
            f"It is {row.status} and counts {plain(row.refunded)} of {plain(row.took)} as given back; its "
            f"refunds say {plain(row.settled)}, {plain(row.begun)} with those under way."
        )
        findings.add(f"payment {row.id}", message)
