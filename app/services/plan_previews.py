"""What a draft would cost: the live quote beside the plan editor, by the arithmetic of `/pricing/quote`."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from app.domain import groups
from app.domain.errors import RuleBroken
from app.domain.groups import Total
from app.domain.money import parse_decimal, plain, quantize, zero
from app.models import PriceComponent
from app.services import components
from app.services.inputs import refusals

ZERO = Decimal(0)


def quote(
    prices: Sequence[Mapping[str, Any]],
    used: Sequence[Mapping[str, Any]],
    currency: str,
    *,
    charge_zero_first_tier: bool = False,
) -> dict[str, Any]:
    """Return what `used` costs under components as `components.parse` reads them: a line per component in
    `currency`, and their total.

    `used[n]` is the `quantity` of component n and, where its price looks at the number of events, also their
    count as `events`; blank is zero. Where it is priced by groups, `groups` lists the same for each `value`.
    Dimension values are not matched: each component is tried by itself.

    Raises:
        Invalid: with the field of each component that cannot be used, or the quantity that is no number.
    """
    made = components.parse(prices)
    lines, total = [], zero(currency)
    with refusals():
        for component in made:
            if component.currency != currency:
                continue
            usage = _usage(used, component)
            charge = groups.charge(
                components.terms_of(component),
                usage,
                currency,
                group_by=component.group_by,
                charge_zero_first_tier=charge_zero_first_tier,
            )
            total += charge.amount
            lines.append(
                {
                    "component": component.position,
                    "code": component.code,
                    "name": component.name,
                    "group_by": component.group_by,
                    "needs": components.terms_of(component).needs,
                    "quantity": plain(usage.quantity),
                    "amount_exact": plain(charge.amount_exact),
                    "amount": str(charge.amount),
                    "breakdown": charge.breakdown_json(),
                }
            )
    return {"currency": currency, "lines": lines, "total": str(quantize(total, currency))}


def _usage(used: Sequence[Mapping[str, Any]], component: PriceComponent) -> Total:
    n = component.position
    given = used[n] if component.metric is not None and n < len(used) else {}
    if component.group_by is None or not isinstance(given, Mapping):
        return Total(*_counted(given, f"/used/{n}"))
    listed = given.get("groups", [given])
    if not isinstance(listed, list | tuple):
        raise RuleBroken(f"/used/{n}/groups", "not_a_list", "A list is needed here.")
    quantity, events, found = ZERO, 0, groups.Groups()
    for m, one in enumerate(listed):
        more, count = _counted(one, f"/used/{n}/groups/{m}")
        quantity, events = quantity + more, events + count
        groups.add(found, _value(one, f"/used/{n}/groups/{m}/value"), more, count)
    return Total(quantity, events, found)


def _counted(given: Any, at: str) -> tuple[Decimal, int]:
    if not isinstance(given, Mapping):
        raise RuleBroken(at, "not_an_object", "An object is needed here.")
    events = _number(given.get("events"), f"{at}/events", places=0)
    return _number(given.get("quantity"), f"{at}/quantity"), int(events)


def _value(given: Mapping[str, Any], at: str) -> str:
    value = given.get("value", "")
    if not isinstance(value, str):
        raise RuleBroken(at, "not_a_string", "A value is a text.")
    return value.strip()


def _number(value: Any, pointer: str, places: int = 12) -> Decimal:
    if value is None or value == "":
        return ZERO
    if not isinstance(value, str):
        raise RuleBroken(pointer, "not_a_number", "Write a number.")
    return parse_decimal(value, pointer=pointer, places=places, minimum=ZERO)
