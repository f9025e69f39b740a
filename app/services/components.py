"""Price components: reading them from the wire, and writing them back (the shapes of docs/api/quotes.md,
named and coded).

One component is `{"metric", "model", …the fields of the model…, "filters"?, "group_by"?, "code"?, "name"?,
"kind"?, "currency"?, "timing"?, "prorated"?, "sac"?}`. Without a metric it is a fixed fee; with `group_by`
each value of that dimension is priced by itself.
"""

from collections.abc import Collection, Mapping, Sequence
from itertools import chain, count
from typing import Any

from sqlalchemy import select

from app.db import db
from app.domain.errors import Faults, RuleBroken
from app.domain.money import exponent
from app.domain.pricing import Terms, parse_terms, terms_json
from app.domain.quotes import parse_filters, parse_group
from app.errors import FieldError
from app.models import Metric, PlanVersion, PriceComponent
from app.models.plans import ComponentKind, Timing
from app.services import inputs
from app.services.inputs import refusals
from app.services.metrics import code

SAC = "998319"
SAC_LENGTHS = (4, 6, 8)
MOST_COMPONENTS = 100
NO_EVENTS = (
    "A plan prices the sum and the number of a period's events, and this needs the value of each. "
    "A fee for each event, some of them free: let a metric count them, with a price per unit and free units."
)
BESIDE_TERMS = frozenset(
    (
        "code",
        "name",
        "kind",
        "currency",
        "metric",
        "model",
        "terms",
        "filters",
        "group_by",
        "timing",
        "prorated",
        "sac",
    )
)


def parse(prices: Sequence[Mapping[str, Any]]) -> list[PriceComponent]:
    """Return the components that wire objects describe, in their order, not yet belonging to a version.

    Raises:
        Invalid: with every field at fault of each component, such as `/components/0/tiers/1/up_to`: an
            unknown metric or model, terms that the model refuses or that look at single events (a period's
            usage is a total), a dimension the metric lacks, one to group by that the filter leaves a single
            value of; two components with one code or for the same
            usage; one code that means another thing in another currency.
    """
    with refusals():
        if not isinstance(prices, list | tuple) or len(prices) > MOST_COMPONENTS:
            raise RuleBroken("/components", "not_a_list", f"A list of at most {MOST_COMPONENTS} is needed.")
        metrics = _metrics(prices)
        made: list[PriceComponent] = []
        problems: list[FieldError] = []
        for n, row in enumerate(prices):
            try:
                made.append(_component(row, n, metrics, taken={(one.code, one.currency) for one in made}))
            except RuleBroken as broken:
                problems += inputs.told(broken)
        inputs.raise_all(problems)
        _check_distinct(made)
        _check_one_meaning(made)
    return made


def terms_of(component: PriceComponent) -> Terms:
    """Return the terms of a stored component."""
    return parse_terms(component.model, component.terms)


def read_terms(component: PriceComponent, row: Mapping[str, Any], at: str) -> Terms:
    """Return other terms for a component, from a wire object `{"model"?, …the fields of the model…}`; without
    a model it is the component's.

    Raises:
        RuleBroken: with the field under `at`: what the model refuses, what a period's total cannot be priced
            by, or another model than `flat` for a fixed fee. What a price is for, and its groups, stay those
            of the plan.
    """
    if "group_by" in row:
        raise RuleBroken(f"{at}/group_by", "unknown_field", "Own terms keep the groups of the plan's price.")
    terms = _terms({"model": component.model, **row}, at)
    _check_model(component.kind, terms, at)
    return terms


def as_price(component: PriceComponent) -> dict[str, Any]:
    """Return a component as the wire object that `parse` reads."""
    return {
        "code": component.code,
        "name": component.name,
        "kind": str(component.kind),
        "currency": component.currency,
        "metric": component.metric.code if component.metric else None,
        "model": component.model,
        **component.terms,
        "filters": component.filters,
        "group_by": component.group_by,
        "timing": str(component.timing),
        "prorated": component.prorated,
        "sac": component.sac,
    }


def as_prices(version: PlanVersion) -> list[dict[str, Any]]:
    """Return the components of a version as wire objects."""
    return [as_price(component) for component in version.components]


def read_sac(value: Any, pointer: str) -> str:
    """Return a services accounting code, by default that of other telecommunications and internet services.

    Raises:
        RuleBroken: not 4, 6 or 8 digits.
    """
    if value is None:
        return SAC
    if not isinstance(value, str) or not (value.isascii() and value.isdigit() and len(value) in SAC_LENGTHS):
        raise RuleBroken(pointer, "bad_sac", "A services accounting code has 4, 6 or 8 digits.")
    return value


def _metrics(prices: Sequence[Any]) -> dict[str, Metric]:
    codes = {row.get("metric") for row in prices if isinstance(row, Mapping)}
    wanted = [one for one in codes if isinstance(one, str)]
    return {
        metric.code: metric for metric in db.session.scalars(select(Metric).where(Metric.code.in_(wanted)))
    }


