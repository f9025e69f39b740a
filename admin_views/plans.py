"""Plans with their versions and components: what things cost."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from markupsafe import Markup
from wtforms import StringField
from wtforms.validators import InputRequired, Length

from admin_views import formatters
from admin_views.base import ModelScreen
from admin_views.fields import DocumentField
from admin_views.operations import Operation
from admin_views.plan_editor import PlanEditorRoutes, is_draft, versions_of
from admin_views.records import Related
from admin_views.registry import screen
from admin_views.saving import Writes
from app import clock
from app.models import PlanVersion, PriceComponent, PricePlan, Subscription
from app.models.plans import VersionStatus
from app.permissions import Actor
from app.services import components, plans, publication
from app.templating import quantity, unit_price

PRICES_HELP = (
    'A list of components as the API takes them: [{"code": "otp", "metric": "auth.otp", '
    '"currency": "INR", "model": "per_unit", "unit": "0.25"}]'
)


def add_version(plan: PricePlan, *, at: datetime, actor: Actor) -> str:
    """Start a new draft from the last version."""
    version = plans.add_version(plan, actor=actor)
    return (
        f"Version {version.number} is a draft with the prices of the "
        f"one before. Change them, then publish it."
    )


def set_prices(version: PlanVersion, *, prices: list[Mapping[str, Any]], at: datetime, actor: Actor) -> str:
    """Replace the components of a draft."""
    plans.set_components(version, prices, actor=actor)
    return "The prices of this draft were replaced."


def terms_in_words(component: PriceComponent) -> Markup:
    """Return what a component costs in one line: the price of one, or its tiers, and its groups."""
    words = _price_in_words(component)
    return words if component.group_by is None else words + f"; each {component.group_by} by itself"


def _price_in_words(component: PriceComponent) -> Markup:
    terms = component.terms
    tiers = [_tier_in_words(tier, component.currency) for tier in terms.get("tiers", ())]
    plain = terms.get("unit") or terms.get("price")
    if tiers or plain is None:
        return Markup("; ").join(tiers) or formatters.cell(PriceComponent, component, "terms")
    return unit_price(plain, component.currency)


def _tier_in_words(tier: Mapping[str, Any], currency: str) -> Markup:
    bound = tier.get("up_to")
    reach = Markup("then") if bound is None else Markup("to {} at").format(quantity(bound))
    return Markup("{} {}").format(reach, unit_price(tier.get("unit") or tier.get("percent") or 0, currency))


def clone_plan(plan: PricePlan, *, code: str, name: str, at: datetime, actor: Actor) -> str:
    """Make another plan like the last version of this one."""
    values = {"code": code, **({"name": name} if name else {})}
    last = versions_of(plan.id)[-1]
    made = plans.clone(last, values, actor=actor)
    return f"{made.name} ({made.code}) is a plan of its own now, its first version a draft like {last.label}."


def clone_version(version: PlanVersion, *, at: datetime, actor: Actor) -> str:
    """Start a new draft of the plan from this version."""
    made = plans.add_version(version.plan, base=version, actor=actor)
    return f"Version {made.number} is a draft with the prices of version {version.number}."


def tell_publish(version: PlanVersion) -> str:
    """Say who will get a version, from when, and who will not."""
    return " ".join(publication.foresee(version, clock.now()).sentences)


@screen(PricePlan, category="Catalog", slug="plans", title="Plans", icon="tag", place=2)
class PlanScreen(ModelScreen):
    """The plans by name; what they cost stands in their versions."""

    column_list = ("name", "code", "description", "active", "created_at")
    filters = ("active",)
    inline = ("name", "description")
    empty = "Make a plan, give its first version prices, and publish it."
    can_create = True
    can_edit = True
    writes = Writes(plans.create)
    form_columns = ("code", "name", "description", "active")
    edit_columns = ("name", "description", "active")
    operations = (
        Operation(
            "add_version",
            "New version",
            run=add_version,
            icon="versions",
            bulk=False,
            confirm=(
                "This adds a draft with the prices of the last version. Nobody is charged "
                "by it until it is published and subscribed to."
            ),
        ),
        Operation(
            "clone",
            "Clone",
            run=clone_plan,
            icon="copy",
            inputs={
                "code": StringField("Code", validators=[InputRequired(), Length(max=100)]),
                "name": StringField("Name", validators=[Length(max=300)]),
            },
            confirm=(
                "This makes another plan, its first version a draft with the prices of the last version of "
                "this one."
            ),
        ),
    )
    details_template = "admin/plans/plan.html"
    related = (
        Related(
            PlanVersion,
            by="plan_id",
            columns=("number", "status", "interval", "effective_on", "published_at"),
            title="Versions",
        ),
        Related(Subscription, by="plan_id", columns=("account", "version", "status", "start_at", "end_at")),
    )

    def latest_draft(self, plan: PricePlan) -> PlanVersion | None:
        """Return the version of a plan that its page leads to the editor of."""
        return next((one for one in reversed(versions_of(plan.id)) if is_draft(one)), None)


@screen(PlanVersion, category="Catalog", icon="versions", place=3, listed=False)
class PlanVersionScreen(PlanEditorRoutes, ModelScreen):
    """The versions of the plans: frozen once published."""

    column_list = ("plan", "number", "status", "interval", "effective_on", "published_at")
    search = ("plan.name", "plan.code")
    filters = ("status", "plan")
    empty = "Make a plan: it begins with a first version."
    details_template = "admin/plans/version.html"
    operations = (
        Operation(
            "set_prices",
            "Advanced: JSON",
            run=set_prices,
            icon="code",
            when=is_draft,
            inputs={"prices": DocumentField(label="Components", description=PRICES_HELP)},
            initial=lambda version: {"prices": components.as_prices(version)},
        ),
        Operation(
            "publish",
            "Publish",
            run=plans.publish,
            icon="stack-push",
            when=is_draft,
            explain=tell_publish,
            bulk=False,
        ),
        Operation(
            "clone",
            "Clone",
            run=clone_version,
            icon="copy",
            bulk=False,
            confirm="This adds a draft to the plan with the prices of this version.",
        ),
        Operation(
            "retire",
            "Retire",
            run=plans.retire,
            icon="archive",
            when=lambda version: version.status == VersionStatus.published,
            confirm="New subscriptions no longer get this version. Who is on it stays on it.",
        ),
    )
    related = (
        Related(
            PriceComponent,
            by="plan_version_id",
            columns=("name", "model", "metric", "currency", "terms"),
            title="Prices",
            limit=50,
            empty="No prices yet.",
        ),
    )


@screen(PriceComponent, category="Catalog", icon="coins", place=4, listed=False)
class PriceComponentScreen(ModelScreen):
    """The single prices of all versions."""

    column_list = ("name", "version.plan", "version", "kind", "model", "metric", "currency", "terms")
    formats = {"terms": terms_in_words}
    search = ("code", "name")
    filters = ("kind", "metric", "currency")
    empty = "Prices are written in the editor of a plan's version."
    order = "-id"
