"""Dead letters: events that were refused, with the reason, until somebody mends, replays or discards them."""

from admin_views.base import ModelScreen
from admin_views.registry import screen
from app.models import DeadLetter


@screen(DeadLetter, category="Usage", icon="mailbox", place=2)
class DeadLetterScreen(ModelScreen):
    """The refused events, the latest first."""

    column_list = ("last_seen_at", "code", "message", "account_ref", "metric_code", "event_id", "seen", "status", "source")
    search = ("=event_id", "=account_ref")
    filters = ("status", "code", "metric_code", "last_seen_at")
    big = True
    walk = ("last_seen_at", "id")
    intro = "Nothing that was sent is lost: what could not be counted waits here with its reason."
    empty = "Nothing was refused. Events with an unknown account or metric, a bad value or a bad time would wait here."
    details = (
        "status", "code", "message", "pointer", "payload", "account_ref", "metric_code", "event_id", "source", "seen", "first_seen_at",
        "last_seen_at", "id",
    )  # fmt: skip
