"""What usage would cost a subscription: by its plan version and its own terms."""

from datetime import date
from typing import Any

from app import clock
from app.domain import quotes
from app.domain.periods import day_start, local_date, period_containing
from app.models import PriceComponent, Subscription
from app.services import contracts, segments
from app.services.inputs import refusals


def quote(subscription: Subscription, usage: Any, *, on: date | None = None) -> dict[str, Any]:
    """Return the quote of a whole billing period, the one that holds the local day `on` (by default today),
    with the shapes of docs/api/quotes.md; each line also names its
    `component` and whether its `terms` are `own` or those of the `plan`.

    Raises:
        Invalid: usage that no component prices, or that cannot be read; `/usage/0/quantity`.
    """
    zone_name, cycle = subscription.account.timezone, segments.cycle(subscription)
    on = on or local_date(clock.now(), zone_name)
    period = period_containing(day_start(on, zone_name), cycle)
    own = {
        each.component_id: {"model": each.model, **each.terms}
        for each in contracts.overrides_of(subscription)
        if each.start_at <= period.start and (each.end_at is None or period.start < each.end_at)
    }
    version, currency = subscription.version, subscription.account.currency
    priced = [each for each in version.components if each.currency == currency]
    with refusals():
        answer = quotes.quote(
            [_component(each, own.get(each.id)) for each in priced],
            usage,
            currency,
            charge_zero_first_tier=version.charge_zero_first_tier,
        )
    for line, component in zip(answer["lines"], priced, strict=True):
        line["component"] = component.code
        line["terms"] = "own" if component.id in own else "plan"
    return {**answer, "period_start": period.start_on.isoformat(), "period_end": period.end_on.isoformat()}


def _component(component: PriceComponent, own: dict[str, Any] | None) -> dict[str, Any]:
    terms = own or {"model": component.model, **component.terms}
    metric = component.metric.code if component.metric else None
    return {**terms, "metric": metric, "filters": component.filters, "group_by": component.group_by}
