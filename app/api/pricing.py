"""Pricing: plans with their versions, and quotes without a plan (docs/api/plans.md)."""

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
from app.services import plan_contents, plans, plans_kept

blueprint = Blueprint("pricing", __name__)

VERSION_FIELDS = ("interval", "effective_on", "charge_zero_first_tier", "suspend_when_empty")
Components = Annotated[
    list[Annotated[dict[str, Any], Meta(extra_json_schema=price_shapes.component(price_shapes.IN_PLANS))]],
    Meta(
        max_length=100,
        description="Each a metric, a model and the fields of the model, as in a quote; beside them `code`, "
        "`name`, `currency`, `filters`, `group_by`, `timing`, `prorated`, `sac`. Without a metric it is a "
        "fixed fee.",
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


class VersionChange(Body):
    """What of a draft changes; `components` replaces all of them."""

    currency: CurrencyCode = "INR"
    interval: Interval | UnsetType = UNSET
    effective_on: FirstDay | UnsetType = UNSET
    charge_zero_first_tier: bool | UnsetType = UNSET
    suspend_when_empty: bool | UnsetType = UNSET
    components: Components | UnsetType = UNSET


class Clone(Body):
    """Another plan like this one; `version` is the one to start from, by default the last."""

    code: Code
    name: Text | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    version: int | UnsetType = UNSET


class Quote(Body):
    """Components and usage to be priced."""

    currency: CurrencyCode
    components: Annotated[
        list[Any],
        Meta(max_length=100, extra_json_schema={"items": price_shapes.component({})}),
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

    def made() -> dict[str, Any]:
        loaded = selectinload(PricePlan.versions).selectinload(PlanVersion.components)
        chosen = select(PricePlan).options(loaded.joinedload(PriceComponent.metric))
        rows, cursor = paginate(chosen, query, (PricePlan.id,))
        return {"plans": [serializers.plan(row) for row in rows], "next_cursor": cursor}

    kept = plans_kept.read_list(query.limit, query.cursor, made)
    return success(kept["plans"], next_cursor=kept["next_cursor"])


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
    return success(plans_kept.read(code, lambda: serializers.plan(plans.get(code))))


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


@blueprint.post("/pricing/<code>/clone")
@guard("catalog", "write")
@idempotent
@endpoint("Clone a plan", body=Clone, answers="plan", status=201)
def clone_plan(code: str, body: Clone) -> Response:
    """The first version of the new plan is a draft with the terms and components of the one it is made of."""
    need_staff("Making plans")
    values = given(body)
    plan = plans.get(code)
    number = values.pop("version", plan.versions[-1].number)
    made = plans.clone(plans.get_version(code, number), values, actor=current_actor())
    return success(serializers.plan(made), 201)


@blueprint.get("/pricing/<code>/versions/<int:number>")
@guard("catalog", "read")
@endpoint("Read a version", answers="plan_version")
def read_version(code: str, number: int) -> Response:
    """With its components."""
    return success(serializers.plan_version(plans.get_version(code, number)))


@blueprint.patch("/pricing/<code>/versions/<int:number>")
@guard("catalog", "write")
@idempotent
@endpoint("Change a draft version", body=VersionChange, answers="plan_version")
def change_version(code: str, number: int, body: VersionChange) -> Response:
    """Only a draft can change: for a published version this is 409 `frozen`, make a new version."""
    need_staff("Changing versions")
    values = given(body)
    currency, prices = values.pop("currency"), values.pop("components", None)
    if prices is not None:
        prices = _in_currency(prices, currency)
    version = plans.update_version(
        plans.get_version(code, number), values, prices=prices, actor=current_actor()
    )
    return success(serializers.plan_version(version))


@blueprint.post("/pricing/<code>/versions/<int:number>/clone")
@guard("catalog", "write")
@idempotent
@endpoint("Clone a version", answers="plan_version", status=201)
def clone_version(code: str, number: int) -> Response:
    """Adds a draft to the plan with the terms and components of this version."""
    need_staff("Adding versions")
    base = plans.get_version(code, number)
    made = plans.add_version(base.plan, base=base, actor=current_actor())
    return success(serializers.plan_version(made), 201)


@blueprint.get("/pricing/<code>/versions/<int:number>/diff/<int:other>")
@guard("catalog", "read")
@endpoint("Compare two versions", answers="plan_version_diff")
def compare_versions(code: str, number: int, other: int) -> Response:
    """How `other` differs: its own terms, and component by component, field by field, tiers side by side.

    Components are the same by code and currency. Each has its `change` (`added removed changed same`), the
    `fields` that differ and, where tiers differ, all `tiers` of both.
    """
    compared = plan_contents.compare(plans.get_version(code, number), plans.get_version(code, other))
    return success({"type": "plan_version_diff", "attributes": compared})


@blueprint.post("/pricing/<code>/versions/<int:number>/publish")
@guard("catalog", "write")
@idempotent
@endpoint("Publish a version", answers="plan_version")
def publish(code: str, number: int) -> Response:
    """From then on it is frozen, and new subscriptions get it from its effective day on.

    Refused at `/components` where a currency lacks a component that another one has (`incomplete_currency`),
    at `/effective_on` where it or another published version would never be in effect (`overlapping`).
    """
    need_staff("Publishing")
    version = plans.publish(plans.get_version(code, number), at=clock.now(), actor=current_actor())
    return success(serializers.plan_version(version))


@blueprint.post("/pricing/<code>/versions/<int:number>/retire")
@guard("catalog", "write")
@idempotent
@endpoint("Retire a version", answers="plan_version")
def retire(code: str, number: int) -> Response:
    """New subscriptions no longer get it; who is on it stays."""
    need_staff("Retiring")
    version = plans.retire(plans.get_version(code, number), at=clock.now(), actor=current_actor())
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
