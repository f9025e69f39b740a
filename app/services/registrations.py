"""The seller's GST registrations and their letters of undertaking: what may be entered, and what stays once a
document was issued (docs/ops/tax.md)."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import exists, select, update

from app.config import current_settings
from app.db import db
from app.domain.errors import RuleBroken
from app.domain.gstin import state_of, validate
from app.domain.numbering import FinancialYear, check_prefix, financial_year
from app.errors import Conflict, Frozen, Invalid, NotFound
from app.models import InvoiceSeries, LetterOfUndertaking, SellerRegistration
from app.permissions import Actor
from app.services import audit, inputs
from app.services.inputs import a_day, optional, text
from app.services.numbers import SUFFIXES

LONGEST_PREFIX = 4
# Issued documents carry these.
FROZEN_ONCE_USED = ("gstin", "state_code", "series_prefix")


def a_gstin(value: Any, pointer: str) -> str:
    """Return a GSTIN in upper case with a right check character; in a sandbox any test number will do."""
    return validate(value, accept_test=current_settings().accept_test_gstins, pointer=pointer)


def a_prefix(value: Any, pointer: str) -> str:
    """Return a prefix that every kind of document can put its own letter after."""
    prefix = check_prefix(value.strip().upper() if isinstance(value, str) else "", pointer=pointer)
    if len(prefix) > LONGEST_PREFIX:
        message = f"At most {LONGEST_PREFIX} characters: kinds of documents add a letter of their own."
        raise RuleBroken(pointer, "too_long", message)
    return prefix


READERS: dict[str, inputs.Reader] = {
    "legal_name": text(300),
    "gstin": a_gstin,
    "state_code": optional(text(2)),
    "address_line1": text(300),
    "address_line2": optional(text(300)),
    "city": text(100),
    "postal_code": text(20),
    "series_prefix": a_prefix,
    "is_default": inputs.yes_or_no,
    "valid_from": a_day,
    "valid_until": optional(a_day),
    "bank_details": optional(text(1000)),
}
REQUIRED = ("legal_name", "gstin", "address_line1", "city", "postal_code", "series_prefix", "valid_from")
LETTER_READERS: dict[str, inputs.Reader] = {
    "financial_year": text(7),
    "number": text(50),
    "valid_from": optional(a_day),
    "valid_until": optional(a_day),
}


def create(values: Mapping[str, Any], *, actor: Actor) -> SellerRegistration:
    """Enter a registration. Its State is that of the GSTIN; a State that is given must be the same.

    Raises:
        Invalid: with every field that cannot be used: a GSTIN with a wrong check character, a prefix whose
            numbers another registration could give as well, an end before the beginning.
        Conflict: the GSTIN is registered already.
    """
    found = inputs.read(values, READERS, required=REQUIRED)
    row = SellerRegistration(**{"country": "IN", **_checked(found, None)})
    db.session.add(row)
    db.session.flush()
    _keep_one_default(row)
    audit.record(actor, "seller.registered", row, summary=f"{row} was entered", after=found)
    return row


def change(row: SellerRegistration, values: Mapping[str, Any], *, actor: Actor) -> SellerRegistration:
    """Change a registration; issued documents keep what they say.

    Raises:
        Invalid, Conflict: as `create` says.
        Frozen: the GSTIN, State or prefix of a registration that has issued documents.
    """
    found = inputs.read(values, READERS)
    with db.session.no_autoflush:
        for name, value in _checked(found, row).items():
            setattr(row, name, value)
        before, after = audit.changes(row)
        fixed = [name for name in FROZEN_ONCE_USED if name in after]
        if fixed and _has_issued(row.id):
            message = "Documents were issued with it, so it stays. Enter another registration instead."
            db.session.refresh(row)
            raise Frozen.at(f"/{fixed[0]}", message)
    if after:
        db.session.flush()
        _keep_one_default(row)
        summary = f"{row} was changed"
        audit.record(actor, "seller.changed", row, summary=summary, before=before, after=after)
    return row


def get(registration_id: UUID) -> SellerRegistration:
    """Return a registration.

    Raises:
        NotFound: there is none.
    """
    row = db.session.get(SellerRegistration, registration_id)
    if row is None:
        raise NotFound("There is no such registration.")
    return row


def a_registration(value: Any, pointer: str) -> UUID:
    """Return the id of a registration that exists, from it or its text."""
    found = inputs.identifier(value, pointer)
    if not db.session.scalar(select(exists().where(SellerRegistration.id == found))):
        raise RuleBroken(pointer, "unknown_registration", "There is no such registration.")
    return found


def add_letter(
    registration: SellerRegistration, values: Mapping[str, Any], *, actor: Actor
) -> LetterOfUndertaking:
    """Enter a letter of undertaking: `{"financial_year", "number", "valid_from"?, "valid_until"?}`, without
    dates for the whole financial year (CGST Rule 96A).

    Raises:
        Invalid: no financial year, or days outside of it.
        Conflict: there is a letter for that year.
    """
    found = inputs.read(values, LETTER_READERS, required=("financial_year", "number"))
    year = _year(found["financial_year"])
    taken = select(LetterOfUndertaking.id).where(
        LetterOfUndertaking.registration_id == registration.id,
        LetterOfUndertaking.financial_year == year.label,
    )
    if db.session.scalar(taken) is not None:
        message = f"There is a letter for {year.label}: change that one."
        raise Conflict.at("/financial_year", message, code="taken")
    days = {"valid_from": year.first_on, "valid_until": year.last_on}
    row = LetterOfUndertaking(
        registration=registration,
        **{**days, **{name: value for name, value in found.items() if value is not None}},
    )
    _check_days(row, year)
    db.session.add(row)
    summary = f"The letter of undertaking {row} was entered"
    audit.record(actor, "letter.entered", row, summary=summary, after=found)
    return row


def change_letter(
    row: LetterOfUndertaking, values: Mapping[str, Any], *, actor: Actor
) -> LetterOfUndertaking:
    """Change number and days of a letter; issued documents keep what they say.

    Raises:
        Invalid: days outside of its financial year.
    """
    readers = {
        "number": LETTER_READERS["number"],
        "valid_from": a_day,
        "valid_until": a_day,
    }
    found = inputs.read(values, readers)
    with db.session.no_autoflush:
        for name, value in found.items():
            setattr(row, name, value)
        before, after = audit.changes(row)
        _check_days(row, _year(row.financial_year))
    if after:
        summary = f"The letter of undertaking {row} was changed"
        audit.record(actor, "letter.changed", row, summary=summary, before=before, after=after)
    return row


def _checked(found: dict[str, Any], row: SellerRegistration | None) -> dict[str, Any]:
    """Return what is to be stored, the State derived.

    Raises:
        Invalid: fields contradict each other, or another registration.
        Conflict: the GSTIN is registered already.
    """
    merged = {**({name: getattr(row, name) for name in READERS} if row else {}), **found}
    own_id = row.id if row else None
    state = found.get("state_code")
    if state is not None and state != state_of(merged["gstin"]):
        message = f"The GSTIN is registered in State {state_of(merged['gstin'])}, not in {state}."
        raise Invalid.at("/state_code", message, code="mismatch")
    until: date | None = merged.get("valid_until")
    if until is not None and until < merged["valid_from"]:
        raise Invalid.at("/valid_until", "It ends before it begins.", code="before_start")
    others = select(SellerRegistration.gstin, SellerRegistration.series_prefix)
    for other in db.session.execute(others.where(SellerRegistration.id != own_id) if row else others):
        if other.gstin == merged["gstin"]:
            raise Conflict.at("/gstin", "This GSTIN is registered already.", code="taken")
        shared = set(_prefixes(other.series_prefix)) & set(_prefixes(merged["series_prefix"]))
        if shared:
            message = f"{other.gstin} gives numbers that start with {min(shared)} as well."
            raise Invalid.at("/series_prefix", message, code="overlaps")
    return {**found, "state_code": state_of(merged["gstin"])}


def _prefixes(prefix: str) -> Iterable[str]:
    return (prefix + suffix for suffix in SUFFIXES.values())


def _has_issued(registration_id: UUID) -> bool:
    query = exists().where(InvoiceSeries.registration_id == registration_id)
    return bool(db.session.scalar(select(query)))


def _keep_one_default(row: SellerRegistration) -> None:
    if row.is_default:
        others = update(SellerRegistration).where(SellerRegistration.id != row.id)
        db.session.execute(others.where(SellerRegistration.is_default).values(is_default=False))


def _year(label: str) -> FinancialYear:
    starts = label[:4]
    year = FinancialYear(int(starts)) if starts.isascii() and starts.isdigit() else None
    if year is None or year.label != label:
        raise Invalid.at("/financial_year", "Write a financial year as 2026-27.", code="bad_year")
    return year


def _check_days(row: LetterOfUndertaking, year: FinancialYear) -> None:
    for name in ("valid_from", "valid_until"):
        if financial_year(getattr(row, name)) != year:
            message = f"A letter holds within its financial year, {year.first_on} to {year.last_on}."
            raise Invalid.at(f"/{name}", message, code="outside_of_year")
    if row.valid_until < row.valid_from:
        raise Invalid.at("/valid_until", "It ends before it begins.", code="before_start")
