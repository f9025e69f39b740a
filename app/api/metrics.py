"""Metrics: what is counted, and by which rule."""

from typing import Annotated

from flask import Blueprint, Response
from sqlalchemy import select

from app.api import serializers
from app.api.body import UNSET, Body, Code, Meta, Page, Text, UnsetType, given
from app.api.endpoint import endpoint
from app.api.envelope import paginate, success
from app.api.guards import current_actor, guard
from app.api.idempotency import idempotent
from app.api.serializers import need_staff
from app.domain.aggregations import aggregations
from app.models import Metric
from app.services import metrics

blueprint = Blueprint("metrics", __name__)

Property = Annotated[
    str | None,
    Meta(
        description="The event property to read; without it the event's quantity. `count` reads none, "
        "`unique_count` and `weighted_sum` need one."
    ),
]
CHOICES = "Default: `count`. " + " ".join(f"`{name}`: {entry.label}." for name, entry in aggregations.items())


class NewMetric(Body):
    """A metric to be defined."""

    code: Annotated[Code, Meta(description="What events name, such as auth.otp.")]
    name: Text | UnsetType = UNSET
    aggregation: Annotated[str, Meta(description=CHOICES)] | UnsetType = UNSET
    value_property: Property | UnsetType = UNSET
    unit: Text | UnsetType = UNSET
    dimensions: Annotated[list[str], Meta(description="Properties to price or report by")] | UnsetType = UNSET


class MetricChange(Body):
    """How a metric is called, and whether events may still name it. How it counts stays."""

    name: Text | UnsetType = UNSET
    unit: Text | UnsetType = UNSET
    active: bool | UnsetType = UNSET


@blueprint.get("/metrics")
@guard("catalog", "read")
@endpoint("List metrics", query=Page, answers="metric", many=True)
def list_metrics(query: Page) -> Response:
    """The newest first."""
    rows, cursor = paginate(select(Metric), query, (Metric.id,))
    return success([serializers.metric(row) for row in rows], next_cursor=cursor)


@blueprint.post("/metrics")
@guard("catalog", "write")
@idempotent
@endpoint("Define a metric", body=NewMetric, answers="metric", status=201)
def define_metric(body: NewMetric) -> Response:
    """A definition that could not be counted is refused now, not when it is billed: an aggregation that does
    not exist, a property that it needs or does not read, a dimension that would tear its values apart."""
    need_staff("Defining metrics")
    return success(serializers.metric(metrics.create(given(body), actor=current_actor())), 201)


@blueprint.get("/metrics/<code>")
@guard("catalog", "read")
@endpoint("Read a metric", answers="metric")
def read_metric(code: str) -> Response:
    """By its code."""
    return success(serializers.metric(metrics.get(code)))


@blueprint.patch("/metrics/<code>")
@guard("catalog", "write")
@idempotent
@endpoint("Change a metric", body=MetricChange, answers="metric")
def change_metric(code: str, body: MetricChange) -> Response:
    """To count otherwise, define a new metric."""
    need_staff("Changing metrics")
    return success(serializers.metric(metrics.update(metrics.get(code), given(body), actor=current_actor())))
