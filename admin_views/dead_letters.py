"""Dead letters: events that were refused, with the reason, until somebody mends, replays or discards them."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from flask import request
from wtforms import SelectField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired

from admin_views.base import ModelScreen
from admin_views.operations import Operation
from admin_views.payload_field import PayloadField
from admin_views.registry import screen
from app.formatting import format_quantity
from app.models import DeadLetter, JobRun
from app.models.usage import DeadLetterStatus
from app.permissions import Actor
from app.services import dead_letters, letter_choices, replays
from app.services.dead_letters import MOST_AT_ONCE, Fate
from app.services.letter_choices import Choice, Waiting
from app.templating import words


def is_open(letter: DeadLetter) -> bool:
    """Tell whether somebody still has to decide."""
    return letter.status == DeadLetterStatus.open


def edit(letter: DeadLetter, *, payload: dict[str, Any], at: datetime, actor: Actor) -> str:
    """Mend the event of a letter."""
    dead_letters.edit(letter, payload, at=at, actor=actor)
    return "The event was edited. Replay it to have it counted."


def replay_reason(*, code: str, at: datetime, actor: Actor) -> str:
    """Replay all open letters of a reason: a few at once, many by a worker."""
    choice = Choice(code=code)
    ids = choice.ids(MOST_AT_ONCE + 1)
    if len(ids) > MOST_AT_ONCE:
        run = replays.start(choice, at=at, actor=actor)
        total = format_quantity((run.detail or {})["total"])
        return f"{total} dead letters are being replayed in the background; this page tells how far it is."
    fates = Counter(one.fate for one in dead_letters.replay_many(ids, at=at, actor=actor))
    told = [
        f"{fates[Fate.replayed]} counted",
        f"{fates[Fate.refused]} refused again",
        f"{fates[Fate.conflict]} in conflict with another event of the same id",
    ]
    return f"Replayed {len(ids)}: {', '.join(told)}."


def reasons() -> list[SelectChoice]:
    """Return the reasons that open letters wait for, with their number."""
    return [
        SelectChoice(one.code, f"{words(one.code)}: {format_quantity(one.count)} waiting")
        for one in letter_choices.waiting()
    ]


def asked_reason(record: None) -> Mapping[str, Any]:
    """Return the reason that the link to the form names."""
    return {"code": request.args.get("code", "")}


OPERATIONS = (
    Operation(
        "replay",
        "Replay",
        run=dead_letters.replay,
        icon="refresh",
        when=is_open,
        confirm="The event is taken in again as it stands. It counts once, however often it is replayed.",
    ),
    Operation(
        "edit",
        "Edit event",
        run=edit,
        icon="edit",
        when=is_open,
        confirm="How the event came is kept beside it, and every edit stands in the audit trail.",
        inputs={"payload": PayloadField(label="Event")},
        initial=lambda letter: {"payload": dead_letters.exact_payloads([letter])[letter.id]},
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
    Operation(
        "replay_reason",
        "Replay all of a reason",
        run=replay_reason,
        icon="refresh",
        on_list=True,
        confirm=(
            "Every open letter of the reason is taken in again, whatever its age. Those whose cause is not "
            "mended stay open. An event counts once, however often it is replayed."
        ),
        inputs={"code": SelectField("Reason", choices=reasons, validators=[InputRequired()])},
        initial=asked_reason,
    ),
)


@screen(DeadLetter, category="Usage", resource="dead_letters", icon="mailbox", place=2)
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
    filters = ("status", "code", "account_ref", "metric_code", "last_seen_at")
    big = True
    walk = ("last_seen_at", "id")
    intro = "Nothing that was sent is lost: what could not be counted waits here with its reason."
    empty = (
        "Nothing was refused. Events with an unknown account or metric, "
        "a bad value or a bad time would wait here."
    )
    list_parts = ("admin/parts/dead_letters.html",)
    operations = OPERATIONS
    details = (
        "status",
        "code",
        "message",
        "pointer",
        "payload",
        "original_payload",
        "account_ref",
        "metric_code",
        "event_id",
        "source",
        "seen",
        "first_seen_at",
        "last_seen_at",
        "id",
    )

    def waiting(self) -> list[Waiting]:
        """Return how many open letters wait for each reason."""
        return letter_choices.waiting()

    def under_way(self) -> list[JobRun]:
        """Return the replays that a worker is at."""
        return replays.under_way()
