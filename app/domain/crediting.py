"""Taking back what an invoice asked for, in whole or in part, until exactly nothing is left (CGST Rule 53,
s.34).

A credit note bears the taxes of the invoice's lines in proportion. Each part is what it moves the rounded
whole, so the last note takes the exact remainder, however often an invoice was credited before.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from app.domain.errors import RuleBroken
from app.domain.invoicing import zero_like
from app.domain.money import EXACT, ROUNDING, plain, quantize
from app.domain.numbering import financial_year
from app.domain.tax import TaxPart

NOTHING = Decimal(0)
LAST_MONTH, LAST_DAY = 11, 30


@dataclass(frozen=True, slots=True)
class Charged:
    """A line of an invoice, and what credit notes have taken back of it: of its taxable value, and of each of
    its taxes by code. A line below nothing, such as a discount, is taken back below nothing.
    """

    n: int
    taxable: Decimal
    taxes: tuple[TaxPart, ...]
    credited: Decimal = NOTHING
    credited_taxes: Mapping[str, Decimal] | None = None

    @property
    def left(self) -> Decimal:
        """What is left of the taxable value."""
        return EXACT.subtract(self.taxable, self.credited)

    def tax_left(self, part: TaxPart) -> Decimal:
        """Return what is left of one of the taxes."""
        return EXACT.subtract(part.amount, (self.credited_taxes or {}).get(part.code, NOTHING))

    @property
    def left_with_tax(self) -> Decimal:
        """What is left of the line and its taxes."""
        return EXACT.add(self.left, sum((self.tax_left(part) for part in self.taxes), NOTHING))


@dataclass(frozen=True, slots=True)
class Credited:
    """What a note takes back of a line: taxable value and taxes."""

    n: int
    taxable: Decimal
    taxes: tuple[TaxPart, ...]

    @property
    def amount(self) -> Decimal:
        """Taxable value and taxes."""
        return EXACT.add(self.taxable, sum((part.amount for part in self.taxes), NOTHING))


def last_day_of_tax(supplied_on: date) -> date:
    """Return the last day on which a credit note may take tax back: 30 November after the end of the Indian
    financial year of the supply (CGST Act s.34(2)).

    >>> last_day_of_tax(date(2026, 10, 31)), last_day_of_tax(date(2027, 4, 1))
    (datetime.date(2027, 11, 30), datetime.date(2028, 11, 30))
    """
    return date(financial_year(supplied_on).starts + 1, LAST_MONTH, LAST_DAY)


def credit_line(line: Charged, taxable: Decimal, currency: str, *, tax: bool = True) -> Credited:
    """Return what a note takes back of a line when it takes back so much of the taxable value.

    Raises:
        RuleBroken: more than is left of it, or nothing (at `/amount`).
    """
    if not NOTHING < taxable / line.left <= 1 if line.left else True:
        raise RuleBroken(
            "/amount", "too_large", f"Between nothing and {plain(line.left)} is left of line {line.n}."
        )
    until = EXACT.add(line.credited, taxable)
    return Credited(line.n, taxable, _taxes(line, until, line.taxable, taxable, currency) if tax else ())


def credit_rest(lines: Sequence[Charged], *, tax: bool = True) -> list[Credited]:
    """Return what takes back everything that is left of these lines, without those of which nothing is."""
    found = []
    for line in lines:
        taxes = tuple(
            TaxPart(part.code, part.rate, line.left, line.tax_left(part)) for part in line.taxes if tax
        )
        if line.left or any(part.amount for part in taxes):
            found.append(Credited(line.n, line.left, taxes))
    return found


def credit_amount(
    lines: Sequence[Charged], amount: Decimal, currency: str, *, tax: bool = True
) -> list[Credited]:
    """Return how an amount, with its taxes, spreads over what is left of these lines, in proportion; the
    parts add up to the amount. Without `tax` it spreads over the taxable values alone.

    Raises:
        RuleBroken: nothing, or more than is left (at `/amount`).
    """
    left = [line.left_with_tax if tax else line.left for line in lines]
    whole = sum(left, NOTHING)
    if not NOTHING < amount <= whole:
        raise RuleBroken("/amount", "too_large", f"At most {plain(whole)} {currency} is left to be credited.")
    found, running, taken = [], NOTHING, NOTHING
    for line, rest in zip(lines, left, strict=True):
        running = EXACT.add(running, rest)
        until = quantize(ROUNDING.divide(EXACT.multiply(amount, running), whole), currency)
        share, taken = EXACT.subtract(until, taken), until
        if share:
            found.append(_of_share(line, share, currency, tax))
    return found


def is_exhausted(lines: Sequence[Charged], parts: Sequence[Credited], *, tax: bool = True) -> bool:
    """Tell whether nothing is left of any line after these parts."""
    taken = {part.n: part.amount for part in parts}
    return all((line.left_with_tax if tax else line.left) == taken.get(line.n, NOTHING) for line in lines)


def _of_share(line: Charged, share: Decimal, currency: str, tax: bool) -> Credited:
    if not tax or not line.taxes:
        return Credited(line.n, share, ())
    gross = EXACT.add(line.taxable, sum((part.amount for part in line.taxes), NOTHING))
    before = EXACT.subtract(gross, line.left_with_tax)
    taxes = _taxes(line, EXACT.add(before, share), gross, zero_like(share), currency)
    taxable = EXACT.subtract(share, sum((part.amount for part in taxes), NOTHING))
    return Credited(
        line.n, taxable, tuple(TaxPart(part.code, part.rate, taxable, part.amount) for part in taxes)
    )


def _taxes(
    line: Charged, until: Decimal, whole: Decimal, taxable: Decimal, currency: str
) -> tuple[TaxPart, ...]:
    """Return what each tax moves when `until` of `whole` has been taken back."""
    found = []
    for part in line.taxes:
        wanted = quantize(ROUNDING.divide(EXACT.multiply(part.amount, until), whole), currency)
        before = EXACT.subtract(part.amount, line.tax_left(part))
        found.append(TaxPart(part.code, part.rate, taxable, EXACT.subtract(wanted, before)))
    return tuple(found)
