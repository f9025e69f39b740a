"""The terms of every price model, as declared tables (docs/api/quotes.md names the fields)."""

# ruff: noqa: RUF009 - `term` makes a dataclass field, which is what a default may be.

from dataclasses import dataclass
from decimal import Decimal

from app.domain.errors import RuleBroken
from app.domain.money import LARGEST_AMOUNT
from app.domain.pricing.fields import Bound, Choice, Number, Tiers, Whole, term

ZERO = Decimal(0)
PRICE = Number()
QUANTITY = Number(largest=LARGEST_AMOUNT)
PERCENT = Number(largest=Decimal(1000))


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelTerms:
    """What every model may have: a least and a greatest amount per period."""

    minimum: Decimal | None = term(PRICE, "Least amount per period", default=None)
    maximum: Decimal | None = term(PRICE, "Greatest amount per period", default=None)

    @property
    def needs(self) -> str:
        """What of the usage must be known: its `sum`, also the `count` of events, or the `values` of each."""
        return "sum"

    @property
    def by_event(self) -> tuple[str, ...]:
        """The fields in use that look at the value of each event: a sum and a count cannot obey them."""
        return ()

    def check(self, pointer: str) -> None:
        """Raise `RuleBroken` where two fields contradict each other."""
        if self.minimum is not None and self.maximum is not None and self.maximum < self.minimum:
            raise RuleBroken(
                f"{pointer}/maximum", "maximum_below_minimum", "The maximum may not be below the minimum."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class FlatTerms(ModelTerms):
    """One price per period, whatever the usage."""

    price: Decimal = term(PRICE, "Price per period")


@dataclass(frozen=True, slots=True, kw_only=True)
class PerUnitTerms(ModelTerms):
    """The same price for every unit after the free ones."""

    unit: Decimal = term(PRICE, "Price per unit")
    free_units: Decimal = term(QUANTITY, "Free units", default=ZERO)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitTier:
    """A range of units that ends with (and includes) `up_to`: a price per unit and one for entering it."""

    up_to: Decimal | None = term(Bound(), "Up to and including", default=None)
    unit: Decimal = term(PRICE, "Price per unit", default=ZERO)
    flat: Decimal = term(PRICE, "Flat part", default=ZERO)


@dataclass(frozen=True, slots=True, kw_only=True)
class TieredTerms(ModelTerms):
    """Tiers of unit prices; free units are taken off before the tiers are looked at."""

    tiers: tuple[UnitTier, ...] = term(Tiers(UnitTier, ("unit", "flat")), "Tiers")
    free_units: Decimal = term(QUANTITY, "Free units", default=ZERO)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageTerms(ModelTerms):
    """A price for each package of `size` units after the free ones; a package begun counts (`up`) or does not
    (`down`)."""

    size: Decimal = term(Number(above_zero=True, largest=LARGEST_AMOUNT), "Units in a package")
    price: Decimal = term(PRICE, "Price per package")
    free_units: Decimal = term(QUANTITY, "Free units", default=ZERO)
    rounding: str = term(Choice(("up", "down")), "A package begun is", default="up")


@dataclass(frozen=True, slots=True, kw_only=True)
class PercentageTerms(ModelTerms):
    """A share of the value of each event, a fixed part per event, and what is free of both."""

    rate: Decimal = term(PERCENT, "Percent of the value")
    fixed: Decimal = term(PRICE, "Fixed part per event", default=ZERO)
    free_events: int = term(Whole(), "Free events", default=0)
    free_amount: Decimal = term(QUANTITY, "Free amount", default=ZERO)
    min_per_event: Decimal | None = term(PRICE, "Least per event", default=None)
    max_per_event: Decimal | None = term(PRICE, "Greatest per event", default=None)

    def check(self, pointer: str) -> None:
        ModelTerms.check(self, pointer)
        if (
            self.min_per_event is not None
            and self.max_per_event is not None
            and self.max_per_event < self.min_per_event
        ):
            at = f"{pointer}/max_per_event"
            raise RuleBroken(
                at, "maximum_below_minimum", "The greatest per event may not be below the least."
            )

    @property
    def needs(self) -> str:
        if self.by_event:
            return "values"
        return "count" if self.fixed else "sum"

    @property
    def by_event(self) -> tuple[str, ...]:
        """`rate × value + fixed` adds up over events, and a free amount comes off their sum. But no sum tells
        which events are free, what a limit on each changes, or how many pay the fixed part once the free
        amount is used up.
        """
        in_use = {
            "free_events": bool(self.free_events),
            "free_amount": bool(self.free_amount and self.fixed),
            "min_per_event": self.min_per_event is not None,
            "max_per_event": self.max_per_event is not None,
        }
        return tuple(name for name, used in in_use.items() if used)


@dataclass(frozen=True, slots=True, kw_only=True)
class RateTier:
    """A range of value that ends with (and includes) `up_to`: a percentage and an amount for entering it."""

    up_to: Decimal | None = term(Bound(), "Up to and including", default=None)
    rate: Decimal = term(PERCENT, "Percent of the value", default=ZERO)
    flat: Decimal = term(PRICE, "Flat part", default=ZERO)


@dataclass(frozen=True, slots=True, kw_only=True)
class GraduatedPercentageTerms(ModelTerms):
    """Tiers of percentages; the free amount is taken off before the tiers are looked at."""

    tiers: tuple[RateTier, ...] = term(Tiers(RateTier, ("rate", "flat")), "Tiers")
    free_amount: Decimal = term(QUANTITY, "Free amount", default=ZERO)
