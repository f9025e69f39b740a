"""A quote: what given usage would cost under given components, with nothing stored (docs/api/quotes.md)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Any

from app.domain.errors import MixedCurrencies, RuleBroken
from app.domain.money import EXACT, exponent, parse_amount, parse_decimal, plain, quantize, zero
from app.domain.pricing import Charge, Terms, Usage, parse_terms, price, price_groups
from app.domain.rating import by_group, dimension_values, match

MOST_ENTRIES = 100
MOST_EVENTS = 10_000
_BESIDE_TERMS = frozenset({"code", "currency", "filters", "group_by", "metric", "model"})
_OF_USAGE = ("metric", "quantity", "events", "dimensions")


@dataclass(frozen=True, slots=True)
class Component:
    """A price asked about: the metric and dimension values it is for, its terms, its place in the request.

    With `group_by` each value of that dimension is priced by itself: its own tiers, free units and limits.
    """

    metric: str | None
    filters: Mapping[str, Any]
    terms: Terms
    position: int
    code: str | None = None
    group_by: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """Usage asked about: how much of a metric with some dimension values, as a sum or event by event."""

    metric: str
    dimensions: Mapping[str, str]
    usage: Usage
    pointer: str


def quote(
    components: Any,
    usage: Any,
    currency: str,
    minimum: Any = None,
    maximum: Any = None,
    *,
    charge_zero_first_tier: bool = False,
) -> dict[str, Any]:
    """Return the attributes of a quote from the wire objects of docs/api/quotes.md, one line per component.

    `subtotal` is the sum of the rounded lines, `minimum_true_up` what the minimum adds, `maximum_reduction`
    what the maximum takes.

    Raises:
        RuleBroken: with the pointer of the field that is at fault, such as `/components/0/tiers/1/up_to`.
    """
    exponent(currency)
    parsed = _components(components, currency)
    entries = [_entry(row, f"/usage/{n}") for n, row in enumerate(_rows(usage, "/usage"))]
    least = None if minimum is None else parse_amount(minimum, currency, pointer="/minimum", allow_zero=True)
    most = None if maximum is None else parse_amount(maximum, currency, pointer="/maximum", allow_zero=True)
    if least is not None and most is not None and most < least:
        raise RuleBroken("/maximum", "maximum_below_minimum", "The maximum may not be below the minimum.")
    shares = _share_out(parsed, entries)
    lines, subtotal = [], zero(currency)
    with localcontext(EXACT):
        for component in parsed:
            charge = _price(component, shares[component.position], currency, charge_zero_first_tier)
            lines.append(_line(component, _summed(shares[component.position]), charge))
            subtotal += charge.amount
        true_up = max(least - subtotal, zero(currency)) if least is not None else zero(currency)
        reduction = max(subtotal + true_up - most, zero(currency)) if most is not None else zero(currency)
        total = subtotal + true_up - reduction
    figures = {
        "subtotal": subtotal,
        "minimum_true_up": true_up,
        "maximum_reduction": reduction,
        "total": total,
    }
    return {
        "currency": currency,
        "lines": lines,
        **{name: str(quantize(value, currency)) for name, value in figures.items()},
    }


def _rows(value: Any, pointer: str) -> Sequence[Any]:
    if not isinstance(value, list | tuple):
        raise RuleBroken(pointer, "not_a_list", "A list is needed here.")
    if len(value) > MOST_ENTRIES:
        raise RuleBroken(pointer, "too_many", f"At most {MOST_ENTRIES} are possible.")
    return value


def _components(value: Any, currency: str) -> list[Component]:
    if not _rows(value, "/components"):
        raise RuleBroken("/components", "required", "At least one component is needed.")
    parsed = [_component(row, n, currency) for n, row in enumerate(value)]
    for component in parsed:
        twins = [
            other
            for other in parsed
            if other.metric == component.metric and other.filters == component.filters
        ]
        if component.metric is not None and twins[0] is not component:
            at = f"/components/{component.position}/metric"
            raise RuleBroken(
                at, "duplicate", f"{component.metric} is priced twice for the same dimension values."
            )
    return parsed


def _component(row: Any, position: int, currency: str) -> Component:
    pointer = f"/components/{position}"
    if not isinstance(row, Mapping):
        raise RuleBroken(pointer, "not_an_object", "An object is needed here.")
    terms = parse_terms(
        row.get("model", ""),
        {name: value for name, value in row.items() if name not in _BESIDE_TERMS},
        pointer=pointer,
    )
    metric = row.get("metric")
    if terms.model != "flat" or metric is not None:
        _name(metric, f"{pointer}/metric")
    _check_currency(row.get("currency"), currency, f"{pointer}/currency")
    filters = parse_filters(row.get("filters"), pointer=f"{pointer}/filters")
    group_by = parse_group(row.get("group_by"), metric, pointer=f"{pointer}/group_by")
    code = row.get("code")
    if code is not None and not isinstance(code, str):
        raise RuleBroken(f"{pointer}/code", "not_a_string", "A code is a text.")
    return Component(metric, filters, terms, position, code, group_by)


def _check_currency(stated: Any, currency: str, pointer: str) -> None:
    if stated is None:
        return
    exponent(stated, pointer=pointer)
    if stated != currency:
        raise MixedCurrencies(stated, currency, pointer=pointer)


def parse_group(value: Any, metric: str | None, *, pointer: str) -> str | None:
    """Return the dimension whose values are priced each by itself, or None.

    Raises:
        RuleBroken: not the name of a dimension, or the price is not for usage.
    """
    if value is None:
        return None
    if not isinstance(value, str) or not value:
        raise RuleBroken(
            pointer, "not_a_string", "Name the dimension whose values are priced each by itself."
        )
    if metric is None:
        raise RuleBroken(pointer, "mismatch", "Only usage of a metric can be priced by a dimension.")
    return value


def parse_filters(value: Any, *, pointer: str) -> dict[str, tuple[str, ...]]:
    """Return dimension filters such as `{"channel": "sms", "country": ["IN", "US"]}`, values as tuples.

    Raises:
        RuleBroken: not an object of strings or of non-empty lists of strings.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise RuleBroken(
            pointer, "not_an_object", "Filters are an object: a dimension and the values it may have."
        )
    return {str(name): _filter_values(wanted, f"{pointer}/{name}") for name, wanted in value.items()}


