"""What a contract adds to an invoice and takes off it: the true-up of a commitment, discounts, coupons and
credits (docs/adr/0009). All before tax, by tax rate and service code."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple
from uuid import UUID

from app.domain.proration import split

NOTHING = Decimal(0)
HUNDRED = 100


@dataclass(frozen=True, slots=True)
class Item:
    """A charge that may be reduced: what an invoice asks for by one line, without what a wallet has paid.

    `on` is the first local day it is for, `subscription` and `plan` whose it is, None for a person's line.
    `contractual` tells that it is a charge of the price list, which discounts and coupons look at; a credit
    reduces everything.
    """

    amount: Decimal
    rate: Decimal
    sac: str
    on: date | None = None
    subscription: UUID | None = None
    plan: str | None = None
    contractual: bool = True


class Part(NamedTuple):
    """What is taken off the charges of one tax rate and service code, out of how much; both as they are
    written on the price side: a reduction is positive.
    """

    rate: Decimal
    sac: str
    base: Decimal
    amount: Decimal


Wanted = Callable[[Item], bool]


def true_up(committed: Decimal, charged: Decimal) -> Decimal:
    """Return what is missing to a commitment of a period: never negative."""
    return max(NOTHING, committed - charged)


class Remainders:
    """What is left of the charges of an invoice while one reduction after the other is taken.

    Each sees what those before it have left. A share is split over the charges by running totals, so the
    parts add up to the rounded whole and the last takes the remainder.
    """

    def __init__(self, items: Iterable[Item], currency: str) -> None:
        self._items = sorted(items, key=lambda item: (item.rate, item.sac))
        self._left = [item.amount for item in self._items]
        self._currency = currency

    @property
    def total(self) -> Decimal:
        """What is left of all charges together."""
        return sum(self._left, NOTHING)

    def base(self, wanted: Wanted) -> Decimal:
        """What is left of the wanted charges; below zero where more is given back than charged."""
        return sum((self._left[n] for n in self._chosen(wanted)), NOTHING)

    def take_percent(self, percent: Decimal, wanted: Wanted) -> tuple[Part, ...]:
        """Take a percentage off the wanted charges, never more than all charges together are; of one that is
        given back, it is taken back as well.
        """
        ratio = Fraction(percent) / HUNDRED
        if ratio * Fraction(self.base(wanted)) > Fraction(self.total):
            return self.take_amount(self.total, wanted)
        return self._take(ratio, self._chosen(wanted))

    def take_amount(self, amount: Decimal, wanted: Wanted) -> tuple[Part, ...]:
        """Take up to an amount off the wanted charges: never more than they, or all charges together, are."""
        chosen = [n for n in self._chosen(wanted) if self._left[n] > 0]
        base = sum((self._left[n] for n in chosen), NOTHING)
        possible = min(amount, base, self.total)
        return self._take(Fraction(possible) / Fraction(base), chosen) if possible > 0 else ()

    def _chosen(self, wanted: Wanted) -> list[int]:
        return [n for n, item in enumerate(self._items) if wanted(item)]

    def _take(self, ratio: Fraction, chosen: Sequence[int]) -> tuple[Part, ...]:
        shares = [ratio * Fraction(self._left[n]) for n in chosen]
        taken = split(Decimal(1), shares, self._currency)
        parts: dict[tuple[Decimal, str], Part] = {}
        for n, amount in zip(chosen, taken, strict=True):
            item = self._items[n]
            key = (item.rate, item.sac)
            before = parts.get(key, Part(*key, NOTHING, NOTHING))
            parts[key] = Part(*key, before.base + self._left[n], before.amount + amount)
            self._left[n] -= amount
        return tuple(part for part in parts.values() if part.amount)
