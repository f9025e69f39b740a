"""Parts of a period as exact fractions of its local days, and of its price in money that adds up.

A fraction is always of the WHOLE period, never of a shortened one; the day of a change belongs to what is
new.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

from app.domain.money import exponent
from app.domain.periods import Period


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of local days `[start_on, end_on)` and the share of the whole period that it is."""

    start_on: date
    end_on: date
    share: Fraction


def share(period: Period, start_on: date, end_on: date) -> Fraction:
    """Return the share of the period's days that `[start_on, end_on)` covers; days outside do not count."""
    first, last = max(start_on, period.start_on), min(end_on, period.end_on)
    return Fraction(max((last - first).days, 0), period.days)


def segments(period: Period, changes: Iterable[date] = ()) -> tuple[Segment, ...]:
    """Return the period cut at the days of change; the shares add up to exactly 1.

    A change on the first day, outside the period, or named twice cuts nothing.
    """
    inside = {on for on in changes if period.start_on < on < period.end_on}
    borders = [period.start_on, *sorted(inside), period.end_on]
    return tuple(Segment(start, end, share(period, start, end)) for start, end in pairwise(borders))


def split(amount: Decimal, shares: Sequence[Fraction], currency: str) -> tuple[Decimal, ...]:
    """Return `amount` split by `shares`, each part in whole minor units.

    Each part is the difference of two rounded running totals, so the parts add up to the rounded amount of
    all the shares together, the last one takes the remainder, and no part is a unit or more away from its
    exact value.

    Raises:
        RuleBroken: unknown currency.
    """
    places = exponent(currency)
    exact, running, taken, parts = Fraction(amount), Fraction(0), 0, []
    for one in shares:
        running += one
        until = _half_up(exact * running * 10**places)
        parts.append(Decimal(until - taken).scaleb(-places))
        taken = until
    return tuple(parts)


def _half_up(value: Fraction) -> int:
    whole = (2 * abs(value.numerator) + value.denominator) // (2 * value.denominator)
    return whole if value >= 0 else -whole