def _filter_values(wanted: Any, pointer: str) -> tuple[str, ...]:
    values = wanted if isinstance(wanted, list | tuple) else [wanted]
    if not values or not all(isinstance(one, str) and one for one in values):
        raise RuleBroken(pointer, "not_a_string", "Give a value or a list of values, as strings.")
    return tuple(sorted(set(values)))


def _name(value: Any, pointer: str) -> str:
    if not isinstance(value, str) or not value:
        raise RuleBroken(pointer, "required", "The code of a metric is needed.")
    return value


def _entry(row: Any, pointer: str) -> Entry:
    if not isinstance(row, Mapping):
        raise RuleBroken(pointer, "not_an_object", "An object is needed here.")
    for name in row:
        if name not in _OF_USAGE:
            known = f"There is no such field. Known: {', '.join(_OF_USAGE)}."
            raise RuleBroken(f"{pointer}/{name}", "unknown_field", known)
    metric, stated, at = _name(row.get("metric"), f"{pointer}/metric"), row.get("dimensions"), "dimensions"
    if stated is not None and not isinstance(stated, Mapping):
        raise RuleBroken(f"{pointer}/{at}", "not_an_object", "An object is needed here.")
    dimensions = dimension_values(stated, stated, pointer=f"{pointer}/{at}") if stated else {}
    return Entry(metric, dimensions, _usage(row, pointer), pointer)


def _usage(row: Mapping[str, Any], pointer: str) -> Usage:
    if row.get("events") is None:
        if row.get("quantity") is None:
            raise RuleBroken(f"{pointer}/quantity", "required", "Give a quantity or a list of events.")
        return Usage(parse_decimal(row["quantity"], pointer=f"{pointer}/quantity", minimum=Decimal(0)))
    if row.get("quantity") is not None:
        raise RuleBroken(f"{pointer}/quantity", "both_given", "Give either a quantity or events, not both.")
    values = row["events"]
    if not isinstance(values, list | tuple) or len(values) > MOST_EVENTS:
        raise RuleBroken(
            f"{pointer}/events", "not_a_list", f"A list of at most {MOST_EVENTS} values is needed."
        )
    events = tuple(
        parse_decimal(value, pointer=f"{pointer}/events/{n}", minimum=Decimal(0))
        for n, value in enumerate(values)
    )
    with localcontext(EXACT):
        return Usage(sum(events, Decimal(0)), events, len(events))


def _share_out(components: Sequence[Component], entries: Sequence[Entry]) -> dict[int, list[Entry]]:
    shares: dict[int, list[Entry]] = {component.position: [] for component in components}
    for entry in entries:
        priced = [component for component in components if component.metric == entry.metric]
        chosen = match(priced, entry.dimensions)
        if chosen is None:
            code, what = (
                ("unmatched", "these dimension values") if priced else ("unknown_metric", f"{entry.metric!r}")
            )
            raise RuleBroken(f"{entry.pointer}/metric", code, f"No component prices {what}.")
        shares[chosen.position].append(entry)
    return shares


def _summed(entries: Sequence[Entry]) -> Usage:
    quantity = sum((entry.usage.quantity for entry in entries), Decimal(0))
    if any(not entry.usage.events and entry.usage.quantity for entry in entries):
        return Usage(quantity)
    events = tuple(value for entry in entries for value in entry.usage.events)
    return Usage(quantity, events, len(events))


def _price(component: Component, entries: Sequence[Entry], currency: str, zero_tier: bool) -> Charge:
    try:
        if component.group_by is None:
            return price(component.terms, _summed(entries), currency, charge_zero_first_tier=zero_tier)
        groups = {value: _summed(found) for value, found in by_group(component.group_by, entries).items()}
        return price_groups(component.terms, groups, currency, charge_zero_first_tier=zero_tier)
    except RuleBroken as broken:
        first = entries[0].pointer if entries else "/usage"
        raise RuleBroken(f"{first}{broken.pointer}", broken.code, broken.message) from None


def _line(component: Component, used: Usage, charge: Charge) -> dict[str, Any]:
    return {
        "code": component.code,
        "metric": component.metric,
        "model": component.terms.model,
        "group_by": component.group_by,
        "quantity": plain(used.quantity),
        "amount_exact": plain(charge.amount_exact),
        "amount": str(charge.amount),
        "breakdown": charge.breakdown_json(),
    }
