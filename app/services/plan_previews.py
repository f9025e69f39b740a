"""What a draft would cost: the live quote beside the plan editor, by the arithmetic of `/pricing/quote`."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from app.domain.errors import RuleBroken
from app.domain.money import parse_decimal, plain, quantize, zero
from app.domain.pricing import Usage, price
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
    count as `events`; blank is zero. Dimension values are not matched: each component is tried by itself.

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
            charge = price(
                components.terms_of(component),
                usage,
                currency,
                charge_zero_first_tier=charge_zero_first_tier,
            )
            total += charge.amount
            lines.append(
                {
                    "component": component.position,
                    "code": component.code,
                    "name": component.name,
                    "needs": components.terms_of(component).needs,
                    "quantity": plain(usage.quantity),
                    "amount_exact": plain(charge.amount_exact),
                    "amount": str(charge.amount),
                    "breakdown": charge.breakdown_json(),
                }
            )
    return {"currency": currency, "lines": lines, "total": str(quantize(total, currency))}


def _usage(used: Sequence[Mapping[str, Any]], component: PriceComponent) -> Usage:
    n = component.position
    given = used[n] if component.metric is not None and n < len(used) else {}
    if not isinstance(given, Mapping):
        raise RuleBroken(f"/used/{n}", "not_an_object", "An object is needed here.")
    events = _number(given.get("events"), f"/used/{n}/events", places=0)
    return Usage(_number(given.get("quantity"), f"/used/{n}/quantity"), count=int(events))


def _number(value: Any, pointer: str, places: int = 12) -> Decimal:
    if value is None or value == "":
        return ZERO
    if not isinstance(value, str):
        raise RuleBroken(pointer, "not_a_number", "Write a number.")
    return parse_decimal(value, pointer=pointer, places=places, minimum=ZERO)
