"""Pricing: plans with their versions, and quotes without a plan (API.md §3, §5)."""

from datetime import date
from typing import Annotated, Any

from flask import Blueprint, Response
from sqlalchemy import select
from sqlalchemy.orm import selectinload

from app import clock
from app.api import price_shapes, serializers
from app.api.body import UNSET, Body, Code, CurrencyCode, Meta, Page, Text, UnsetType, given
from app.api.endpoint import endpoint
from app.api.envelope import paginate, success
from app.api.guards import current_actor, guard
from app.api.idempotency import idempotent
from app.api.serializers import need_staff
from app.domain.quotes import quote
from app.models import PlanVersion, PriceComponent, PricePlan
from app.services import plans

blueprint = Blueprint("pricing", __name__)

VERSION_FIELDS = ("interval", "effective_on", "charge_zero_first_tier", "suspend_when_empty")
Components = Annotated[
    list[Annotated[dict[str, Any], Meta(extra_json_schema=price_shapes.component(price_shapes.IN_PLANS))]],
    Meta(
        max_length=100,
        description="Each a metric, a model and the fields of the model, as in a quote; beside them `code`, "
        "`name`, `currency`, `filters`, `timing`, `prorated`, `sac`. Without a metric it is a fixed fee.",
    ),
]
Interval = Annotated[str, Meta(description="`week`, `month` (the default), `quarter` or `year`")]
FirstDay = Annotated[date | None, Meta(description="First day on which new subscriptions get it")]


class NewPlan(Body):
    """A plan with a draft first version. `currency` is that of components that name none."""

    code: Code
    name: Text | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    currency: CurrencyCode = "INR"
    interval: Interval | UnsetType = UNSET
    effective_on: FirstDay | UnsetType = UNSET
    charge_zero_first_tier: bool | UnsetType = UNSET
    suspend_when_empty: bool | UnsetType = UNSET
    components: Components = []


class NewVersion(Body):
    """A draft version; what is left out is taken from the version before."""

    currency: CurrencyCode = "INR"
    interval: Interval | UnsetType = UNSET
    effective_on: FirstDay | UnsetType = UNSET
    charge_zero_first_tier: bool | UnsetType = UNSET
    suspend_when_empty: bool | UnsetType = UNSET
    components: Components | UnsetType = UNSET


class Quote(Body):
    """Components and usage to be priced."""

    currency: CurrencyCode
    components: Annotated[
        list[Any],
        Meta(max_length=100, extra_json_schema={"items": price_shapes.component(price_shapes.IN_QUOTES)}),
    ]
    usage: Annotated[list[Any], Meta(max_length=100)]
    minimum: Annotated[Any, Meta(description="The least total, as a decimal, or null")] = None
    maximum: Annotated[Any, Meta(description="The greatest total, as a decimal, or null")] = None
    charge_zero_first_tier: bool = False


@blueprint.get("/pricing")
@guard("catalog", "read")
@endpoint("List plans", query=Page, answers="plan", many=True)
def list_plans(query: Page) -> Response:
    """The newest first, each with its versions."""
    loaded = selectinload(PricePlan.versions).selectinload(PlanVersion.components)
    chosen = select(PricePlan).options(loaded.joinedload(PriceComponent.metric))
    rows, cursor = paginate(chosen, query, (PricePlan.id,))
    return success([serializers.plan(row) for row in rows], next_cursor=cursor)


@blueprint.post("/pricing")
@guard("catalog", "write")
@idempotent
@endpoint("Make a plan", body=NewPlan, answers="plan", status=201)
def make_plan(body: NewPlan) -> Response:
    """Its first version is a draft: publish it before anybody subscribes."""
    need_staff("Making plans")
    values = given(body)
    prices = _in_currency(values.pop("components"), values.pop("currency"))
    version = {name: values.pop(name) for name in VERSION_FIELDS if name in values}
    made = plans.create(values, version=version, prices=prices, actor=current_actor())
    return success(serializers.plan(made), 201)


@blueprint.get("/pricing/<code>")
@guard("catalog", "read")
@endpoint("Read a plan", answers="plan")
def read_plan(code: str) -> Response:
    """With all its versions and their components."""
    return success(serializers.plan(plans.get(code)))


@blueprint.post("/pricing/<code>/versions")
@guard("catalog", "write")
@idempotent
@endpoint("Add a version to a plan", body=NewVersion, answers="plan_version", status=201)
def add_version(code: str, body: NewVersion) -> Response:
    """A published version never changes: a change of price is a new version."""
    need_staff("Adding versions")
    values = given(body)
    currency, prices = values.pop("currency"), values.pop("components", None)
    if prices is not None:
        prices = _in_currency(prices, currency)
    made = plans.add_version(plans.get(code), values, prices=prices, actor=current_actor())
    return success(serializers.plan_version(made), 201)


@blueprint.post("/pricing/<code>/versions/<int:number>/publish")
@guard("catalog", "write")
@idempotent
@endpoint("Publish a version", answers="plan_version")
def publish(code: str, number: int) -> Response:
    """From then on it is frozen, and new subscriptions get it from its effective day on."""
    need_staff("Publishing")
    version = plans.publish(plans.get_version(code, number), at=clock.now(), actor=current_actor())
    return success(serializers.plan_version(version))


@blueprint.post("/pricing/quote")
@guard("catalog", "read")
@endpoint("Price given usage", body=Quote, answers="quote")
def make_quote(body: Quote) -> Response:
    """Nothing is stored. `amount_exact` is unrounded, `amount` is rounded once."""
    priced = quote(
        body.components,
        body.usage,
        body.currency,
        body.minimum,
        body.maximum,
        charge_zero_first_tier=body.charge_zero_first_tier,
    )
    return success({"type": "quote", "attributes": priced})


def _in_currency(rows: list[dict[str, Any]], currency: str) -> list[dict[str, Any]]:
    return [{"currency": currency, **row} for row in rows]
