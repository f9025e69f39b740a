"""Checks of GST returns: what they tell adds up to the ledger of issued documents."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import text

from app.db import db
from app.domain.money import plain
from app.models import SellerRegistration
from app.services import gst_returns
from app.services.gst_returns.documents import FIGURES
from app.services.verify.checks import Findings, check

# The columns of issued documents, notes taken off, in rupees: foreign ones by the rate that their content, or
# that of the invoice they take back from, keeps. Each tax of a document is rounded by itself.
LEDGER = """
    WITH documents AS (
        SELECT i.registration_id, to_char(i.issued_on, 'YYYY-MM') AS month, i.subtotal, i.taxes, i.currency,
               CASE WHEN i.kind = 'credit_note' THEN -1 ELSE 1 END AS sign,
               CASE WHEN i.currency = 'INR' THEN 1
                    ELSE coalesce(i.snapshot #>> '{inr,rate}', o.snapshot #>> '{inr,rate}')::numeric
               END AS rate
        FROM invoices i LEFT JOIN invoices o ON o.id = i.original_id
        WHERE i.number IS NOT NULL AND coalesce((i.snapshot ->> 'commercial')::boolean, false) = false
            AND NOT (i.status = 'cancelled' AND i.amount_credited = 0)
    ), taxed AS (
        SELECT d.registration_id, d.month, d.sign, tax ->> 'code' AS code,
               round((tax ->> 'amount')::numeric * d.rate, 2) AS amount
        FROM documents d, jsonb_array_elements(d.taxes) AS tax
    )
    SELECT registration_id, month, count(*) AS documents, sum(sign * round(subtotal * rate, 2)) AS taxable,
           (SELECT coalesce(sum(t.sign * t.amount) FILTER (WHERE t.code = 'IGST'), 0) FROM taxed t
            WHERE t.registration_id = d.registration_id AND t.month = d.month) AS igst,
           (SELECT coalesce(sum(t.sign * t.amount) FILTER (WHERE t.code = 'CGST'), 0) FROM taxed t
            WHERE t.registration_id = d.registration_id AND t.month = d.month) AS cgst,
           (SELECT coalesce(sum(t.sign * t.amount) FILTER (WHERE t.code IN ('SGST', 'UTGST')), 0) FROM taxed t
            WHERE t.registration_id = d.registration_id AND t.month = d.month) AS sgst
    FROM documents d WHERE rate IS NOT NULL GROUP BY registration_id, month ORDER BY month, registration_id
"""


@check("returns", "Every monthly GST return adds up to the documents that were issued in it")
def returns(findings: Findings, at: datetime) -> None:
    """Make every return again, and compare its supplies with the columns of the documents, and its summary by
    service code with both."""
    for row in db.session.execute(text(LEDGER)).all():
        findings.count("returns")
        findings.count("documents", row.documents)
        filing = gst_returns.make(db.session.get_one(SellerRegistration, row.registration_id), row.month)
        told = filing.supplies()
        ledger = {name: getattr(row, name) for name in FIGURES}
        by_code = next(table.sums["taxable"] for table in filing.tables if table.name == "hsn")
        where = f"return {filing.gstin} {row.month}"
        if told != ledger:
            findings.add(where, f"It tells {_shown(told)}; the documents say {_shown(ledger)}.")
        if by_code != ledger["taxable"]:
            message = f"By service code it tells {plain(by_code)}; the documents say {plain(row.taxable)}."
            findings.add(where, message)


def _shown(figures: dict[str, Any]) -> str:
    return ", ".join(f"{name} {plain(Decimal(figures[name]))}" for name in FIGURES)
