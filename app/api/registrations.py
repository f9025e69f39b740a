"""The seller's registrations and their letters of undertaking (docs/ops/tax.md)."""

from datetime import date
from typing import Annotated, Any
from uuid import UUID

from flask import Blueprint, Response
from sqlalchemy import select

from app.api.body import UNSET, Body, Meta, Page, Text, UnsetType, given
from app.api.endpoint import endpoint
from app.api.envelope import paginate, related, resource, success
from app.api.guards import current_actor, guard
from app.api.idempotency import idempotent
from app.api.serializers import need_staff
from app.db import db
from app.errors import NotFound
from app.models import LetterOfUndertaking, SellerRegistration
from app.services import registrations

blueprint = Blueprint("registrations", __name__)

WHAT = "Registrations of the seller"
Gstin = Annotated[str, Meta(max_length=20, description="15 characters with a right check character")]
Prefix = Annotated[str, Meta(max_length=4, description="Starts its numbers; no other registration's")]
Year = Annotated[str, Meta(pattern=r"^\d{4}-\d{2}$", description="A financial year: 2026-27")]


class NewRegistration(Body):
    """A registration of the seller. Its State is that of the GSTIN."""

    legal_name: Text
    gstin: Gstin
    address_line1: Text
    city: Text
    postal_code: Text
    series_prefix: Prefix
    valid_from: date
    state_code: str | UnsetType = UNSET
    address_line2: str | UnsetType | None = UNSET
    is_default: bool | UnsetType = UNSET
    valid_until: date | UnsetType | None = UNSET
    bank_details: str | UnsetType | None = UNSET


class RegistrationChange(Body):
    """What is to be changed; GSTIN and prefix stay once documents were issued."""

    legal_name: Text | UnsetType = UNSET
    gstin: Gstin | UnsetType = UNSET
    state_code: str | UnsetType = UNSET
    address_line1: Text | UnsetType = UNSET
    address_line2: str | UnsetType | None = UNSET
    city: Text | UnsetType = UNSET
    postal_code: Text | UnsetType = UNSET
    series_prefix: Prefix | UnsetType = UNSET
    is_default: bool | UnsetType = UNSET
    valid_from: date | UnsetType = UNSET
    valid_until: date | UnsetType | None = UNSET
    bank_details: str | UnsetType | None = UNSET


class NewLetter(Body):
    """A letter of undertaking; without days it holds for its whole financial year."""

    financial_year: Year
    number: Annotated[str, Meta(min_length=1, max_length=50, description="Its reference number (ARN)")]
    valid_from: date | UnsetType = UNSET
    valid_until: date | UnsetType = UNSET


class LetterChange(Body):
    """Number and days, within its financial year."""

    number: Annotated[str, Meta(min_length=1, max_length=50)] | UnsetType = UNSET
    valid_from: date | UnsetType = UNSET
    valid_until: date | UnsetType = UNSET


@blueprint.get("/admin/registrations")
@guard("settings", "read")
@endpoint("List the seller's registrations", query=Page, answers="registration", many=True)
def list_registrations(query: Page) -> Response:
    """The newest first, with their letters of undertaking."""
    need_staff(WHAT)
    rows, cursor = paginate(select(SellerRegistration), query, (SellerRegistration.id,))
    return success([_registration(row) for row in rows], next_cursor=cursor)


@blueprint.post("/admin/registrations")
@guard("settings", "write")
@idempotent
@endpoint("Enter a registration", body=NewRegistration, answers="registration", status=201)
def enter_registration(body: NewRegistration) -> Response:
    """Refused: a GSTIN with a wrong check character, of another State, or entered already; a prefix whose
    numbers another registration could give as well.
    """
    need_staff(WHAT)
    made = registrations.create(given(body), actor=current_actor())
    return success(_registration(made), 201)


@blueprint.get("/admin/registrations/<uuid:registration_id>")
@guard("settings", "read")
@endpoint("Read a registration", answers="registration")
def read_registration(registration_id: UUID) -> Response:
    """With its letters of undertaking."""
    need_staff(WHAT)
    return success(_registration(registrations.get(registration_id)))


@blueprint.patch("/admin/registrations/<uuid:registration_id>")
@guard("settings", "write")
@idempotent
@endpoint("Change a registration", body=RegistrationChange, answers="registration")
def change_registration(registration_id: UUID, body: RegistrationChange) -> Response:
    """Issued documents keep what they say. 409 `frozen`: GSTIN or prefix once documents were issued."""
    need_staff(WHAT)
    row = registrations.get(registration_id)
    return success(_registration(registrations.change(row, given(body), actor=current_actor())))


@blueprint.post("/admin/registrations/<uuid:registration_id>/letters")
@guard("settings", "write")
@idempotent
@endpoint("Enter a letter of undertaking", body=NewLetter, answers="letter_of_undertaking", status=201)
def enter_letter(registration_id: UUID, body: NewLetter) -> Response:
    """Exports and supplies to Special Economic Zones on its days then bear no tax."""
    need_staff(WHAT)
    row = registrations.get(registration_id)
    return success(_letter(registrations.add_letter(row, given(body), actor=current_actor())), 201)


@blueprint.patch("/admin/letters-of-undertaking/<uuid:letter_id>")
@guard("settings", "write")
@idempotent
@endpoint("Change a letter of undertaking", body=LetterChange, answers="letter_of_undertaking")
def change_letter(letter_id: UUID, body: LetterChange) -> Response:
    """Issued documents keep what they say."""
    need_staff(WHAT)
    row = db.session.get(LetterOfUndertaking, letter_id)
    if row is None:
        raise NotFound("There is no such letter.")
    return success(_letter(registrations.change_letter(row, given(body), actor=current_actor())))


def _registration(row: SellerRegistration) -> dict[str, Any]:
    names = (*registrations.READERS, "country")
    return resource(
        "registration",
        row.id,
        {
            **{name: getattr(row, name) for name in names},
            "letters": [_letter(one)["attributes"] | {"id": str(one.id)} for one in row.letters],
        },
    )


def _letter(row: LetterOfUndertaking) -> dict[str, Any]:
    names = ("financial_year", "number", "valid_from", "valid_until")
    of = {"registration": related("registration", row.registration_id)}
    return resource("letter_of_undertaking", row.id, {name: getattr(row, name) for name in names}, of)
