"""Tax rates by country, service code and date, and the countries besides India whose tax the seller collects:
tables that people keep."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from sqlalchemy import select

from app.db import db
from app.domain.errors import RuleBroken
from app.domain.money import parse_decimal
from app.domain.places import INDIA
from app.errors import Conflict
from app.models import TaxCollector, TaxRate
from app.permissions import Actor
from app.services import audit, inputs
from app.services.components import read_sac
from app.services.exchange_rates import check_dates
from app.services.inputs import a_day, optional, text
from app.services.taxes import EVERY_CODE

NOTHING, WHOLE = Decimal(0), Decimal(100)
PLACES = 3


def a_percentage(value: Any, pointer: str) -> Decimal:
    """Return a rate from 0 to 100 percent with at most three decimals."""
    rate = parse_decimal(value, pointer=pointer, minimum=NOTHING)
    exponent = rate.as_tuple().exponent
    if rate > WHOLE or (isinstance(exponent, int) and -exponent > PLACES):
        message = f"This value is not allowed here. Write 0 to 100 percent, at most {PLACES} decimals."
        raise RuleBroken(pointer, "out_of_range", message)
    return rate


def a_service_code(value: Any, pointer: str) -> str:
    """Return a service code, or * for every one without a row of its own."""
    given = value.strip() if isinstance(value, str) else value
    return EVERY_CODE if given == EVERY_CODE else read_sac(given, pointer)


def _a_country_abroad(value: Any, pointer: str) -> str:
    found = inputs.country(value, pointer)
    if found == INDIA:
        message = "India's tax is that of the registrations of the seller."
        raise RuleBroken(pointer, "not_abroad", message)
    return found


RATE_READERS: dict[str, inputs.Reader] = {
    "jurisdiction": inputs.country,
    "service_code": a_service_code,
    "rate": a_percentage,
    "valid_from": a_day,
}
COLLECTOR_READERS: dict[str, inputs.Reader] = {
    "country": _a_country_abroad,
    "tax_name": text(10),
    "number": text(50),
    "valid_from": a_day,
    "valid_until": optional(a_day),
}


def create_rate(values: Mapping[str, Any], *, actor: Actor) -> TaxRate:
    """Enter a rate: `{"jurisdiction"?, "service_code", "rate", "valid_from"}`, in India by default.

    Raises:
        Invalid: with the field that cannot be used.
        Conflict: there is a rate of this code from this day.
    """
    found = inputs.read(values, RATE_READERS, required=("service_code", "rate", "valid_from"))
    row = TaxRate(**{"jurisdiction": INDIA, **found})
    _check_rate_is_free(row)
    db.session.add(row)
    audit.record(actor, "tax_rate.entered", row, summary=f"{row} was entered", after=found)
    return row


def change_rate(row: TaxRate, values: Mapping[str, Any], *, actor: Actor) -> TaxRate:
    """Correct a rate; issued documents keep theirs. A new rate is a row of its own with its first day.

    Raises:
        Invalid, Conflict: as `create_rate` says.
    """
    found = inputs.read(values, RATE_READERS)
    with db.session.no_autoflush:
        for name, value in found.items():
            setattr(row, name, value)
        before, after = audit.changes(row)
        _check_rate_is_free(row)
    if after:
        summary = f"{row} was corrected"
        audit.record(actor, "tax_rate.corrected", row, summary=summary, before=before, after=after)
    return row


def create_collector(values: Mapping[str, Any], *, actor: Actor) -> TaxCollector:
    """Enter that the seller collects another country's tax: `{"country", "tax_name", "number", "valid_from",
    "valid_until"?}`. Its rates are the tax rates of that country.

    Raises:
        Invalid: with the field that cannot be used.
        Conflict: there is an entry of this country from this day.
    """
    required = ("country", "tax_name", "number", "valid_from")
    found = inputs.read(values, COLLECTOR_READERS, required=required)
    check_dates(found)
    taken = select(TaxCollector.id).where(
        TaxCollector.country == found["country"], TaxCollector.valid_from == found["valid_from"]
    )
    if db.session.scalar(taken) is not None:
        raise Conflict.at("/valid_from", "There is an entry of this country from this day.", code="taken")
    row = TaxCollector(**found)
    db.session.add(row)
    audit.record(actor, "tax_collector.entered", row, summary=f"{row} was entered", after=found)
    return row


def change_collector(row: TaxCollector, values: Mapping[str, Any], *, actor: Actor) -> TaxCollector:
    """Change the name of the tax, the number or the last day; country and first day stay.

    Raises:
        Invalid: with the field that cannot be used.
    """
    readers = {name: COLLECTOR_READERS[name] for name in ("tax_name", "number", "valid_until")}
    found = inputs.read(values, readers)
    check_dates({"valid_from": row.valid_from, "valid_until": row.valid_until, **found})
    for name, value in found.items():
        setattr(row, name, value)
    before, after = audit.changes(row)
    if after:
        summary = f"{row} was changed"
        audit.record(actor, "tax_collector.changed", row, summary=summary, before=before, after=after)
    return row


def _check_rate_is_free(row: TaxRate) -> None:
    query = select(TaxRate.id).where(
        TaxRate.jurisdiction == row.jurisdiction,
        TaxRate.service_code == row.service_code,
        TaxRate.valid_from == row.valid_from,
    )
    if row.id is not None:
        query = query.where(TaxRate.id != row.id)
    if db.session.scalar(query) is not None:
        raise Conflict.at("/valid_from", "This is already used by another tax rate.", code="taken")
