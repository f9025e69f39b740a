"""The customer's invoices: the list, one with its lines unfolding, its PDF, and paying it."""

from io import BytesIO
from uuid import UUID

from flask import render_template, request, send_file, url_for
from werkzeug.wrappers import Response

from app.models import InvoiceLine
from app.portal.guard import blueprint, own_id, today
from app.services import documents, explanations, invoice_story, line_words, own
from app.services.explanations import read_bucket, read_day


@blueprint.get("/invoices")
def list_invoices() -> str:
    """Show the issued invoices, the newest first."""
    after = request.args.get("after", type=UUID)
    page = own.invoices(own_id(), after=after)
    currencies = sorted({invoice.currency for invoice in page.rows})
    return render_template("portal/invoices.html", page=page, own=own, currencies=currencies)


@blueprint.get("/invoices/<uuid:invoice_id>")
def show_invoice(invoice_id: UUID) -> str:
    """Show one invoice with what each line is made of."""
    invoice = own.get_invoice(own_id(), invoice_id)
    return render_template(
        "portal/invoice.html",
        invoice=invoice,
        own=own,
        steps=invoice_story.story(invoice, today=today()),
        payments=invoice_story.payments_of(invoice),
        notes=invoice_story.notes_of(invoice),
        to_invoice=lambda key: url_for("portal.show_invoice", invoice_id=key),
    )


@blueprint.get("/invoices/<uuid:invoice_id>/lines/<int:n>")
def explain_line(invoice_id: UUID, n: int) -> str:
    """Show why a line asks for its amount, down to the single events."""
    invoice = own.get_invoice(own_id(), invoice_id)
    line = explanations.find_line(invoice, n)
    near = None
    if line_words.counts(line):
        near = explanations.closer(
            line,
            on=read_day(request.args.get("day", "")),
            bucket_at=read_bucket(request.args.get("bucket", "")),
            after=request.args.get("after", ""),
        )

    def to_line(other: InvoiceLine) -> str:
        return url_for("portal.explain_line", invoice_id=other.invoice_id, n=other.n)

    found = explanations.explain(line)
    return render_template(
        "portal/invoice_line.html", invoice=invoice, found=found, near=near, to_line=to_line
    )


@blueprint.get("/invoices/<uuid:invoice_id>/pdf")
def download_invoice(invoice_id: UUID) -> Response:
    """Send the PDF of an invoice; where no worker has made it yet it is made here, from the same snapshot."""
    invoice = own.get_invoice(own_id(), invoice_id)
    content = documents.load(invoice)
    return send_file(
        BytesIO(content),
        mimetype="application/pdf",
        as_attachment=True,
        download_name=documents.file_name(invoice),
    )
