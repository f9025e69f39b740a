"""Documents after their records."""

from app.db import db
from app.models import Invoice
from app.services import documents
from jobs.runner import job


@job("documents", retries=3, timeout_seconds=300)
def render_invoice(invoice_id: str) -> dict[str, str]:
    """Make the PDF of an issued invoice, where it is missing."""
    return {"key": documents.render_invoice_pdf(db.session.get_one(Invoice, invoice_id)).key}
