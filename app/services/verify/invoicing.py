"""Checks of invoices: their figures, their content, their numbers, and what they have asked for."""

from datetime import datetime
from hashlib import sha256

from sqlalchemy import select

from app.db import db
from app.domain.invoicing import canonical_json
from app.domain.money import plain
from app.models import Invoice
from app.services.verify.checks import Findings, check, count_rows, stream

WRONG_FIGURES = """
    SELECT i.id, i.number, i.subtotal, i.tax_total, i.round_off, i.total, coalesce(l.amount, 0) AS lines,
           coalesce(t.amount, 0) AS taxes
    FROM invoices i
    LEFT JOIN (SELECT invoice_id, sum(amount) AS amount FROM invoice_lines GROUP BY invoice_id) l ON
    l.invoice_id = i.id LEFT JOIN LATERAL (
        SELECT sum((tax ->> 'amount')::numeric) AS amount FROM jsonb_array_elements(i.taxes) AS tax
    ) t ON true
    WHERE i.number IS NOT NULL AND (
        i.subtotal + i.tax_total + i.round_off <> i.total
        OR i.subtotal <> coalesce(l.amount, 0) OR i.tax_total <> coalesce(t.amount, 0)
    )
"""

WRONG_SERIES = """
    WITH numbered AS (
        SELECT registration_id, kind, substring(number FROM '[0-9]+$')::int AS n,
               extract(year FROM issued_on - interval '3 months')::int AS starts
        FROM invoices WHERE number IS NOT NULL
        UNION ALL
        SELECT registration_id, kind, substring(number FROM '[0-9]+$')::int,
               extract(year FROM issued_on - interval '3 months')::int
        FROM vouchers
    ), found AS (
        SELECT registration_id, kind, starts || '-' || lpad(((starts + 1) % 100)::text, 2, '0') AS
        financial_year,
               count(*) AS taken, count(DISTINCT n) AS different, max(n) AS last, array_agg(n) AS numbers
        FROM numbered GROUP BY registration_id, kind, starts
    )
    SELECT coalesce(s.prefix, f.kind) AS prefix, coalesce(s.financial_year, f.financial_year) AS
    financial_year,
           coalesce(s.last_number, 0) AS last_number, coalesce(f.taken, 0) AS taken,
           (SELECT min(g) FROM generate_series(1, greatest(s.last_number, f.last)) g
            WHERE g <> ALL (coalesce(f.numbers, '{}'))) AS missing
    FROM invoice_series s FULL JOIN found f USING (registration_id, kind, financial_year)
    WHERE s.id IS NULL OR s.last_number <> coalesce(f.taken, 0) OR s.last_number <> coalesce(f.different, 0)
        OR s.last_number <> coalesce(f.last, 0)
"""

WRONGLY_INVOICED = """
    SELECT p.id, p.invoiced_quantity, p.invoiced_amount, coalesce(l.quantity, 0) AS quantity,
           coalesce(l.amount, 0) AS amount
    FROM charge_positions p
    LEFT JOIN (
        SELECT l.subscription_id, l.component_id, l.period_start, sum(l.quantity) AS quantity, sum(l.amount)
        AS amount FROM invoice_lines l JOIN invoices i ON i.id = l.invoice_id
        WHERE i.number IS NOT NULL AND NOT i.rebilled AND l.metric_code IS NOT NULL
        GROUP BY l.subscription_id, l.component_id, l.period_start
    ) l USING (subscription_id, component_id, period_start)
    WHERE p.invoiced_quantity <> coalesce(l.quantity, 0) OR p.invoiced_amount <> coalesce(l.amount, 0)
"""


@check("invoices", "The lines, taxes and round-off of every issued invoice add up to its total")
def invoices(findings: Findings, at: datetime) -> None:
    """Add every issued invoice up again."""
    count_rows(findings, invoices="invoices WHERE number IS NOT NULL", lines="invoice_lines")
    for row in stream(WRONG_FIGURES):
        message = (
            f"The lines sum to {plain(row.lines)} and the taxes to {plain(row.taxes)}; it says "
            f"{plain(row.subtotal)} + {plain(row.tax_total)} + {plain(row.round_off)} = {plain(row.total)}."
        )
        findings.add(f"invoice {row.number}", message)


@check("snapshots", "The content of every issued invoice is as it was issued")
def snapshots(findings: Findings, at: datetime) -> None:
    """Hash the snapshots again."""
    query = select(Invoice.number, Invoice.snapshot, Invoice.snapshot_sha256).where(
        Invoice.number.is_not(None)
    )
    for row in db.session.execute(query.execution_options(yield_per=200)):
        findings.count("snapshots")
        if row.snapshot is None or sha256(canonical_json(row.snapshot)).digest() != row.snapshot_sha256:
            findings.add(f"invoice {row.number}", "Its content was changed after it was issued.")


@check("numbers", "Document numbers run without gap or repeat")
def numbers(findings: Findings, at: datetime) -> None:
    """Compare every series with the invoices and vouchers that carry its numbers."""
    count_rows(findings, series="invoice_series")
    for row in stream(WRONG_SERIES):
        gap = f", number {row.missing} is missing" if row.missing else ""
        message = f"The series stands at {row.last_number}, {row.taken} documents have its numbers{gap}."
        findings.add(f"series {row.prefix} {row.financial_year}", message)


@check("invoiced", "What counts as invoiced stands on issued invoices")
def invoiced(findings: Findings, at: datetime) -> None:
    """Compare charge positions with the lines of issued invoices."""
    count_rows(findings, positions="charge_positions")
    for row in stream(WRONGLY_INVOICED):
        message = (
            f"{plain(row.invoiced_quantity)} for {plain(row.invoiced_amount)} counts as invoiced, "
            f"the lines say {plain(row.quantity)} for {plain(row.amount)}."
        )
        findings.add(f"position {row.id}", message)
