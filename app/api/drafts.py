"""Drafts of invoices: changed, released, thrown away; and what follows an invoice that nobody pays."""

from typing import Annotated, Any
from uuid import UUID

from flask import Blueprint, Response
from sqlalchemy import select

from app import clock
from app.api import serializers
from app.api.body import UNSET, Body, Meta, Text, UnsetType, given
from app.api.endpoint import endpoint
from app.api.envelope import success
from app.api.guards import current_actor, guard, limit_to_caller
from app.api.idempotency import idempotent
from app.api.serializers import need_staff
from app.db import db
from app.errors import NotFound
from app.models import Invoice
from app.services import drafts, dunning, invoices

blueprint = Blueprint("drafts", __name__)


class DraftChange(Body):
    """What is changed of a draft; its other lines are worked out anew."""

    lines: Annotated[
        list[dict[str, Any]] | UnsetType,
        Meta(description="All lines of yours: description, quantity, unit_price, sac?, tax_inclusive?"),
    ] = UNSET
    purchase_order: str | UnsetType | None = UNSET
    due_on: Annotated[
        str | UnsetType | None, Meta(description="A day; null: by the terms of the account.")
    ] = UNSET


class Why(Body):
    """The reason of a decision."""

    reason: Text


@blueprint.patch("/invoices/<uuid:invoice_id>")
@guard("billing", "write")
@idempotent
@endpoint("Change a draft", body=DraftChange, answers="invoice")
def change_draft(invoice_id: UUID, body: DraftChange) -> Response:
    """Its figures are worked out anew, as of now. 409 `frozen` once it is issued."""
    row = _get(invoice_id)
    need_staff("Changing drafts")
    changed = drafts.change(row, given(body), at=clock.now(), actor=current_actor())
    return success(serializers.invoice(changed))


@blueprint.post("/invoices/<uuid:invoice_id>/release")
@guard("billing", "write")
@idempotent
@endpoint("Release a parked invoice", body=Why, answers="invoice")
def release(invoice_id: UUID, body: Why) -> Response:
    """It is issued, with the reason why it is right. One that is wrong, and not only doubtful, is refused."""
    row = _get(invoice_id)
    need_staff("Releasing")
    released = drafts.release(row, reason=body.reason, at=clock.now(), actor=current_actor())
    return success(serializers.invoice(released))


@blueprint.post("/invoices/<uuid:invoice_id>/discard")
@guard("billing", "write")
@idempotent
@endpoint("Discard a draft", body=Why, answers="invoice")
def discard(invoice_id: UUID, body: Why) -> Response:
    """Nothing is lost: its usage and fees wait for the next invoice. The answer is the draft as it was."""
    row = _get(invoice_id)
    need_staff("Discarding drafts")
    shown = serializers.invoice(row)
    drafts.discard(row, reason=body.reason, at=clock.now(), actor=current_actor())
    return success(shown)


@blueprint.post("/invoices/<uuid:invoice_id>/write-off")
@guard("billing", "write")
@idempotent
@endpoint("Write an invoice off", body=Why, answers="invoice")
def write_off(invoice_id: UUID, body: Why) -> Response:
    """It is `uncollectible`: nobody is reminded of it, and a payment that comes after all is taken."""
    row = _get(invoice_id)
    need_staff("Writing off")
    given_up = invoices.write_off(row, reason=body.reason, at=clock.now(), actor=current_actor())
    return success(serializers.invoice(given_up))


@blueprint.post("/invoices/<uuid:invoice_id>/remind")
@guard("billing", "write")
@idempotent
@endpoint("Remind of an invoice", answers="invoice")
def remind(invoice_id: UUID) -> Response:
    """The customer is told now, beside the schedule of reminders."""
    row = _get(invoice_id)
    need_staff("Reminding")
    dunning.remind(row, at=clock.now(), actor=current_actor())
    return success(serializers.invoice(row))


def _get(invoice_id: UUID) -> Invoice:
    query = limit_to_caller(select(Invoice), Invoice.account_id).where(Invoice.id == invoice_id)
    row: Invoice | None = db.session.scalar(query)
    if row is None:
        raise NotFound("There is no such invoice.")
    return row
