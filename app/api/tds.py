"""Tax that payers kept of invoices, until its certificate has come."""

from datetime import date
from typing import Annotated, Any
from uuid import UUID

from flask import Blueprint, Response
from sqlalchemy import select

from app import clock
from app.api.body import Body, Meta, Page, Text
from app.api.endpoint import endpoint
from app.api.envelope import decimal_text, instant_text, paginate, related, resource, success
from app.api.guards import current_actor, guard
from app.api.idempotency import idempotent
from app.api.serializers import need_staff
from app.models import TdsReceivable
from app.models.tds import TdsStatus
from app.services import tds

blueprint = Blueprint("tds", __name__)


class ListQuery(Page):
    """Which receivables."""

    status: TdsStatus | None = None
    invoice_id: UUID | None = None


class Certificate(Body):
    """The paper that proves what was kept: Form 16A for income tax, GSTR-7A for GST."""

    certificate_number: Text
    certified_on: Annotated[date | None, Meta(description="Its day; today by default.")] = None


@blueprint.get("/tds-receivables")
@guard("payments", "read")
@endpoint("List what payers kept as TDS", query=ListQuery, answers="tds_receivable", many=True)
def list_receivables(query: ListQuery) -> Response:
    """The newest first. A payment of an invoice is recorded with it: `POST /payments`."""
    need_staff("Looking at TDS")
    chosen = select(TdsReceivable)
    if query.status is not None:
        chosen = chosen.where(TdsReceivable.status == query.status)
    if query.invoice_id is not None:
        chosen = chosen.where(TdsReceivable.invoice_id == query.invoice_id)
    rows, cursor = paginate(chosen, query, (TdsReceivable.id,))
    return success([_receivable(row) for row in rows], next_cursor=cursor)


@blueprint.get("/tds-receivables/<uuid:receivable_id>")
@guard("payments", "read")
@endpoint("Read what a payer kept as TDS", answers="tds_receivable")
def read_receivable(receivable_id: UUID) -> Response:
    """`expected` until the certificate has come, then `certified`."""
    need_staff("Looking at TDS")
    return success(_receivable(tds.get(receivable_id)))


@blueprint.post("/tds-receivables/<uuid:receivable_id>/certify")
@guard("payments", "write")
@idempotent
@endpoint("Note the certificate of TDS", body=Certificate, answers="tds_receivable")
def certify(receivable_id: UUID, body: Certificate) -> Response:
    """409 where its certificate came before."""
    need_staff("Noting a certificate")
    row = tds.certify(
        tds.get(receivable_id),
        certificate_number=body.certificate_number,
        certified_on=body.certified_on,
        at=clock.now(),
        actor=current_actor(),
    )
    return success(_receivable(row))


def _receivable(row: TdsReceivable) -> dict[str, Any]:
    attributes = {
        "kind": row.kind,
        "section": row.section,
        "rate": decimal_text(row.rate),
        "taxable": decimal_text(row.taxable, row.currency),
        "amount": decimal_text(row.amount, row.currency),
        "currency": row.currency,
        "status": row.status,
        "certificate_number": row.certificate_number,
        "certified_on": row.certified_on.isoformat() if row.certified_on else None,
        "created_at": instant_text(row.created_at),
    }
    relationships = {
        "invoice": related("invoice", row.invoice_id),
        "payment": related("payment", row.payment_id),
        "customer": related("customer", row.customer_id),
    }
    return resource("tds_receivable", row.id, attributes, relationships)
