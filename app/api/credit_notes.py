"""Credit notes: taking back an issued invoice in part or whole (docs/api/credit-notes.md)."""

from typing import Annotated, Any
from uuid import UUID

from flask import Blueprint, Response
from sqlalchemy import Select, select
from sqlalchemy.orm import joinedload, selectinload

from app import clock
from app.api import serializers
from app.api.attachments import PDF, pdf_of
from app.api.body import Body, Meta, Page, Text
from app.api.endpoint import endpoint
from app.api.envelope import decimal_text, paginate, related, resource, success
from app.api.guards import current_actor, get_account, guard, limit_to_caller
from app.api.idempotency import idempotent
from app.api.serializers import need_staff
from app.api.wallet_parts import Amount, amount_of
from app.db import db
from app.errors import NotFound
from app.models import Invoice
from app.models.invoices import InvoiceKind, InvoiceStatus
from app.permissions import Role
from app.services import credit_notes
from app.services.credit_notes import RefundTo

blueprint = Blueprint("credit_notes", __name__)

UNNUMBERED = (InvoiceStatus.draft, InvoiceStatus.parked)
To = Annotated[
    RefundTo,
    Meta(description="Where money goes that was paid beyond what is asked for then; none: it stays."),
]


class NewNote(Body):
    """What is taken back: lines, or an amount over all lines."""

    reason: Text
    lines: (
        Annotated[
            list[dict[str, Any]],
            Meta(max_length=200, description="n, and quantity or the taxable amount of each"),
        ]
        | None
    ) = None
    amount: Annotated[Amount | None, Meta(description="With its tax.")] = None
    refund_to: To = RefundTo.none


class Void(Body):
    """Why an invoice is cancelled, and whether its charges are billed again."""

    reason: Text
    rebill: Annotated[bool, Meta(description="The next invoice bills everything of it again.")] = False
    refund_to: To = RefundTo.none


class NotesPage(Page):
    """Which credit notes."""

    account_id: str | None = None


@blueprint.get("/credit-notes")
@guard("billing", "read")
@endpoint("List credit notes", query=NotesPage, answers="credit_note", many=True)
def list_notes(query: NotesPage) -> Response:
    """The newest first, without their lines."""
    chosen = _notes()
    if query.account_id is not None:
        chosen = chosen.where(Invoice.account_id == get_account(query.account_id).id)
    rows, cursor = paginate(chosen, query, (Invoice.id,))
    return success([_note(row, with_lines=False) for row in rows], next_cursor=cursor)


@blueprint.get("/credit-notes/<uuid:note_id>")
@guard("billing", "read")
@endpoint("Read a credit note", answers="credit_note")
def read_note(note_id: UUID) -> Response:
    """With its lines, the invoice it takes back from, and the reason."""
    return success(_note(_get(note_id)))


@blueprint.get("/credit-notes/<uuid:note_id>/pdf")
@guard("billing", "read")
@endpoint("Download a credit note", media=PDF)
def download_note(note_id: UUID) -> Response:
    """The PDF, the same bytes each time."""
    return pdf_of(lambda: _get(note_id))


@blueprint.get("/invoices/<uuid:invoice_id>/credit-notes")
@guard("billing", "read")
@endpoint("List the credit notes of an invoice", query=Page, answers="credit_note", many=True)
def list_notes_of_invoice(invoice_id: UUID, query: Page) -> Response:
    """The newest first."""
    chosen = _notes().where(Invoice.original_id == _invoice(invoice_id).id)
    rows, cursor = paginate(chosen, query, (Invoice.id,))
    return success([_note(row, with_lines=False) for row in rows], next_cursor=cursor)


@blueprint.post("/invoices/<uuid:invoice_id>/credit-notes")
@guard("billing", "write", needs_recent_sign_in=True)
@idempotent
@endpoint("Issue a credit note", body=NewNote, answers="credit_note", status=201)
def issue_note(invoice_id: UUID, body: NewNote) -> Response:
    """It bears the taxes of the lines in proportion, and together the notes of an invoice never exceed it.
    After 30 November of the year after the supply it takes back no tax (`commercial`)."""
    invoice = _invoice(invoice_id)
    need_staff("Crediting")
    made = credit_notes.issue(
        invoice,
        lines=body.lines,
        amount=amount_of(body.amount),
        reason=body.reason,
        refund_to=body.refund_to,
        at=clock.now(),
        actor=current_actor(),
    )
    return success(_note(made), 201)


@blueprint.post("/invoices/<uuid:invoice_id>/void")
@guard("billing", "write", needs_recent_sign_in=True)
@idempotent
@endpoint("Cancel an invoice", body=Void, answers="credit_note", status=201)
def void_invoice(invoice_id: UUID, body: Void) -> Response:
    """By a credit note over all that is left of it. With `rebill` its usage, fees, coupons and credits are
    given back, and the next invoice bills them again."""
    invoice = _invoice(invoice_id)
    need_staff("Cancelling")
    made = credit_notes.void(
        invoice,
        reason=body.reason,
        rebill=body.rebill,
        refund_to=body.refund_to,
        at=clock.now(),
        actor=current_actor(),
    )
    return success(_note(made), 201)


def _notes() -> Select[Any]:
    query = limit_to_caller(select(Invoice), Invoice.account_id)
    return query.where(Invoice.kind == InvoiceKind.credit_note).options(joinedload(Invoice.original))


def _get(note_id: UUID) -> Invoice:
    chosen = _notes().where(Invoice.id == note_id).options(selectinload(Invoice.lines))
    row: Invoice | None = db.session.scalar(chosen)
    if row is None:
        raise NotFound("There is no such credit note.")
    return row


def _invoice(invoice_id: UUID) -> Invoice:
    query = limit_to_caller(select(Invoice), Invoice.account_id).where(Invoice.id == invoice_id)
    if current_actor().role is Role.customer:
        query = query.where(Invoice.status.not_in(UNNUMBERED))
    row: Invoice | None = db.session.scalar(query)
    if row is None:
        raise NotFound("There is no such invoice.")
    return row


def _note(row: Invoice, *, with_lines: bool = True) -> dict[str, Any]:
    content = row.snapshot or {}
    attributes = {
        "number": row.number,
        "account_id": str(row.account_id),
        "invoice_number": row.original.number if row.original else None,
        "issued_on": row.issued_on.isoformat() if row.issued_on else None,
        "currency": row.currency,
        "reason": content.get("reason"),
        "commercial": content.get("commercial"),
        "taxes": row.taxes,
    }
    for name in ("subtotal", "tax_total", "round_off", "total"):
        attributes[name] = decimal_text(getattr(row, name), row.currency)
    if with_lines:
        attributes["lines"] = serializers.invoice(row)["attributes"]["lines"]
    links = {"account": related("account", row.account_id), "invoice": related("invoice", row.original_id)}
    return resource("credit_note", row.id, attributes, links)
