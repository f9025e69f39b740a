"""Subscriptions: who is on which version of which plan, from when to when, and what happens to them."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import joinedload
from wtforms import SelectField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired, Length, Optional

from admin_views.base import ModelScreen
from admin_views.contract_part import ContractPart
from admin_views.contracts import CONTRACT_OPERATIONS
from admin_views.fields import DayField, WholeField
from admin_views.lookups import Lookup, LookupField
from admin_views.operations import Operation
from admin_views.previewed import Previewed, PreviewedRoutes
from admin_views.registry import screen
from app.db import db
from app.errors import Invalid
from app.models import PlanVersion, PricePlan, Subscription
from app.models.plans import Ending, SubscriptionStatus
from app.permissions import Actor
from app.services import subscription_changes, subscriptions
from app.services.subscription_changes import NOW, PERIOD_END
from app.services.subscription_previews import Preview, preview

DAY = "day"
MOMENTS = [
    SelectChoice(NOW, "Now"),
    SelectChoice(PERIOD_END, "At the end of the billing period"),
    SelectChoice(DAY, "On a day"),
]
RUNS = (SubscriptionStatus.scheduled, SubscriptionStatus.trialing, SubscriptionStatus.active)


def moment(when: str, day: date | None) -> str:
    """Return the moment that the inputs name, as services read it.

    Raises:
        Invalid: the day is left out.
    """
    if when != DAY:
        return when
    if day is None:
        raise Invalid.at("/day", "Choose the day.", code="required")
    return day.isoformat()


def moments(*left_out: str) -> dict[str, Any]:
    """Return the inputs that name a moment."""
    choices = [one for one in MOMENTS if one.value not in left_out]
    return {
        "when": SelectField("When", choices=choices),
        "day": DayField(
            "Day",
            validators=[Optional()],
            description="In the account's zone, from its first instant on; only for “On a day”.",
        ),
    }


def change(
    subscription: Subscription,
    *,
    plan: PricePlan,
    version: int | None,
    when: str,
    day: date | None,
    at: datetime,
    actor: Actor,
) -> Subscription:
    """Put a subscription on another plan or version."""
    return subscription_changes.change(
        subscription, plan.code, version=version, when=moment(when, day), at=at, actor=actor
    )


def pause(
    subscription: Subscription, *, when: str, day: date | None, reason: str, at: datetime, actor: Actor
) -> Subscription:
    """Let a subscription rest."""
    return subscription_changes.pause(subscription, when=moment(when, day), reason=reason, at=at, actor=actor)


def resume(
    subscription: Subscription, *, when: str, day: date | None, at: datetime, actor: Actor
) -> Subscription:
    """Let a paused subscription go on."""
    return subscription_changes.resume(subscription, when=moment(when, day), at=at, actor=actor)


def cancel(
    subscription: Subscription, *, when: str, day: date | None, reason: str, at: datetime, actor: Actor
) -> Subscription:
    """End a subscription."""
    ends_at = subscription_changes.moment_of(subscription, moment(when, day))
    return subscriptions.end(subscription, at=ends_at, reason=reason, actor=actor)


def shown(act: Callable[..., Subscription]) -> Callable[..., Preview]:
    """Return the function that shows what an operation would do to the amounts."""

    def show(subscription: Subscription, **inputs: Any) -> Preview:
        return preview(subscription, lambda: act(subscription, **inputs))

    return show


def goes_on(subscription: Subscription) -> bool:
    """True while nothing ends it."""
    return subscription.status in RUNS and subscription.end_at is None


def is_scheduled(subscription: Subscription) -> bool:
    """True while something is to happen to it."""
    follows = subscription.status == SubscriptionStatus.scheduled and subscription.previous_id is not None
    return follows or (subscription.status in RUNS and subscription.end_at is not None)


REASON = StringField("Reason", validators=[InputRequired(), Length(max=300)])
PREVIEW = "admin/subscriptions/preview.html"


@screen(Subscription, category="Billing", icon="repeat", place=5)
class SubscriptionScreen(PreviewedRoutes, ContractPart, ModelScreen):
    """The subscriptions by segment, and the page of one. One starts from its account's page."""

    column_list = ("account", "plan", "version", "status", "start_at", "end_at", "anchor")
    search = ("account.name", "plan.name")
    filters = ("status", "plan", "account", "start_at")
    intro = "A change of plan or a pause ends a segment; the next one begins where it goes on."
    empty = "Open an account and put it on a plan there."
    labels = {"anchor": "Periods", "anchor_on": "Periods since"}
    details = (
        "status",
        "account",
        "plan",
        "version",
        "anchor",
        "anchor_on",
        "id",
        "created_at",
        "updated_at",
    )
    parts = ("admin/subscriptions/segments.html", "admin/subscriptions/contract.html")
    operations = (
        Previewed(
            "change",
            "Change plan",
            run=change,
            show=shown(change),
            part=PREVIEW,
            icon="arrows-exchange",
            when=goes_on,
            inputs={
                "plan": LookupField(Lookup("plan", PricePlan), label="Plan", validators=[InputRequired()]),
                "version": WholeField(
                    "Version", validators=[Optional()], description="Empty: the one that is sold then."
                ),
                **moments(),
            },
            confirm="The day of the change belongs to the new plan. You see the amounts before it happens.",
        ),
        Previewed(
            "pause",
            "Pause",
            run=pause,
            show=shown(pause),
            part=PREVIEW,
            icon="player-pause",
            when=goes_on,
            inputs={**moments(), "reason": REASON},
            confirm="Nothing is owed and usage is denied until it is resumed.",
        ),
        Previewed(
            "resume",
            "Resume",
            run=resume,
            show=shown(resume),
            part=PREVIEW,
            icon="player-play",
            when=lambda subscription: subscription.status == SubscriptionStatus.paused,
            inputs=moments(PERIOD_END),
            confirm="It goes on with the version and the billing periods from before the pause.",
        ),
        Operation(
            "take_back",
            "Take back",
            run=lambda subscription, *, at, actor: (
                subscription_changes.take_back(subscription, at=at, actor=actor).version.label
                + " goes on; what was scheduled is taken back."
            ),
            icon="arrow-back-up",
            when=is_scheduled,
            bulk=False,
            confirm="What is scheduled for this subscription does not happen.",
        ),
        Previewed(
            "cancel",
            "Cancel subscription",
            run=cancel,
            show=shown(cancel),
            part=PREVIEW,
            icon="ban",
            danger=True,
            when=lambda subscription: (
                subscription.status != SubscriptionStatus.ended and subscription.ended_by != Ending.change
            ),
            inputs={**moments(), "reason": REASON},
            confirm="What was used until then is still billed at the end of the period.",
        ),
        *CONTRACT_OPERATIONS,
    )

    def timeline(self, record: Subscription) -> list[Subscription]:
        """Return all segments of the subscription, the first one first."""
        query = (
            select(Subscription)
            .where(Subscription.origin_id == record.origin_id)
            .options(joinedload(Subscription.version).joinedload(PlanVersion.plan))
            .order_by(Subscription.start_at, Subscription.id)
        )
        return list(db.session.scalars(query))
