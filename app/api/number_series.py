"""The series of document numbers (CGST Rule 46(b)): what each has given, and its prefix before the first."""

from typing import Annotated, Any
from uuid import UUID

from flask import Blueprint, Response
from sqlalchemy import select

from app.api.body import Body, Meta, Page
from app.api.endpoint import endpoint
from app.api.envelope import paginate, related, resource, success
from app.api.guards import current_actor, guard
from app.api.idempotency import idempotent
from app.api.serializers import need_staff
from app.db import db
from app.errors import NotFound
from app.models import InvoiceSeries, SellerRegistration
from app.services import number_series

blueprint = Blueprint("number_series", __name__)

Prefix = Annotated[str, Meta(max_length=5, description="1 to 5 of A-Z, 0-9, - and /: INV")]


class NewSeries(Body):
    """A series with a prefix of its own, before its first number."""

    registration_id: Annotated[str, Meta(description="The registration of the seller")]
    kind: Annotated[str, Meta(description="`tax_invoice`, `export_invoice`, `credit_note`, …")]
    financial_year: Annotated[str, Meta(pattern=r"^\d{4}-\d{2}$", description="2026-27")]
    prefix: Prefix


class NewPrefix(Body):
    """Another prefix."""

    prefix: Prefix


@blueprint.get("/admin/number-series")
@guard("billing", "read")
@endpoint("List number series", query=Page, answers="number_series", many=True)
def list_series(query: Page) -> Response:
    """`issued` counts the documents that carry a number of the series, `gaps` the numbers on none: 0."""
    need_staff("Number series")
    rows, cursor = paginate(select(InvoiceSeries), query, (InvoiceSeries.id,))
    return success([_told(row) for row in rows], next_cursor=cursor)


@blueprint.post("/admin/number-series")
@guard("billing", "write")
@idempotent
@endpoint("Open a number series", body=NewSeries, answers="number_series", status=201)
def open_series(body: NewSeries) -> Response:
    """Needed only for a prefix of its own: a series begins by itself. 409 where it is there already."""
    need_staff("Number series")
    values = {"kind": body.kind, "financial_year": body.financial_year, "prefix": body.prefix}
    registration = _registration(body.registration_id)
    made = number_series.open_series({**values, "registration": registration}, actor=current_actor())
    return success(_told(made), 201)


@blueprint.patch("/admin/number-series/<uuid:series_id>")
@guard("billing", "write")
@idempotent
@endpoint("Change the prefix of a number series", body=NewPrefix, answers="number_series")
def change_series(series_id: UUID, body: NewPrefix) -> Response:
    """409 once it has given a number."""
    need_staff("Number series")
    row = number_series.get(series_id)
    number_series.change_prefix(row, {"prefix": body.prefix}, actor=current_actor())
    return success(_told(row))


def _registration(named: str) -> SellerRegistration:
    try:
        found = db.session.get(SellerRegistration, UUID(named))
    except ValueError:
        found = None
    if found is None:
        raise NotFound("There is no such registration.")
    return found


def _told(row: InvoiceSeries) -> dict[str, Any]:
    counted = select(number_series.issued(), number_series.gaps()).where(InvoiceSeries.id == row.id)
    issued, gaps = db.session.execute(counted).one()
    attributes = {
        "kind": row.kind,
        "financial_year": row.financial_year,
        "prefix": row.prefix,
        "last_number": row.last_number,
        "issued": issued,
        "gaps": gaps,
    }
    links = {"registration": related("seller_registration", row.registration_id)}
    return resource("number_series", row.id, attributes, links)
