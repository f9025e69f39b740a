"""From charged lines to the figures of an invoice, the bytes of its snapshot, and what is still due."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any
from uuid import UUID

from app.domain.errors import RuleBroken
from app.domain.money import EXACT, add_up, plain, quantize, zero
from app.domain.periods import Period
from app.domain.pricing import Charge
from app.domain.tax import Supply, TaxPart, round_off, split_inclusive, tax_lines, tax_totals

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class Line:
    """A charge on an invoice before tax.

    `amount` is in whole minor units: the taxable value, or with `tax_inclusive` what is to be paid for the
    line. `tax_rate` is in percent. The rest says what it is for.
    """

    description: str
    amount: Decimal
    tax_rate: Decimal
    sac: str
    tax_inclusive: bool = False
    quantity: Decimal = Decimal(1)
    unit_price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class TaxedLine:
    """A line with its taxable value and its taxes."""

    line: Line
    taxable: Decimal
    taxes: tuple[TaxPart, ...]


@dataclass(frozen=True, slots=True)
class Totals:
    """The figures of a document: `subtotal + tax_total + round_off = total`, and `taxes` by code and rate."""

    lines: tuple[TaxedLine, ...]
    taxes: tuple[TaxPart, ...]
    subtotal: Decimal
    tax_total: Decimal
    round_off: Decimal
    total: Decimal


def line_amount(quantity: Decimal, unit_price: Decimal, currency: str) -> Decimal:
    """Return quantity × unit price, rounded once to the currency."""
    return quantize(EXACT.multiply(quantity, unit_price), currency)


def assess(lines: Sequence[Line], supply: Supply, currency: str, *, rounded: bool = True) -> Totals:
    """Return the figures of a document with these lines.

    Inclusive lines keep exactly what is to be paid for them; the others share one rounding per tax and rate
    (`tax_lines`). `rounded` adds the round-off to the rupee (or whole rupiah).

    Raises:
        RuleBroken: an amount with a fraction of a minor unit, a negative rate, or an unknown currency.
    """
    for n, line in enumerate(lines):
        if line.amount != quantize(line.amount, currency):
            raise RuleBroken(
                f"/lines/{n}/amount", "too_many_decimals", f"{plain(line.amount)} is no amount of {currency}."
            )
    exclusive = [line for line in lines if not line.tax_inclusive]
    carried = iter(tax_lines([(line.amount, line.tax_rate) for line in exclusive], supply, currency))
    taxed = tuple(
        TaxedLine(line, *split_inclusive(line.amount, line.tax_rate, supply, currency))
        if line.tax_inclusive
        else TaxedLine(line, quantize(line.amount, currency), next(carried))
        for line in lines
    )
    taxes = tax_totals(line.taxes for line in taxed)
    subtotal = add_up((line.taxable for line in taxed), currency)
    tax_total = add_up((part.amount for part in taxes), currency)
    whole = add_up((subtotal, tax_total), currency)
    rest = round_off(whole, currency) if rounded else zero(currency)
    return Totals(taxed, taxes, subtotal, tax_total, rest, add_up((whole, rest), currency))


def amount_due(total: Decimal, paid: Decimal) -> Decimal:
    """Return what is still to be paid, never below zero."""
    return max(EXACT.subtract(total, paid), zero_like(total))


def zero_like(amount: Decimal) -> Decimal:
    """Return zero with the decimals of `amount`."""
    return EXACT.subtract(amount, amount)


def settlement(total: Decimal, paid: Decimal, *, due_on: date, today: date) -> str:
    """Return the status of an issued invoice: `paid`, `overdue`, `partially_paid` or still `issued`."""
    if paid >= total:
        return "paid"
    if today > due_on:
        return "overdue"
    return "partially_paid" if paid > 0 else "issued"


def day(on: date) -> str:
    """Return a day as documents write it: `1 Oct 2026`."""
    return f"{on.day} {MONTHS[on.month - 1]} {on.year}"


def describe(name: str, period: Period) -> str:
    """Return the description of a line for a component and period: `SMS messages, 1 Oct 2026 to 31 Oct
    2026`."""
    return f"{name}, {day(period.start_on)} to {day(period.last_on)}"


def unit_price(charge: Charge) -> Decimal | None:
    """Return the price per unit where all units have the same one and nothing else is charged.

    Else None, and the breakdown tells: quantity × unit price would not be the amount of the line.
    """
    if len(charge.breakdown) != 1:
        return None
    row = charge.breakdown[0]
    return row.unit if row.kind in {"tier", "units"} and not row.flat else None


def canonical_json(value: Any) -> bytes:
    """Return the one spelling of a value as UTF-8 JSON: the same content, the same bytes, always.

    Keys are sorted, decimals are strings without trailing zeros, instants are in UTC and end in `Z`.

    Raises:
        TypeError: a float (not exact), a key that is no string, or a type that has no canonical spelling.
        ValueError: a naive instant.
    """
    text = json.dumps(
        _canonical(value), ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
    )
    return text.encode()


def _canonical(value: Any) -> Any:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("An instant needs a time zone.")
        return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    if isinstance(value, date | UUID):
        return str(value)
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise TypeError("Canonical JSON needs strings as keys.")
        return {str(key): _canonical(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(one) for one in value]
    raise TypeError(f"A {type(value).__name__} has no canonical JSON.")


def sha256_hex(content: bytes) -> str:
    """Return the SHA-256 of some bytes in lower-case hexadecimal."""
    return sha256(content).hexdigest()
