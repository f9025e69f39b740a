"""Usage: the events as they arrived, and what has been charged for them."""

from admin_views.base import ModelScreen
from admin_views.registry import screen
from app.models import ChargePosition, UsageEvent


@screen(UsageEvent, category="Usage", icon="activity", place=1)
class UsageEventScreen(ModelScreen):
    """Every accepted event, newest first. Walked by key, never counted: there may be hundreds of millions."""

    column_list = ("event_id", "account", "metric", "quantity", "properties", "occurred_at", "received_at")
    search = ("=event_id",)
    filters = ("account", "metric", "occurred_at")
    big = True
    walk = ("occurred_at", "account_id", "event_id")
    intro = "What services reported, exactly once per account and event id."
    empty = "Post an event to /api/v1/events with an API key; it shows here at once."


@screen(ChargePosition, category="Usage", icon="calculator", place=4, listed=False)
class ChargePositionScreen(ModelScreen):
    """What each component has added up to in each period, and how much of it was charged."""

    column_list = ("component", "account", "period_start", "quantity", "charged_amount", "invoiced_amount")
    search = ("account.name",)
    filters = ("account",)
    big = True
