"""e-invoices: how a document stands at the Invoice Registration Portal, and what can be asked of it."""

from datetime import date
from typing import Annotated, Any
from uuid import UUID

from flask import Blueprint, Response
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from app import clock, personal
from app.api.attachments import attachment
from app.api.body import Body, Meta, Page
from app.api.endpoint import endpoint
from app.api.envelope import instant_text, paginate, related, resource, success
from app.api.guards import current_actor, guard, limit_to_caller
from app.api.idempotency import idempotent
from app.api.serializers import need_staff
from app.db import db
from app.errors import Invalid, NotFound
from app.models import EInvoice, Invoice
from app.models.einvoices import EInvoiceStatus
from app.models.invoices import InvoiceStatus
from app.permissions import Role
from app.services import einvoices

blueprint = Blueprint("einvoices", __name__)

UNNUMBERED = (InvoiceStatus.draft, InvoiceStatus.parked)
NOUN = "Reporting to the portal"
# The portal's tools take a file, without our envelope.
FILE = "application/octet-stream"


class ListQuery(Page):
    """Which e-invoices."""

    status: Annotated[str | None, Meta(description=f"One of: {', '.join(EInvoiceStatus)}.")] = None


class Days(Body):
    """Documents dated from the first to the last of these days."""

    first: Annotated[str, Meta(description="2026-11-01")]
    last: Annotated[str, Meta(description="2026-11-30")]


class Cancellation(Body):
    """Why a registration is cancelled."""

    reason: Annotated[
        int, Meta(description="1 duplicate, 2 data entry mistake, 3 order cancelled, 4 others.")
    ]
    remark: Annotated[str, Meta(description="3 to 100 characters, kept by the portal.")]


@blueprint.get("/e-invoices")
@guard("billing", "read")
@endpoint("List e-invoices", query=ListQuery, answers="e_invoice", many=True)
def list_einvoices(query: ListQuery) -> Response:
    """The newest first. `status=failed` is what waits for a person."""
    need_staff(NOUN)
    chosen = select(EInvoice).options(joinedload(EInvoice.invoice))
    if query.status is not None:
        chosen = chosen.where(EInvoice.status == _status(query.status))
    rows, cursor = paginate(chosen, query, (EInvoice.id,))
    return success([_resource(row) for row in rows], next_cursor=cursor)


@blueprint.get("/invoices/<uuid:invoice_id>/e-invoice")
@guard("billing", "read")
@endpoint("Read the e-invoice of a document", answers="e_invoice")
def read_einvoice(invoice_id: UUID) -> Response:
    """`signed_qr` is what the code on the document says. 404 where the law asks for none."""
    return success(_resource(einvoices.get(_document(invoice_id)), whole=True))


@blueprint.get("/invoices/<uuid:invoice_id>/e-invoice/document")
@guard("billing", "read")
@endpoint("Download the INV-01 document", media=FILE)
def download(invoice_id: UUID) -> Response:
    """The JSON that the portal is told, schema 1.1, also for documents that need no e-invoice: a file that
    the portal's own tools take. 409 for a draft."""
    need_staff(NOUN)
    personal.require("Documents of the portal")
    row = _document(invoice_id)
    name = f"{row.number or 'draft'}.json".replace("/", "-")
    return attachment(einvoices.export([row]), name, FILE)


@blueprint.get("/e-invoices/documents")
@guard("billing", "read")
@endpoint("Download the INV-01 documents of some days", query=Days, media=FILE)
def download_many(query: Days) -> Response:
    """An array of what the portal is told, for its bulk upload: the documents of these days that have an
    e-invoice or wait for it, the oldest first, at most 500."""
    need_staff(NOUN)
    personal.require("Documents of the portal")
    rows = einvoices.documents_of(_day(query.first, "/first"), _day(query.last, "/last"))
    return attachment(einvoices.export(rows, many=True), "e-invoices.json", FILE)


@blueprint.post("/invoices/<uuid:invoice_id>/e-invoice")
@guard("billing", "write")
@idempotent
@endpoint("Register a document again", answers="e_invoice", status=202)
def register(invoice_id: UUID) -> Response:
    """For one that the portal refused, or whose next attempt is too far away: read it again in a moment. 409
    where it is registered already."""
    need_staff(NOUN)
    row = einvoices.register(_document(invoice_id), at=clock.now(), actor=current_actor())
    return success(_resource(row), 202)


@blueprint.post("/invoices/<uuid:invoice_id>/e-invoice/cancel")
@guard("billing", "write")
@idempotent
@endpoint("Cancel an e-invoice", body=Cancellation, answers="e_invoice", status=202)
def cancel(invoice_id: UUID, body: Cancellation) -> Response:
    """Within 24 hours of its registration; later, 409: issue a credit note instead. The invoice stays as it
    is until it is voided. Read it again in a moment: the portal may refuse, then `last_error` says why."""
    need_staff(NOUN)
    row = einvoices.cancel(
        einvoices.get(_document(invoice_id)),
        reason=body.reason,
        remark=body.remark,
        at=clock.now(),
        actor=current_actor(),
    )
    return success(_resource(row), 202)


def _document(invoice_id: UUID) -> Invoice:
    """Return an invoice or credit note that the caller may see."""
    query = limit_to_caller(select(Invoice).where(Invoice.id == invoice_id), Invoice.account_id)
    if current_actor().role is Role.customer:
        query = query.where(Invoice.status.not_in(UNNUMBERED))
    row: Invoice | None = db.session.scalar(query.options(joinedload(Invoice.account)))
    if row is None:
        raise NotFound("There is no such invoice.")
    return row


def _day(text: str, pointer: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Invalid.at(pointer, "Write a day, such as 2026-11-01.", code="bad_day") from None


def _status(text: str) -> EInvoiceStatus:
    try:
        return EInvoiceStatus(text)
    except ValueError:
        message = f"Choose one of: {', '.join(EInvoiceStatus)}."
        raise Invalid.at("/status", message, code="unknown_choice") from None


def _resource(row: EInvoice, *, whole: bool = False) -> dict[str, Any]:
    """Return an e-invoice; `whole` with the tokens that the portal has signed."""
    attributes = {
        "status": row.status,
        "irn": row.irn,
        "document_number": row.invoice.number,
        "ack_no": row.ack_no,
        "ack_at": instant_text(row.ack_at),
        "attempts": row.attempts,
        "failure": row.failure,
        "last_error": row.last_error,
        "cancel_reason": row.cancel_reason,
        "cancel_remark": row.cancel_remark,
        "cancelled_at": instant_text(row.cancelled_at),
        "created_at": instant_text(row.created_at),
    }
    if whole:
        attributes |= {"signed_qr": row.signed_qr, "signed_invoice": row.signed_invoice}
    return resource("e_invoice", row.id, attributes, {"invoice": related("invoice", row.invoice_id)})
