"""Usage: the events as they arrived, what they add up to, and what was refused."""

from admin_views.base import ModelScreen
from admin_views.registry import screen
from app.models import ChargePosition, UsageEvent, UsageRollup


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


@screen(UsageRollup, category="Usage", icon="stack-2", place=3)
class UsageRollupScreen(ModelScreen):
    """What usage adds up to, in buckets of 15 minutes."""

    column_list = ("bucket_at", "account", "metric", "dimensions", "quantity", "events")
    search = ("=account.external_id",)
    filters = ("account", "metric", "bucket_at")
    big = True
    walk = ("bucket_at", "account_id", "metric_id", "dimensions")


@screen(ChargePosition, category="Usage", icon="calculator", place=4)
class ChargePositionScreen(ModelScreen):
    """What each component has added up to in each period, and how much of it was charged."""

    column_list = ("component", "account", "period_start", "quantity", "charged_amount", "invoiced_amount")
    search = ("account.name",)
    filters = ("account",)
    big = True
