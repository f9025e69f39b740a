"""Invoices: drafts, previews, issue, documents."""

from datetime import date, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from flask import Blueprint, Response
from sqlalchemy import Select, select
from sqlalchemy.orm import joinedload, selectinload

from app import clock
from app.api import serializers
from app.api.attachments import PDF, pdf_of
from app.api.body import Body, Meta, Page, Text, check_year
from app.api.endpoint import endpoint
from app.api.envelope import paginate, success
from app.api.guards import current_actor, get_account, guard, limit_to_caller
from app.api.idempotency import idempotent
from app.api.serializers import need_staff
from app.db import db
from app.domain.events import read_instant
from app.domain.periods import ONE_DAY, Period, day_start
from app.errors import Invalid, NotFound
from app.models import Invoice, InvoiceLine
from app.models.invoices import InvoiceStatus
from app.permissions import Role
from app.services import invoices
from app.services.charges import period_between

blueprint = Blueprint("invoices", __name__)

UNNUMBERED = (InvoiceStatus.draft, InvoiceStatus.parked)
LONGEST_PERIOD = timedelta(days=400)

Border = Annotated[
    str, Meta(description="A day in the account's zone, or an instant. The end is the first day after.")
]


class NewInvoice(Body):
    """An invoice to be drafted or looked at: all that is due by the end of the period, and lines of yours.

    An end on the last day of a month means that whole month.
    """

    account_id: Annotated[str, Meta(max_length=255, description="The account's id or external id.")]
    period_start: Border
    period_end: Border
    lines: Annotated[
        list[dict[str, Any]],
        Meta(max_length=200, description="description, quantity, unit_price, sac?, tax_inclusive?"),
    ] = []
    purchase_order: Text | None = None
    preview: Annotated[bool, Meta(description="Only show it; nothing is stored.")] = False


class ListQuery(Page):
    """Which invoices."""

    account_id: str | None = None
    status: str | None = None


@blueprint.get("/invoices")
@guard("billing", "read")
@endpoint("List invoices", query=ListQuery, answers="invoice", many=True)
def list_invoices(query: ListQuery) -> Response:
    """The newest first, without their lines."""
    chosen = _visible()
    if query.account_id is not None:
        chosen = chosen.where(Invoice.account_id == get_account(query.account_id).id)
    if query.status is not None:
        chosen = chosen.where(Invoice.status == _status(query.status))
    rows, cursor = paginate(chosen, query, (Invoice.id,))
    return success([serializers.invoice(row, with_lines=False) for row in rows], next_cursor=cursor)


@blueprint.post("/invoices")
@guard("billing", "write")
@idempotent
@endpoint("Draft or preview an invoice", body=NewInvoice, answers="invoice", status=201, also=(200,))
def draft_invoice(body: NewInvoice) -> Response:
    """409 where nothing was used and nothing is owed; then `data` of a preview is null."""
    need_staff("Making invoices")
    account = get_account(body.account_id)
    period = _period(body.period_start, body.period_end, account.timezone)
    if body.preview:
        shown = invoices.preview(account, period, serializers.invoice, at=clock.now(), lines=body.lines)
        return success(shown)
    made = invoices.draft_by_hand(
        account,
        period,
        lines=body.lines,
        purchase_order=body.purchase_order,
        at=clock.now(),
        actor=current_actor(),
    )
    return success(serializers.invoice(made), 201)


@blueprint.get("/invoices/<uuid:invoice_id>")
@guard("billing", "read")
@endpoint("Read an invoice", answers="invoice")
def read_invoice(invoice_id: UUID) -> Response:
    """With its lines, each with what explains it: version, component, tiers, and the hash of its usage."""
    return success(serializers.invoice(_get(invoice_id)))


@blueprint.post("/invoices/<uuid:invoice_id>/issue")
@guard("billing", "write")
@idempotent
@endpoint("Issue an invoice", answers="invoice")
def issue(invoice_id: UUID) -> Response:
    """It gets its number and never changes again. Look at `status`: a doubtful one is `parked` instead."""
    row = _get(invoice_id)
    need_staff("Issuing")
    return success(serializers.invoice(invoices.issue(row, at=clock.now(), actor=current_actor())))


@blueprint.get("/invoices/<uuid:invoice_id>/pdf")
@guard("billing", "read")
@endpoint("Download an invoice", media=PDF)
def download(invoice_id: UUID) -> Response:
    """The PDF, the same bytes each time. 409 for a draft."""
    return pdf_of(lambda: _get(invoice_id))


def _visible() -> Select[Any]:
    query = limit_to_caller(select(Invoice), Invoice.account_id)
    if current_actor().role is Role.customer:
        query = query.where(Invoice.status.not_in(UNNUMBERED))
    return query


def _get(invoice_id: UUID) -> Invoice:
    lines = selectinload(Invoice.lines)
    loaded = (
        lines.joinedload(InvoiceLine.component),
        lines.joinedload(InvoiceLine.version),
        joinedload(Invoice.account),
    )
    row: Invoice | None = db.session.scalar(_visible().where(Invoice.id == invoice_id).options(*loaded))
    if row is None:
        raise NotFound("There is no such invoice.")
    return row


def _status(text: str) -> InvoiceStatus:
    try:
        return InvoiceStatus(text)
    except ValueError:
        raise Invalid.at(
            "/status", f"Choose one of: {', '.join(InvoiceStatus)}.", code="unknown_choice"
        ) from None


def _period(start: str, end: str, zone_name: str) -> Period:
    """Return the half-open period between two borders.

    Raises:
        Invalid: a border that is no day or instant, an end that is not after the start, over 400 days.
    """
    first, last = _day(start, "/period_start"), _day(end, "/period_end")
    whole_month = first is not None and first.day == 1 and last is not None and (last + ONE_DAY).day == 1
    after = last + ONE_DAY if last is not None and whole_month else last
    starts_at = _instant(start, first, zone_name, "/period_start")
    ends_at = _instant(end, after, zone_name, "/period_end")
    if not starts_at < ends_at <= starts_at + LONGEST_PERIOD:
        message = f"The end must be after the start, at most {LONGEST_PERIOD.days} days."
        raise Invalid.at("/period_end", message, code="bad_period")
    return period_between(starts_at, ends_at, zone_name)


def _day(text: str, pointer: str) -> date | None:
    try:
        on = date.fromisoformat(text) if len(text) == 10 else None
    except ValueError:
        return None
    if on is not None:
        check_year(on.year, pointer=pointer)
    return on


def _instant(text: str, on: date | None, zone_name: str, pointer: str) -> datetime:
    if on is not None:
        return day_start(on, zone_name)
    at = read_instant(text, pointer=pointer)
    check_year(at.year, pointer=pointer)
    return at
