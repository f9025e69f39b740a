"""What operators do through the API: dead letters."""

from typing import Annotated, Any, Literal
from uuid import UUID

from flask import Blueprint, Response

from app import clock
from app.api.body import Meta, Page, Text
from app.api.endpoint import endpoint
from app.api.envelope import paginate, resource, success
from app.api.guards import current_actor, guard
from app.api.serializers import need_staff
from app.db import in_transaction
from app.models import DeadLetter
from app.services import dead_letters

blueprint = Blueprint("admin", __name__, url_prefix="/api/v1/admin")


class LettersQuery(Page):
    """Which dead letters."""

    status: Literal["open", "replayed", "discarded"] | None = None
    code: Annotated[Text | None, Meta(description="The reason, such as `unknown_metric`.")] = None
    account: Annotated[Text | None, Meta(description="The account as the sender named it.")] = None


@blueprint.get("/dead-letters")
@guard("operations", "read")
@endpoint("List dead letters", query=LettersQuery, answers="dead_letter", many=True)
def list_dead_letters(query: LettersQuery) -> Response:
    """Refused events with the reason, the newest first."""
    need_staff("Dead letters")
    chosen = dead_letters.list_query(status=query.status, code=query.code, account=query.account)
    rows, cursor = paginate(chosen, query, (DeadLetter.last_seen_at, DeadLetter.id))
    return success([_letter(row) for row in rows], next_cursor=cursor)


@blueprint.get("/dead-letters/<uuid:letter_id>")
@guard("operations", "read")
@endpoint("Show a dead letter", answers="dead_letter")
def show_dead_letter(letter_id: UUID) -> Response:
    """The refused event as it came, and why it was refused."""
    need_staff("Dead letters")
    return success(_letter(dead_letters.get(letter_id)))


@blueprint.post("/dead-letters/<uuid:letter_id>/replay")
@guard("operations", "write")
@endpoint("Replay a dead letter", answers="dead_letter")
def replay_dead_letter(letter_id: UUID) -> Response:
    """Send the event again. It counts once, however often it is replayed; refused again, it stays open."""
    need_staff("Dead letters")

    def replay() -> DeadLetter:
        return dead_letters.replay(dead_letters.get(letter_id), actor=current_actor(), at=clock.now())

    return success(_letter(in_transaction(replay)))


@blueprint.post("/dead-letters/<uuid:letter_id>/discard")
@guard("operations", "write")
@endpoint("Discard a dead letter", answers="dead_letter")
def discard_dead_letter(letter_id: UUID) -> Response:
    """Decide that the event never counts."""
    need_staff("Dead letters")

    def discard() -> DeadLetter:
        return dead_letters.discard(dead_letters.get(letter_id), actor=current_actor(), at=clock.now())

    return success(_letter(in_transaction(discard)))


def _letter(letter: DeadLetter) -> dict[str, Any]:
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
        "seen": letter.seen,
        "first_seen_at": letter.first_seen_at,
        "last_seen_at": letter.last_seen_at,
    }
    return resource("dead_letter", letter.id, attributes)
