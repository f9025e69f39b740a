"""Documents after their records."""

from app.db import db
from app.models import Invoice
from app.services import document_mails, documents
from jobs.runner import job

# Importing this keeps the promises of documents and their mails.
PROMISES = (document_mails.INVOICE_DOCUMENT, document_mails.MAIL)


@job("documents", retries=3, timeout_seconds=300)
def render_invoice(invoice_id: str) -> dict[str, str]:
    """Make the PDF of an issued invoice, where it is missing."""
    return {"key": documents.render(db.session.get_one(Invoice, invoice_id)).key}
