"""From terms and usage to a charge: exact, rounded once, and explained."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Any

from app.domain.errors import RuleBroken
from app.domain.money import EXACT, plain, quantize
from app.domain.pricing import fields
from app.domain.pricing.models import Row, Usage, price_models
from app.domain.pricing.terms import ZERO, ModelTerms


@dataclass(frozen=True, slots=True)
class Terms:
    """The name of a price model and the values of its fields, as `parse_terms` returns them."""

    model: str
    values: ModelTerms

    @property
    def needs(self) -> str:
        """What of the usage a price needs: its `sum`, also the `count` of events, or the `values` of each."""
        return self.values.needs

    @property
    def by_event(self) -> tuple[str, ...]:
        """The fields in use that look at the value of each event, which a sum and a count cannot obey."""
        return self.values.by_event


@dataclass(frozen=True, slots=True)
class Charge:
    """The price of some usage: `amount_exact` unrounded, `amount` rounded once to the currency, and why.

    The amounts of the breakdown's rows add up to `amount_exact`.
    """

    amount_exact: Decimal
    amount: Decimal
    breakdown: tuple[Row, ...]

    def breakdown_json(self) -> list[dict[str, Any]]:
        """Return the breakdown as the API writes it: canonical decimals; rows of a group name it."""
        return [
            {
                **({} if row.group is None else {"group": row.group}),
                "kind": row.kind,
                "tier": row.tier,
                "quantity": plain(row.quantity),
                "unit": plain(row.unit),
                "flat": plain(row.flat),
                "amount": plain(row.amount),
            }
            for row in self.breakdown
        ]


def parse_terms(model: Any, mapping: Mapping[str, Any], *, pointer: str = "") -> Terms:
    """Return the terms of `model` that a wire object states (docs/api/quotes.md; the same shapes in plans).

    Raises:
        RuleBroken: `unknown_model` at `pointer/model`; else the field that is unknown, missing, out of order,
            negative or no number, such as `/tiers/1/up_to` under `pointer`.
    """
    if not isinstance(model, str) or model not in price_models:
        raise RuleBroken(f"{pointer}/model", "unknown_model", f"Choose one of: {', '.join(price_models)}.")
    values = fields.read(price_models[model].terms, mapping, pointer)
    values.check(pointer)
    return Terms(model, values)


def terms_json(terms: Terms) -> dict[str, Any]:
    """Return the terms as JSON, defaults written out, in the one spelling that `parse_terms` reads back."""
    return fields.dump(terms.values)


def terms_schema(model: str) -> dict[str, Any]:
    """Return the JSON Schema of the terms of `model`, for OpenAPI and the component editor.

    Raises:
        UnknownName: no such model.
    """
    entry = price_models[model]
    return {"title": entry.label, "description": entry.summary, **fields.schema(entry.terms)}


def price(
    terms: Terms,
    usage: Usage,
    currency: str,
    *,
    charge_zero_first_tier: bool = False,
    apply_minimum: bool = True,
) -> Charge:
    """Return what `usage` costs under `terms`, in `currency`.

    `charge_zero_first_tier`: no usage still pays the first tier's flat part. `apply_minimum=False` leaves the
    period's least amount to the last run of the period. A quantity below zero (corrections only) costs what
    no usage costs.

    Raises:
        RuleBroken: the terms look at single events and the usage has none, or the currency is unknown.
    """
    with localcontext(EXACT):
        values = terms.values
        rows = price_models[terms.model].rows(values, usage, charge_zero_first_tier)
        exact = sum([row.amount for row in rows], ZERO)
        if apply_minimum and values.minimum is not None and exact < values.minimum:
            rows.append(_limit("minimum", values.minimum - exact))
            exact = values.minimum
        if values.maximum is not None and exact > values.maximum:
            rows.append(_limit("maximum", values.maximum - exact))
            exact = values.maximum
    return Charge(exact, quantize(exact, currency), tuple(rows))


def price_groups(
    terms: Terms,
    groups: Mapping[str, Usage],
    currency: str,
    *,
    charge_zero_first_tier: bool = False,
    apply_minimum: bool = True,
) -> Charge:
    """Return what usage costs of which each group is priced by itself: own tiers, free units and limits.

    The sum is rounded once; the rows name their group, in the order of the groups. No group costs nothing.

    Raises:
        RuleBroken: as `price` says.
    """
    rows: list[Row] = []
    for group, usage in sorted(groups.items()):
        own = price(
            terms,
            usage,
            currency,
            charge_zero_first_tier=charge_zero_first_tier,
            apply_minimum=apply_minimum,
        )
        rows += [row._replace(group=group) for row in own.breakdown]
    with localcontext(EXACT):
        exact = sum([row.amount for row in rows], ZERO)
    return Charge(exact, quantize(exact, currency), tuple(rows))


def _limit(kind: str, moved: Decimal) -> Row:
    return Row(kind, 0, ZERO, ZERO, moved, moved)
