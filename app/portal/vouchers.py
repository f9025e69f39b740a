"""The customer's receipt and refund vouchers: what was paid in advance, and its tax."""

from io import BytesIO
from uuid import UUID

from flask import render_template, request, send_file
from werkzeug.wrappers import Response

from app.portal.guard import blueprint, own_id
from app.services import documents, own


@blueprint.get("/vouchers")
def list_vouchers() -> str:
    """Show the vouchers, the newest first."""
    page = own.vouchers(own_id(), after=request.args.get("after", type=UUID))
    return render_template("portal/vouchers.html", page=page)


@blueprint.get("/vouchers/<uuid:voucher_id>/pdf")
def download_voucher(voucher_id: UUID) -> Response:
    """Send the PDF of a voucher."""
    voucher = own.get_voucher(own_id(), voucher_id)
    return send_file(
        BytesIO(documents.load(voucher)),
        mimetype="application/pdf",
        as_attachment=True,
        download_name=documents.file_name(voucher),
    )
