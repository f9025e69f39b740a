"""What other currencies are in rupees, as people entered it: the equivalent that Indian returns ask for (CGST
Rule 34)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import select

from app.db import db
from app.domain.errors import RuleBroken
from app.domain.invoicing import day
from app.domain.money import ROUNDING, parse_decimal, plain, quantize
from app.errors import Conflict, Invalid
from app.models import ExchangeRate, Invoice
from app.permissions import Actor
from app.services import audit, inputs
from app.services.inputs import optional, text

RUPEES = "INR"
NOTHING = Decimal(0)
HIGHEST = Decimal(1_000_000)
PLACES = 8


@dataclass(frozen=True, slots=True)
class Rate:
    """Rupees for one unit of a currency, since when, and who published it."""

    currency: str
    rate: Decimal
    valid_from: date
    source: str

    def rupees(self, amount: Decimal) -> Decimal:
        """Return an amount of the currency in rupees, rounded half up to the paisa."""
        return quantize(ROUNDING.multiply(amount, self.rate), RUPEES)


def find(currency: str, on: date) -> Rate | None:
    """Return the rate that holds on a day: the latest that has begun, unless it has ended."""
    query = (
        select(ExchangeRate)
        .where(ExchangeRate.currency == currency, ExchangeRate.valid_from <= on)
        .order_by(ExchangeRate.valid_from.desc())
        .limit(1)
    )
    row = db.session.scalar(query)
    if row is None or (row.valid_until is not None and row.valid_until < on):
        return None
    return Rate(row.currency, row.rate, row.valid_from, row.source)


def objection(currency: str, rate: Rate | None, on: date) -> str | None:
    """Return why a document of a currency cannot be issued on a day, in words for who can mend it."""
    if currency == RUPEES or rate is not None:
        return None
    return (
        f"No exchange rate of {currency} is entered for {day(on)}. Enter it under Settings, Exchange rates, "
        "and issue the invoice again."
    )


def equivalent(invoice: Invoice, rate: Rate) -> dict[str, Any]:
    """Return the figures of an invoice in rupees, for its snapshot: every tax and sum rounded by itself, the
    total the sum of them."""
    taxes = [
        {
            **tax,
            "taxable": str(rate.rupees(Decimal(tax["taxable"]))),
            "amount": str(rate.rupees(Decimal(tax["amount"]))),
        }
        for tax in invoice.taxes
    ]
    subtotal, round_off = rate.rupees(invoice.subtotal), rate.rupees(invoice.round_off)
    tax_total = sum((Decimal(tax["amount"]) for tax in taxes), NOTHING)
    return {
        "rate": plain(rate.rate),
        "valid_from": rate.valid_from.isoformat(),
        "source": rate.source,
        "taxes": taxes,
        "subtotal": str(subtotal),
        "tax_total": str(quantize(tax_total, RUPEES)),
        "round_off": str(round_off),
        "total": str(quantize(subtotal + tax_total + round_off, RUPEES)),
    }


def _foreign(value: Any, pointer: str) -> str:
    found = str(inputs.currency(value, pointer))
    if found == RUPEES:
        raise RuleBroken(pointer, "not_foreign", "Rupees need no rate.")
    return found


def _a_rate(value: Any, pointer: str) -> Decimal:
    rate = parse_decimal(value, pointer=pointer, minimum=NOTHING)
    exponent = rate.as_tuple().exponent
    if not NOTHING < rate <= HIGHEST or (isinstance(exponent, int) and -exponent > PLACES):
        message = f"Rupees for one unit: above 0, at most {HIGHEST}, with at most {PLACES} decimals."
        raise RuleBroken(pointer, "out_of_range", message)
    return rate


READERS: dict[str, inputs.Reader] = {
    "currency": _foreign,
    "rate": _a_rate,
    "valid_from": inputs.a_day,
    "valid_until": optional(inputs.a_day),
    "source": text(200),
}


def create(values: Mapping[str, Any], *, actor: Actor) -> ExchangeRate:
    """Enter a rate: `{"currency", "rate", "valid_from", "valid_until"?, "source"}`.

    Raises:
        Invalid: with the field that cannot be used; it ends before it begins.
        Conflict: there is a rate of this currency from this day.
    """
    found = inputs.read(values, READERS, required=("currency", "rate", "valid_from", "source"))
    check_dates(found)
    taken = select(ExchangeRate.id).where(
        ExchangeRate.currency == found["currency"], ExchangeRate.valid_from == found["valid_from"]
    )
    if db.session.scalar(taken) is not None:
        message = f"There is a rate of {found['currency']} from {day(found['valid_from'])} on."
        raise Conflict.at("/valid_from", message, code="taken")
    made = ExchangeRate(**found)
    db.session.add(made)
    audit.record(actor, "exchange_rate.entered", made, summary=f"{made} was entered", after=found)
    return made


def update(row: ExchangeRate, values: Mapping[str, Any], *, actor: Actor) -> ExchangeRate:
    """Correct a rate; issued documents keep the rate that they say.

    Raises:
        Invalid: as `create` says; the currency and the first day stay.
    """
    found = inputs.read(
        values, {name: READERS[name] for name in READERS if name not in {"currency", "valid_from"}}
    )
    check_dates({"valid_from": row.valid_from, "valid_until": row.valid_until, **found})
    for name, value in found.items():
        setattr(row, name, value)
    before, after = audit.changes(row)
    if after:
        summary = f"{row} was corrected"
        audit.record(actor, "exchange_rate.corrected", row, summary=summary, before=before, after=after)
    return row


def check_dates(values: Mapping[str, Any]) -> None:
    """Return if what is read ends on or after its first day, or not at all.

    Raises:
        Invalid: it ends before it begins.
    """
    until = values.get("valid_until")
    if until is not None and until < values["valid_from"]:
        raise Invalid.at("/valid_until", "It ends before it begins.", code="before_start")
