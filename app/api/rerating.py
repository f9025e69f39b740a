"""Re-rating of invoices: as billed and as it comes to now (docs/api/simulations.md)."""

from uuid import UUID

import msgspec
from flask import Blueprint, Response

from app import clock
from app.api.endpoint import endpoint
from app.api.envelope import resource, success
from app.api.guards import current_actor, guard
from app.api.idempotency import idempotent
from app.api.serializers import need_staff
from app.services import invoices, rerating

blueprint = Blueprint("rerating", __name__)


@blueprint.post("/invoices/<uuid:invoice_id>/rerate")
@guard("billing", "read")
@idempotent
@endpoint("Re-rate an invoice", answers="rerating")
def rerate(invoice_id: UUID) -> Response:
    """Each line from the usage as it is counted now and the frozen prices, beside what was billed, before
    tax. The invoice stays as it is. `sha256` is that of `document` as canonical JSON: the same inputs, the
    same bytes.
    """
    need_staff("Re-rating")
    invoice = invoices.get(invoice_id)
    found = rerating.rerate(invoice)
    rerating.note(invoice, found, at=clock.now(), actor=current_actor())
    attributes = {"document": msgspec.json.decode(found.content), "sha256": found.sha256}
    return success(resource("rerating", invoice_id, attributes))
