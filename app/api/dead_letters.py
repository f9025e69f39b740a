"""Dead letters: refused events, edited, replayed or discarded, one or many (docs/api/corrections.md)."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any
from uuid import UUID

from flask import Blueprint, Response

from app import clock
from app.api.body import Body, Instant, Meta, Page, Text, field, read_json
from app.api.endpoint import endpoint
from app.api.envelope import instant_text, paginate, resource, success
from app.api.guards import current_actor, guard
from app.api.idempotency import idempotent
from app.api.serializers import need_staff
from app.db import in_transaction, transaction
from app.errors import Invalid
from app.models import DeadLetter, JobRun
from app.models.usage import DeadLetterStatus
from app.services import dead_letters, letter_choices, replays
from app.services.dead_letters import MOST_AT_ONCE, Fate, Outcome
from app.services.letter_choices import Choice

blueprint = Blueprint("dead_letters", __name__, url_prefix="/api/v1/admin/dead-letters")

NOUN = "Dead letters"
Ids = Annotated[list[UUID], Meta(min_length=1, max_length=MOST_AT_ONCE)]
Code = Annotated[Text | None, Meta(description="The reason, such as `unknown_metric`.")]
Account = Annotated[Text | None, Meta(description="The account as the sender named it.")]
Metric = Annotated[Text | None, Meta(description="The code of a metric as the sender named it.")]


class LettersQuery(Page):
    """Which dead letters."""

    status: DeadLetterStatus | None = None
    code: Code = None
    account: Account = None
    metric: Metric = None
    since: Annotated[Instant | None, Meta(description="Last seen at this instant or later.")] = field(
        default=None, name="from"
    )


class Chosen(Body):
    """Letters by their ids, or the open ones that fit a reason, an account and a metric."""

    ids: Ids | None = None
    code: Code = None
    account: Account = None
    metric: Metric = None


class EditedLetter(Body):
    """A letter whose event is mended."""

    payload: Annotated[dict[str, Any], Meta(description="The whole event, as it should have been sent.")]


@blueprint.get("")
@guard("dead_letters", "read")
@endpoint("List dead letters", query=LettersQuery, answers="dead_letter", many=True)
def list_dead_letters(query: LettersQuery) -> Response:
    """Refused events with the reason, the newest first. `replayable` tells of an open one that its event
    would be taken now.
    """
    need_staff(NOUN)
    chosen = letter_choices.list_query(
        status=query.status, code=query.code, account=query.account, metric=query.metric, since=query.since
    )
    with transaction():
        rows, cursor = paginate(chosen, query, (DeadLetter.last_seen_at, DeadLetter.id))
        return success(_letters(rows), next_cursor=cursor)


@blueprint.get("/<uuid:letter_id>")
@guard("dead_letters", "read")
@endpoint("Show a dead letter", answers="dead_letter")
def show_dead_letter(letter_id: UUID) -> Response:
    """The refused event, how it came where it was edited since, and why it was refused."""
    return _act(letter_id, lambda one: one)


@blueprint.patch("/<uuid:letter_id>")
@guard("dead_letters", "write")
@endpoint("Edit a dead letter", body=EditedLetter, answers="dead_letter")
def edit_dead_letter(letter_id: UUID, body: EditedLetter) -> Response:
    """Mend the event of an open letter before it is replayed. It needs the shape of an event; how it came
    stays in `original_payload`, and each edit in the audit trail.
    """
    need_staff(NOUN)
    # As it was sent: the declared shape would make floats of the decimals.
    payload = read_json()["payload"]

    def edit(letter: DeadLetter) -> DeadLetter:
        return dead_letters.edit(letter, payload, actor=current_actor(), at=clock.now())

    return _act(letter_id, edit)


@blueprint.post("/<uuid:letter_id>/replay")
@guard("dead_letters", "write")
@endpoint("Replay a dead letter", answers="dead_letter")
def replay_dead_letter(letter_id: UUID) -> Response:
    """Send the event again. It counts once, however often it is replayed; refused again, it stays open."""
    return _act(letter_id, lambda one: dead_letters.replay(one, actor=current_actor(), at=clock.now()))


@blueprint.post("/<uuid:letter_id>/discard")
@guard("dead_letters", "write")
@endpoint("Discard a dead letter", answers="dead_letter")
def discard_dead_letter(letter_id: UUID) -> Response:
    """Decide that the event never counts."""
    return _act(letter_id, lambda one: dead_letters.discard(one, actor=current_actor(), at=clock.now()))


@blueprint.post("/replay")
@guard("dead_letters", "write")
@idempotent
@endpoint("Replay dead letters", body=Chosen, answers="dead_letter_replay", also=(202,))
def replay_dead_letters(body: Chosen) -> Response:
    """Up to 500 letters are replayed at once, each in `results`. Of a choice by reason, account or metric
    that has more, all are replayed in the background: 202, and the address of `GET …/replays/{id}` tells how
    far it is. An event counts once, however often and by however many it is replayed.
    """
    need_staff(NOUN)
    at, actor = clock.now(), current_actor()
    choice = _choice(body)
    ids = body.ids or choice.ids(MOST_AT_ONCE + 1)
    if len(ids) > MOST_AT_ONCE:
        return success(_run(replays.start(choice, at=at, actor=actor)), 202)
    return success(_told(dead_letters.replay_many(ids, actor=actor, at=at)))


@blueprint.get("/replays/<uuid:run_id>")
@guard("dead_letters", "read")
@endpoint("Read a replay", answers="dead_letter_replay")
def read_replay(run_id: UUID) -> Response:
    """How far a replay in the background is, and what became of the letters."""
    need_staff(NOUN)
    return success(_run(replays.get(run_id)))


@blueprint.post("/discard")
@guard("dead_letters", "write")
@idempotent
@endpoint("Discard dead letters", body=Chosen, answers="dead_letter", many=True)
def discard_dead_letters(body: Chosen) -> Response:
    """Decide that up to 500 events never count. What was replayed before counts and stays; of a choice that
    has more, `left` in `meta` tells how many are still open.
    """
    need_staff(NOUN)
    choice = _choice(body)
    ids = body.ids or choice.ids(MOST_AT_ONCE)
    rows = dead_letters.discard_many(ids, actor=current_actor(), at=clock.now())
    left = 0 if body.ids else choice.count()
    return success(_letters(rows), left=left)


def _act(letter_id: UUID, act: Callable[[DeadLetter], DeadLetter]) -> Response:
    need_staff(NOUN)
    (shown,) = in_transaction(lambda: _letters([act(dead_letters.get(letter_id))]))
    return success(shown)


def _choice(body: Chosen) -> Choice:
    choice = Choice(body.code, body.account, body.metric)
    if (body.ids is None) == (choice == Choice()):
        raise Invalid("Give either ids, or at least one of code, account and metric.")
    return choice


def _letters(rows: Sequence[DeadLetter]) -> list[dict[str, Any]]:
    replayable = dead_letters.find_replayable(rows, actor=current_actor(), at=clock.now())
    return [_letter(row, row.id in replayable) for row in rows]


def _letter(letter: DeadLetter, replayable: bool) -> dict[str, Any]:
    attributes = {
        "status": letter.status,
        "code": letter.code,
        "pointer": letter.pointer,
        "message": letter.message,
        "source": letter.source,
        "account": letter.account_ref,
        "metric": letter.metric_code,
        "event_id": letter.event_id,
        "payload": letter.payload,
        "original_payload": letter.original_payload,
        "replayable": replayable,
        "seen": letter.seen,
        "first_seen_at": letter.first_seen_at,
        "last_seen_at": letter.last_seen_at,
    }
    return resource("dead_letter", letter.id, attributes)


def _told(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    fates = [one.fate for one in outcomes]
    results = [
        {"id": one.letter.id, "result": one.fate, "code": one.letter.code, "message": one.message}
        for one in outcomes
    ]
    counts = {str(fate): fates.count(fate) for fate in Fate}
    attributes = {
        "phase": "done",
        "total": len(outcomes),
        "done": len(outcomes),
        **counts,
        "results": results,
    }
    return {"type": "dead_letter_replay", "attributes": attributes}


def _run(run: JobRun) -> dict[str, Any]:
    detail = run.detail or {}
    shown = ("phase", "total", "done", *map(str, Fate))
    attributes = {
        **{name: detail[name] for name in shown},
        **detail["choice"],
        "started_at": instant_text(run.started_at),
        "finished_at": instant_text(run.finished_at),
    }
    return resource("dead_letter_replay", run.id, attributes)
