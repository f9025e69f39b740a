"""Metrics: what is counted, and by which rule."""

from collections.abc import Mapping
from re import compile as pattern
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from app.db import db
from app.domain.aggregations import aggregations
from app.domain.errors import RuleBroken
from app.errors import Conflict, Invalid, NotFound
from app.models import Metric
from app.permissions import Actor
from app.services import audit, cache, inputs, marks
from app.services.inputs import optional, text

CODE = pattern(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
MOST_DIMENSIONS = 10


def code(value: Any, pointer: str) -> str:
    """Return a code as metrics, plans and components have it: 1 to 100 of letters, digits, dot, dash,
    underscore."""
    if not isinstance(value, str) or not CODE.fullmatch(value):
        raise RuleBroken(
            pointer, "bad_code", "A code has 1 to 100 letters, digits, dots, dashes or underscores."
        )
    return value


def _aggregation(value: Any, pointer: str) -> str:
    if value not in aggregations:
        raise RuleBroken(pointer, "unknown_aggregation", f"Choose one of: {', '.join(aggregations)}.")
    return str(value)


def _dimensions(value: Any, pointer: str) -> list[str]:
    if not isinstance(value, list | tuple) or len(value) > MOST_DIMENSIONS:
        raise RuleBroken(
            pointer, "not_a_list", f"A list of at most {MOST_DIMENSIONS} names of properties is needed."
        )
    names = [text(100)(name, f"{pointer}/{n}") for n, name in enumerate(value)]
    if len(set(names)) != len(names):
        raise RuleBroken(pointer, "duplicate", "A dimension is named twice.")
    return names


READERS: dict[str, inputs.Reader] = {
    "code": code,
    "name": text(300),
    "aggregation": _aggregation,
    "value_property": optional(text(255)),
    "unit": text(50),
    "dimensions": _dimensions,
    "active": inputs.yes_or_no,
}
# What has been counted was counted by these.
FIXED = frozenset({"code", "aggregation", "value_property", "dimensions"})


def create(values: Mapping[str, Any], *, actor: Actor) -> Metric:
    """Make a metric; `code` is needed, the name is the code and the aggregation `count` by default.

    Raises:
        Invalid: with every attribute that cannot be used; an aggregation that is not registered, or that
            could not count by this value property and these dimensions.
        Conflict: the code is taken.
    """
    found = inputs.read(values, READERS, required=("code",))
    given = {
        "name": found["code"],
        "aggregation": "count",
        "unit": "unit",
        "dimensions": [],
        "active": True,
        **found,
    }
    with inputs.refusals():
        entry = aggregations[given["aggregation"]]
        entry.check_definition(given.get("value_property"), given["dimensions"])
    metric = Metric(**given)
    try:
        with db.session.begin_nested():
            db.session.add(metric)
    except IntegrityError:
        raise Conflict.at("/code", f"There is a metric {metric.code} already.", code="taken") from None
    audit.record(actor, "metric.created", metric, summary=f"Metric {metric.code} was defined", after=given)
    return metric


def update(metric: Metric, values: Mapping[str, Any], *, actor: Actor) -> Metric:
    """Change how a metric is called or whether it is active; how it counts stays, a new metric is made for
    that.

    Raises:
        Invalid: an attribute that cannot be used or that stays as it is.
    """
    found = inputs.read(values, READERS)
    for name in sorted(FIXED & found.keys()):
        if found[name] != getattr(metric, name):
            raise Invalid.at(f"/{name}", f"The {name} of a metric stays: define a new metric.", code="frozen")
    for name, value in found.items():
        setattr(metric, name, value)
    before, after = audit.changes(metric)
    if after:
        cache.changed([marks.METRICS])
        summary = f"Metric {metric.code} was changed"
        audit.record(actor, "metric.updated", metric, summary=summary, before=before, after=after)
    return metric


def get(metric_code: str) -> Metric:
    """Return the metric with this code.

    Raises:
        NotFound: there is none.
    """
    metric = db.session.scalar(select(Metric).where(Metric.code == metric_code))
    if metric is None:
        raise NotFound(f"There is no metric {metric_code!r}.")
    return metric
