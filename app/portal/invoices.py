"""The customer's invoices: the list, one with its lines unfolding, its PDF, and paying it."""

from io import BytesIO
from uuid import UUID

from flask import render_template, request, send_file
from werkzeug.wrappers import Response

from app.portal.guard import blueprint, own_id
from app.services import documents, own


@blueprint.get("/invoices")
def list_invoices() -> str:
    """Show the issued invoices, the newest first."""
    after = request.args.get("after", type=UUID)
    return render_template("portal/invoices.html", page=own.invoices(own_id(), after=after), own=own)


@blueprint.get("/invoices/<uuid:invoice_id>")
def show_invoice(invoice_id: UUID) -> str:
    """Show one invoice with what each line is made of."""
    return render_template("portal/invoice.html", invoice=own.get_invoice(own_id(), invoice_id), own=own)


@blueprint.get("/invoices/<uuid:invoice_id>/pdf")
def download_invoice(invoice_id: UUID) -> Response:
    """Send the PDF of an invoice; where no worker has made it yet it is made here, from the same snapshot."""
    invoice = own.get_invoice(own_id(), invoice_id)
    content = documents.load_invoice_pdf(invoice)
    return send_file(
        BytesIO(content),
        mimetype="application/pdf",
        as_attachment=True,
        download_name=documents.invoice_file_name(invoice),
    )