def _component(
    row: Any, position: int, metrics: Mapping[str, Metric], taken: Collection[tuple[str, str]]
) -> PriceComponent:
    at = f"/components/{position}"
    if not isinstance(row, Mapping):
        raise RuleBroken(at, "not_an_object", "An object is needed here.")
    read = (faults := Faults()).read
    kind = ComponentKind.fixed if row.get("metric") is None else ComponentKind.usage
    metric = read(_metric, row, at, metrics)
    terms = read(_terms, row, at)
    currency = row.get("currency") or "INR"
    read(exponent, currency, pointer=f"{at}/currency")
    if row.get("kind") not in (None, kind):
        faults.add(f"{at}/kind", "mismatch", "Usage is priced by a metric, a fixed fee has none.")
    if terms:
        read(_check_model, kind, terms, at)
    # What an unknown metric cannot have is no second fault.
    known = metric is not None or kind is ComponentKind.fixed
    filters = (read(_filters, row, metric, at) if known else None) or {}
    named = row.get("code") or _free_code(metric.code if metric else "fee", str(currency), taken)
    values = {
        "code": read(code, named, f"{at}/code"),
        "name": read(inputs.text(), row.get("name") or (metric.name if metric else named), f"{at}/name"),
        "group_by": read(_group_by, row, metric, filters, at) if known else None,
        "timing": read(inputs.choice(Timing), row.get("timing") or Timing.arrears, f"{at}/timing"),
        "prorated": read(inputs.yes_or_no, row.get("prorated", True), f"{at}/prorated"),
        "sac": read(read_sac, row.get("sac"), f"{at}/sac"),
    }
    faults.refuse()
    assert terms
    priced = {"kind": kind, "model": terms.model, "terms": terms_json(terms), "currency": currency}
    return PriceComponent(**priced, **values, metric=metric, filters=filters, position=position)


def _free_code(base: str, currency: str, taken: Collection[tuple[str, str]]) -> str:
    """Return a code for a component that was given none: `sms`, then `sms-2`, `sms-3`."""
    following = (f"{base}-{n}" for n in count(2))
    return next(name for name in chain((base,), following) if (name, currency) not in taken)


def _metric(row: Mapping[str, Any], at: str, metrics: Mapping[str, Metric]) -> Metric | None:
    named = row.get("metric")
    if named is None:
        return None
    if not isinstance(named, str) or named not in metrics:
        raise RuleBroken(f"{at}/metric", "unknown_metric", f"There is no metric {named!r}.")
    return metrics[named]


def _terms(row: Mapping[str, Any], at: str) -> Terms:
    stated = {name: value for name, value in row.items() if name not in BESIDE_TERMS}
    if "terms" in row:
        stated, at = row["terms"], f"{at}/terms"
    terms = parse_terms(row.get("model", ""), stated, pointer=at)
    if terms.by_event:
        raise RuleBroken(f"{at}/{terms.by_event[0]}", "events_needed", NO_EVENTS)
    return terms


def _check_model(kind: ComponentKind, terms: Terms, at: str) -> None:
    if kind is ComponentKind.fixed and terms.model != "flat":
        raise RuleBroken(
            f"{at}/model", "mismatch", "A fixed fee has the model `flat`; for usage name the metric."
        )


def _filters(row: Mapping[str, Any], metric: Metric | None, at: str) -> dict[str, list[str]]:
    filters = parse_filters(row.get("filters"), pointer=f"{at}/filters")
    for dimension in filters:
        _check_dimension(dimension, metric, f"{at}/filters/{dimension}")
    return {dimension: list(values) for dimension, values in filters.items()}


def _group_by(
    row: Mapping[str, Any], metric: Metric | None, filters: Mapping[str, Sequence[str]], at: str
) -> str | None:
    at = f"{at}/group_by"
    dimension = parse_group(row.get("group_by"), metric.code if metric else None, pointer=at)
    if dimension is None:
        return None
    _check_dimension(dimension, metric, at)
    if len(filters.get(dimension, ())) == 1:
        message = f"This price is for {dimension} {filters[dimension][0]} alone: there is nothing to group."
        raise RuleBroken(at, "one_group", message)
    return dimension


def _check_dimension(dimension: str, metric: Metric | None, at: str) -> None:
    if metric is None or dimension not in metric.dimensions:
        known = ", ".join(metric.dimensions) if metric else ""
        message = f"The metric has no dimension {dimension!r}. It has: {known or 'none'}."
        raise RuleBroken(at, "unknown_dimension", message)


def _check_distinct(made: Sequence[PriceComponent]) -> None:
    faults = Faults()
    codes: set[tuple[str, str]] = set()
    usages: set[tuple[str, str, str]] = set()
    for n, component in enumerate(made):
        at = f"/components/{n}"
        if (component.code, component.currency) in codes:
            faults.add(f"{at}/code", "duplicate", f"Two components are called {component.code}.")
        codes.add((component.code, component.currency))
        if component.metric is not None:
            usage = (component.metric.code, component.currency, str(sorted(component.filters.items())))
            if usage in usages:
                message = f"{component.metric.code} is priced twice for the same dimension values."
                faults.add(f"{at}/metric", "duplicate", message)
            usages.add(usage)
    faults.refuse()


def _check_one_meaning(made: Sequence[PriceComponent]) -> None:
    """Refuse a code that is for one thing in one currency and for another in the next."""
    first: dict[str, PriceComponent] = {}
    for n, component in enumerate(made):
        other = first.setdefault(component.code, component)
        for name, differs in (
            ("metric", component.metric is not other.metric),
            ("filters", component.filters != other.filters),
        ):
            if differs:
                message = (
                    f"{component.code} has other {'usage' if name == 'metric' else 'dimension values'} in "
                    f"{other.currency} than in {component.currency}: give it another code."
                )
                raise RuleBroken(f"/components/{n}/{name}", "currency_mismatch", message)
