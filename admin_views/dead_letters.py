"""Dead letters: events that were refused, with the reason, until somebody mends, replays or discards them."""

from admin_views.base import ModelScreen
from admin_views.operations import Operation
from admin_views.registry import screen
from app.models import DeadLetter
from app.models.usage import DeadLetterStatus
from app.services import dead_letters


def is_open(letter: DeadLetter) -> bool:
    """Tell whether somebody still has to decide."""
    return letter.status == DeadLetterStatus.open


@screen(DeadLetter, category="Usage", icon="mailbox", place=2)
class DeadLetterScreen(ModelScreen):
    """The refused events, the latest first."""

    column_list = (
        "last_seen_at",
        "code",
        "message",
        "account_ref",
        "metric_code",
        "event_id",
        "seen",
        "status",
        "source",
    )
    search = ("=event_id", "=account_ref")
    filters = ("status", "code", "metric_code", "last_seen_at")
    big = True
    walk = ("last_seen_at", "id")
    intro = "Nothing that was sent is lost: what could not be counted waits here with its reason."
    empty = (
        "Nothing was refused. Events with an unknown account or metric, "
        "a bad value or a bad time would wait here."
    )
    operations = (
        Operation(
            "replay",
            "Replay",
            run=dead_letters.replay,
            icon="refresh",
            when=is_open,
            confirm=(
                "The event is taken in again as it was sent. It counts once, however often it is replayed."
            ),
        ),
        Operation(
            "discard",
            "Discard",
            run=dead_letters.discard,
            icon="trash",
            danger=True,
            when=is_open,
            confirm="The event will never count. Its record stays here.",
        ),
    )
    details = (
        "status",
        "code",
        "message",
        "pointer",
        "payload",
        "account_ref",
        "metric_code",
        "event_id",
        "source",
        "seen",
        "first_seen_at",
        "last_seen_at",
        "id",
    )
