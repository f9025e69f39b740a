"""Subscriptions: who is on which version of which plan, and from when to when."""

from datetime import datetime

from wtforms import StringField
from wtforms.validators import InputRequired, Length

from admin_views.base import ModelScreen
from admin_views.operations import Operation
from admin_views.registry import screen
from app.models import Subscription
from app.models.plans import SubscriptionStatus
from app.permissions import Actor
from app.services import subscriptions


def end(subscription: Subscription, *, reason: str, at: datetime, actor: Actor) -> Subscription:
    """End a subscription now."""
    return subscriptions.end(subscription, at=at, reason=reason, actor=actor)


@screen(Subscription, category="Billing", icon="repeat", place=4)
class SubscriptionScreen(ModelScreen):
    """The subscriptions. One starts from its account's page."""

    column_list = ("account", "plan", "version", "status", "start_at", "end_at", "anchor")
    search = ("account.name", "plan.name")
    filters = ("status", "plan", "account", "start_at")
    empty = "Open an account and put it on a plan there."
    operations = (
        Operation(
            "end",
            "End",
            run=end,
            icon="ban",
            danger=True,
            inputs={"reason": StringField("Reason", validators=[InputRequired(), Length(max=300)])},
            when=lambda subscription: subscription.status != SubscriptionStatus.ended,
            confirm=(
                "The subscription ends now. What was used until now is still billed at the end of the period."
            ),
        ),
    )
