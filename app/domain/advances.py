"""Money received in advance, and what invoices and refunds take from it (CGST Rules 50, 51).

Whatever is taken carries its share of the tax that was collected, worked out from all that was taken so far.
So the shares never drift, and once the whole advance is taken all of its tax is.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from app.domain.money import EXACT, ROUNDING, quantize
from app.domain.tax import TaxPart

NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Advance:
    """An advance by its receipt voucher: what went into the wallet, the tax with it, and what was taken."""

    id: UUID
    taxable: Decimal
    taxes: tuple[TaxPart, ...]
    taken: Decimal
    currency: str

    @property
    def open(self) -> Decimal:
        """What nobody has taken yet, without tax."""
        return self.taxable - self.taken


@dataclass(frozen=True, slots=True)
class Taking:
    """A part of an advance, without tax, and the tax that goes with it."""

    id: UUID
    taxable: Decimal
    taxes: tuple[TaxPart, ...]

    @property
    def tax(self) -> Decimal:
        """All taxes together."""
        return sum((part.amount for part in self.taxes), NOTHING)


def take(advances: Iterable[Advance], amount: Decimal) -> list[Taking]:
    """Return what is taken of each advance, in their order, until `amount` is reached or nothing is left.

    ₹250 of an advance of 1,000 with 90 + 90 of tax takes 22.50 + 22.50 along.
    """
    left, found = amount, []
    for advance in advances:
        taken = min(left, advance.open)
        if taken > 0:
            found.append(Taking(advance.id, taken, _share(advance, taken)))
            left -= taken
    return found


def taken_in_all(takings: Sequence[Taking]) -> tuple[Decimal, Decimal]:
    """Return the taxable value and the tax of some takings."""
    taxable = sum((each.taxable for each in takings), NOTHING)
    return taxable, sum((each.tax for each in takings), NOTHING)


def _share(advance: Advance, taken: Decimal) -> tuple[TaxPart, ...]:
    def until(part: TaxPart, reached: Decimal) -> Decimal:
        exact = ROUNDING.divide(EXACT.multiply(part.amount, reached), advance.taxable)
        return quantize(exact, advance.currency)

    after = advance.taken + taken
    return tuple(
        TaxPart(part.code, part.rate, taken, until(part, after) - until(part, advance.taken))
        for part in advance.taxes
    )
