"""How the terms of a price model are declared, read, written and described, all from one table.

A terms class is a frozen dataclass whose fields are made by `term(...)`. From that declaration follow `read`
(wire → value, refusing what is not declared), `dump` (value → wire) and `schema` (JSON Schema for OpenAPI and
the admin component editor).
"""

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from decimal import Decimal
from typing import Any, Protocol, TypeVar

from app.domain.errors import Faults, RuleBroken
from app.domain.money import LARGEST_AMOUNT, parse_decimal, plain

MOST_TIERS = 100
LARGEST_RATE = Decimal(10) ** 12

T = TypeVar("T")


class Kind(Protocol):
    """What a declared field holds."""

    def read(self, value: Any, pointer: str) -> Any:
        """Return the value that `value` on the wire stands for, or raise `RuleBroken`."""

    def dump(self, value: Any) -> Any:
        """Return the value as JSON, in the one canonical spelling."""

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the wire form."""


@dataclass(frozen=True, slots=True)
class Number:
    """A decimal of at most 12 places, from 0 (or above 0) to `largest`."""

    above_zero: bool = False
    largest: Decimal = LARGEST_RATE

    def read(self, value: Any, pointer: str) -> Decimal:
        number = parse_decimal(value, pointer=pointer, largest=self.largest)
        if number < 0:
            raise RuleBroken(pointer, "negative", "The number may not be negative.")
        if self.above_zero and number == 0:
            raise RuleBroken(pointer, "not_positive", "The number must be more than zero.")
        return number

    def dump(self, value: Decimal) -> str:
        return plain(value)

    def schema(self) -> dict[str, Any]:
        digits = r"^\+?[0-9]*\.?[0-9]{0,12}$"
        return {"type": "string", "format": "decimal", "pattern": digits, "x-above-zero": self.above_zero}


@dataclass(frozen=True, slots=True)
class Bound(Number):
    """Up to which quantity a tier reaches: above 0; the last tier says null."""

    above_zero: bool = True
    largest: Decimal = LARGEST_AMOUNT

    def read(self, value: Any, pointer: str) -> Decimal:
        try:
            return Number.read(self, value, pointer)
        except RuleBroken as broken:
            if broken.code != "not_a_number":
                raise
            message = 'A quantity is needed here, such as "1000"; null in the last tier, which has no end.'
            raise RuleBroken(pointer, broken.code, message) from None


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number from 0 to a billion."""

    def read(self, value: Any, pointer: str) -> int:
        return int(
            parse_decimal(value, pointer=pointer, places=0, minimum=Decimal(0), largest=Decimal(10) ** 9)
        )

    def dump(self, value: int) -> int:
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": "integer", "minimum": 0, "maximum": 10**9}


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words."""

    choices: tuple[str, ...]

    def read(self, value: Any, pointer: str) -> str:
        if value not in self.choices:
            raise RuleBroken(pointer, "unknown_choice", f"Choose one of: {', '.join(self.choices)}.")
        return str(value)

    def dump(self, value: str) -> str:
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "enum": list(self.choices)}


@dataclass(frozen=True, slots=True)
class Tiers:
    """Tiers in rising order of their inclusive `up_to`; only the last is open (`up_to` null)."""

    tier: type
    price_names: tuple[str, ...]

    def read(self, value: Any, pointer: str) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple) or not value:
            raise RuleBroken(pointer, "no_tiers", "A list of at least one tier is needed.")
        if len(value) > MOST_TIERS:
            raise RuleBroken(pointer, "too_many_tiers", f"At most {MOST_TIERS} tiers are possible.")
        faults = Faults()
        tiers = [faults.read(self._read_tier, row, f"{pointer}/{n}") for n, row in enumerate(value)]
        faults.refuse()
        _check_order(tiers, pointer)
        return tuple(tiers)

    def _read_tier(self, row: Any, pointer: str) -> Any:
        tier: Any = read(self.tier, row, pointer)
        if not any(row.get(name) is not None for name in self.price_names):
            raise RuleBroken(f"{pointer}/{self.price_names[0]}", "required", "A tier needs a price.")
        if "up_to" not in row:
            raise RuleBroken(
                f"{pointer}/up_to",
                "required",
                "Say up to which quantity the tier reaches; null for the last.",
            )
        return tier

    def dump(self, value: Sequence[Any]) -> list[dict[str, Any]]:
        return [dump(tier) for tier in value]

    def schema(self) -> dict[str, Any]:
        item = schema(self.tier)
        item["required"] = ["up_to"]
        return {"type": "array", "minItems": 1, "maxItems": MOST_TIERS, "items": item}


def _check_order(tiers: Sequence[Any], pointer: str) -> None:
    faults = Faults()
    lower = Decimal(0)
    for n, tier in enumerate(tiers[:-1]):
        at = f"{pointer}/{n}/up_to"
        if tier.up_to is None:
            faults.add(at, "open_tier_not_last", "Only the last tier may be open.")
        elif tier.up_to <= lower:
            faults.add(at, "tiers_out_of_order", f"The tier must reach beyond {plain(lower)}.")
        else:
            lower = tier.up_to
    if tiers[-1].up_to is not None:
        last = f"{pointer}/{len(tiers) - 1}/up_to"
        message = "The last tier must be open (null), or larger usage would have no price."
        faults.add(last, "last_tier_not_open", message)
    faults.refuse()


def term(kind: Kind, title: str, *, default: Any = MISSING) -> Any:
    """Return a dataclass field of `kind`: required without a default, nullable where that is None."""
    return field(default=default, metadata={"kind": kind, "title": title})


def read(cls: type[T], mapping: Any, pointer: str) -> T:
    """Return a `cls` made of a wire object; null counts as absent where a field has a default.

    Raises:
        RuleBroken: not an object, an unknown field, a missing one, or a value its kind refuses: all of them.
    """
    if not isinstance(mapping, Mapping):
        raise RuleBroken(pointer, "not_an_object", "An object is needed here.")
    declared = {entry.name: entry for entry in fields(cls)}  # type: ignore[arg-type]
    faults = Faults()
    for name in mapping:
        if name not in declared:
            known = f"There is no such field. Known: {', '.join(declared)}."
            faults.add(f"{pointer}/{name}", "unknown_field", known)
    values = {}
    for name, entry in declared.items():
        value = mapping.get(name)
        if value is not None:
            values[name] = faults.read(entry.metadata["kind"].read, value, f"{pointer}/{name}")
        elif entry.default is MISSING:
            faults.add(f"{pointer}/{name}", "required", f"{entry.metadata['title']} is needed.")
    faults.refuse()
    return cls(**values)


def dump(value: Any) -> dict[str, Any]:
    """Return the wire object of a terms or tier value, without what is None; `up_to` always stands."""
    wire = {}
    for entry in fields(value):
        held = getattr(value, entry.name)
        if held is not None:
            wire[entry.name] = entry.metadata["kind"].dump(held)
        elif entry.name == "up_to":
            wire[entry.name] = None
    return wire


def schema(cls: type) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of the wire object of `cls`."""
    properties = {entry.name: _property(entry) for entry in fields(cls)}
    required = [entry.name for entry in fields(cls) if entry.default is MISSING]
    return {"type": "object", "additionalProperties": False, "required": required, "properties": properties}


def _property(entry: Field[Any]) -> dict[str, Any]:
    kind = entry.metadata["kind"]
    wire = {"title": entry.metadata["title"], **kind.schema()}
    if entry.default is None:
        wire["type"] = [wire["type"], "null"]
    elif entry.default is not MISSING:
        wire["default"] = kind.dump(entry.default)
    return wire
