"""Moves of many subscriptions to another version of their plan: shown first, then done by a worker."""

from dataclasses import dataclass
from datetime import date, datetime

from wtforms import SelectField
from wtforms.validators import InputRequired, Optional

from admin_views.base import ModelScreen
from admin_views.fields import DayField, WholeField
from admin_views.lookups import Lookup, LookupField
from admin_views.previewed import Previewed, PreviewedRoutes
from admin_views.records import Related
from admin_views.registry import screen
from admin_views.subscriptions import MOMENTS, moment
from app.models import PlanMove, PlanMoveItem, PlanVersion, PricePlan
from app.permissions import Actor
from app.services import plan_moves, plans
from app.services.plan_moves import Planned
from app.services.subscription_changes import NOW


@dataclass(frozen=True)
class Look:
    """What a move would do."""

    target: PlanVersion
    rows: list[Planned]

    @property
    def moving(self) -> int:
        """How many would move."""
        return sum(1 for row in self.rows if row.problem is None)


def show(
    *,
    plan: PricePlan,
    to_version: int,
    from_version: int | None,
    when: str,
    day: date | None,
    at: datetime,
    actor: Actor,
) -> Look:
    """Return which subscriptions would move, and when."""
    target = plans.get_version(plan.code, to_version)
    return Look(target, plan_moves.look(target, when=moment(when, day), at=at, from_version=from_version))


def start(
    *,
    plan: PricePlan,
    to_version: int,
    from_version: int | None,
    when: str,
    day: date | None,
    at: datetime,
    actor: Actor,
) -> PlanMove:
    """Begin the move; a worker does it."""
    target = plans.get_version(plan.code, to_version)
    return plan_moves.start(target, when=moment(when, day), at=at, actor=actor, from_version=from_version)


@screen(PlanMove, category="Billing", title="Plan moves", icon="stack-push", place=6)
class PlanMoveScreen(PreviewedRoutes, ModelScreen):
    """The moves, the latest first, and what became of each subscription."""

    column_list = ("created_at", "version.plan", "version", "on_day", "status", "started_by", "finished_at")
    search = ("started_by",)
    filters = ("status",)
    labels = {"on_day": "On", "version.plan": "Plan", "created_at": "Started"}
    intro = "Who subscribed keeps the prices of that day. A move brings subscriptions to another version."
    empty = "Publish a new version, then move to it who shall pay its prices."
    operations = (
        Previewed(
            "move",
            "Move subscriptions",
            run=start,
            show=show,
            part="admin/subscriptions/move_preview.html",
            icon="stack-push",
            on_list=True,
            inputs={
                "plan": LookupField(Lookup("plan", PricePlan), label="Plan", validators=[InputRequired()]),
                "to_version": WholeField("To version", validators=[InputRequired()]),
                "from_version": WholeField(
                    "From version", validators=[Optional()], description="Empty: from all other versions."
                ),
                "when": SelectField("When", choices=[one for one in MOMENTS if one.value != NOW]),
                "day": DayField("Day", validators=[Optional()], description="Only for “On a day”."),
            },
            confirm="You see who would move, and when, before it happens.",
        ),
    )
    related = (
        Related(
            PlanMoveItem,
            by="move_id",
            columns=("subscription.account", "from_version", "at", "status", "message"),
            title="Subscriptions",
            limit=50,
        ),
    )


@screen(
    PlanMoveItem,
    category="Billing",
    title="Plan move results",
    icon="list-details",
    place=9,
    listed=False,
)
class PlanMoveItemScreen(ModelScreen):
    """What became of each subscription in each move."""

    column_list = ("subscription.account", "move", "from_version", "at", "status", "message")
    search = ("subscription.account.name",)
    filters = ("status", "move")
    empty = "Start a plan move: it says here what became of each subscription."
    order = "-id"
