"""Checks of advances: vouchers against the money, what invoices took of them, and the tax in the ledger."""

from datetime import datetime
from hashlib import sha256

from sqlalchemy import select

from app.db import db
from app.domain.invoicing import canonical_json
from app.domain.money import plain
from app.models import Voucher
from app.services.verify.checks import Findings, check, count_rows, stream

# What a movement brought in (or a refund took out): without tax, the tax, and all of it.
MONEY_OTHERWISE = """
    SELECT v.id, v.number, v.taxable, v.tax, v.amount, coalesce(b.wallet, 0) AS wallet,
           coalesce(b.tax, 0) AS booked_tax, coalesce(-b.cash, 0) AS cash, p.amount AS paid,
           (SELECT coalesce(sum((part ->> 'amount')::numeric), 0)
            FROM jsonb_array_elements(v.taxes) AS part) AS parts
    FROM vouchers v
    JOIN wallet_transactions t ON t.id = v.transaction_id
    LEFT JOIN LATERAL (
        SELECT sum(amount) FILTER (WHERE book = 'wallet') AS wallet,
               sum(amount) FILTER (WHERE book = 'tax') AS tax,
               sum(amount) FILTER (WHERE book = 'cash') AS cash
        FROM postings WHERE journal_id = t.journal_id
    ) b ON true
    LEFT JOIN payments p ON p.id = v.payment_id
    WHERE v.kind = 'receipt_voucher'
"""

TAX_OTHERWISE = """
    SELECT coalesce(b.customer_id, v.customer_id) AS customer_id,
           coalesce(b.currency, v.currency) AS currency,
           coalesce(b.tax, 0) AS booked, coalesce(v.tax, 0) AS vouched
    FROM (
        SELECT a.customer_id, p.currency, sum(p.amount) AS tax
        FROM postings p JOIN accounts a ON a.id = p.account_id WHERE p.book = 'tax' GROUP BY 1, 2
    ) b FULL JOIN (
        SELECT customer_id, currency, sum(CASE kind WHEN 'receipt_voucher' THEN tax ELSE -tax END) AS tax
        FROM vouchers GROUP BY 1, 2
    ) v USING (customer_id, currency)
    WHERE coalesce(b.tax, 0) <> coalesce(v.tax, 0)
"""

OVERTAKEN = """
    SELECT v.number, v.taxable, v.tax, coalesce(t.taxable, 0) AS taken, coalesce(t.tax, 0) AS taken_tax
    FROM vouchers v
    JOIN (
        SELECT voucher_id, sum(taxable) AS taxable, sum(tax) AS tax FROM (
            SELECT voucher_id, taxable, tax FROM voucher_adjustments
            UNION ALL SELECT receipt_id, taxable, tax FROM vouchers WHERE receipt_id IS NOT NULL
        ) takings GROUP BY voucher_id
    ) t ON t.voucher_id = v.id
    WHERE t.taxable > v.taxable OR t.tax > v.tax OR (t.taxable = v.taxable AND t.tax <> v.tax)
"""

ADJUSTED_OTHERWISE = """
    SELECT i.id, coalesce(i.number, 'a draft') AS number, i.advance_tax, coalesce(a.tax, 0) AS adjusted
    FROM invoices i
    LEFT JOIN (SELECT invoice_id, sum(tax) AS tax FROM voucher_adjustments GROUP BY 1) a
        ON a.invoice_id = i.id
    WHERE i.advance_tax <> coalesce(a.tax, 0)
"""


@check("vouchers", "Every voucher says what was received or given back, and the ledger the same tax")
def vouchers(findings: Findings, at: datetime) -> None:
    """Compare receipts with their journals and payments, the tax in the ledger with all vouchers, and hash
    their content again."""
    count_rows(findings, vouchers="vouchers")
    for row in stream(MONEY_OTHERWISE):
        said = (row.taxable, row.tax, row.amount)
        if said != (row.wallet, row.booked_tax, row.cash) or row.parts != row.tax:
            message = (
                f"It says {plain(row.taxable)} + {plain(row.tax)}, the ledger {plain(row.wallet)} + "
                f"{plain(row.booked_tax)} of {plain(row.cash)} received."
            )
            findings.add(f"voucher {row.number}", message)
        elif row.paid is not None and row.paid != row.amount:
            findings.add(
                f"voucher {row.number}", f"It says {plain(row.amount)}, its payment {plain(row.paid)}."
            )
    for row in stream(TAX_OTHERWISE):
        message = (
            f"The ledger has {plain(row.booked)} {row.currency} of tax, its vouchers {plain(row.vouched)}."
        )
        findings.add(f"customer {row.customer_id}", message)
    query = select(Voucher.number, Voucher.snapshot, Voucher.snapshot_sha256)
    for voucher in db.session.execute(query.execution_options(yield_per=200)):
        if sha256(canonical_json(voucher.snapshot)).digest() != voucher.snapshot_sha256:
            findings.add(f"voucher {voucher.number}", "Its content was changed after it was issued.")


@check("advances", "No more is taken of an advance than came, and invoices count the tax they took")
def advances(findings: Findings, at: datetime) -> None:
    """Compare advances with what invoices and refunds took of them, and invoices with their adjustments."""
    count_rows(findings, adjustments="voucher_adjustments")
    for row in stream(OVERTAKEN):
        message = (
            f"{plain(row.taken)} with {plain(row.taken_tax)} of tax was taken of {plain(row.taxable)} with "
            f"{plain(row.tax)}."
        )
        findings.add(f"voucher {row.number}", message)
    for row in stream(ADJUSTED_OTHERWISE):
        findings.add(
            f"invoice {row.number}",
            f"It counts {plain(row.advance_tax)} of tax as collected, its vouchers {plain(row.adjusted)}.",
        )


KEPT_OTHERWISE = """
    SELECT i.number, t.amount, t.section,
           round(i.subtotal * t.rate / 100, 2) - coalesce(sum(o.amount), 0) - t.amount AS room,
           p.status, p.invoice_id = i.id AND t.customer_id = i.customer_id AND t.taxable = i.subtotal AS same
    FROM tds_receivables t
    JOIN invoices i ON i.id = t.invoice_id JOIN payments p ON p.id = t.payment_id
    LEFT JOIN tds_receivables o ON o.invoice_id = t.invoice_id AND o.kind = t.kind AND o.id <> t.id
    GROUP BY t.id, i.id, p.id
    HAVING round(i.subtotal * t.rate / 100, 2) < coalesce(sum(o.amount), 0) + t.amount
        OR p.status NOT IN ('succeeded', 'partially_refunded', 'refunded')
        OR NOT (p.invoice_id = i.id AND t.customer_id = i.customer_id AND t.taxable = i.subtotal)
"""


@check("tds", "What payers kept is within the rate of its section, of a payment of the same invoice")
def tds(findings: Findings, at: datetime) -> None:
    """Compare what was kept with the taxable value, the payment and the customer of its invoice."""
    count_rows(findings, receivables="tds_receivables")
    for row in stream(KEPT_OTHERWISE):
        if row.room < 0:
            told = f"{plain(row.amount)} was kept under section {row.section}: {plain(-row.room)} too much."
        else:
            told = (
                f"What was kept belongs to a payment that is {row.status}, or to another invoice's figures."
            )
        findings.add(f"invoice {row.number}", told)
