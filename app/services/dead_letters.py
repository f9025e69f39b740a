"""Dead letters: refused events that wait to be replayed once their cause is mended, or to be discarded."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select

from app.db import db, lock
from app.errors import Conflict, NotFound
from app.models import DeadLetter
from app.models.usage import DeadLetterStatus
from app.permissions import Actor
from app.services import audit, events


def get(letter_id: UUID) -> DeadLetter:
    """Return a dead letter.

    Raises:
        NotFound: there is none with this id.
    """
    letter = db.session.get(DeadLetter, letter_id)
    if letter is None:
        raise NotFound("There is no such dead letter.")
    return letter


def list_query(
    *, status: str | None = None, code: str | None = None, account: str | None = None
) -> Select[Any]:
    """Return the query of the letters in a status, refused for a reason, that named an account."""
    query = select(DeadLetter)
    for column, wanted in (
        (DeadLetter.status, status),
        (DeadLetter.code, code),
        (DeadLetter.account_ref, account),
    ):
        if wanted is not None:
            query = query.where(column == wanted)
    return query


def replay(letter: DeadLetter, *, actor: Actor, at: datetime) -> DeadLetter:
    """Send the event again, of whatever age, now that its cause is mended.

    It counts once however often it is replayed: its `event_id` is unique. An event that is refused again
    leaves the letter open, with the new reason; another event with its id that was accepted meanwhile makes
    it a conflict.

    Raises:
        Conflict: it was discarded, or an event with its id and other content counts already.
        Unavailable: the outcome is unknown; replay it again.
    """
    (letter,) = lock(DeadLetter, [letter.id])
    if letter.status == DeadLetterStatus.replayed:
        return letter
    if letter.status == DeadLetterStatus.discarded:
        raise Conflict("The letter was discarded.")
    # An event without a time of its own happened when it arrived.
    clock = at if letter.payload.get("timestamp") is not None else letter.first_seen_at
    # Not kept anew: this transaction holds the row that would be raised.
    (result,) = events.ingest(
        [letter.payload], source=letter.source, actor=actor, at=clock, keep_rejected=False
    )
    if result.conflict:
        raise Conflict("Another event with this event_id and other content was accepted before.")
    if result.status == events.Status.rejected:
        letter.message = result.message or letter.message
        letter.last_seen_at = at
        return letter
    letter.status = DeadLetterStatus.replayed
    summary = f"Refused event {letter.event_id} replayed"
    audit.record(
        actor, "dead_letter.replayed", letter, summary=summary, at=at, after={"result": str(result.status)}
    )
    return letter


def discard(letter: DeadLetter, *, actor: Actor, at: datetime) -> DeadLetter:
    """Decide that the event never counts; doing it twice changes nothing.

    Raises:
        Conflict: it was replayed, so its event counts.
    """
    (letter,) = lock(DeadLetter, [letter.id])
    if letter.status == DeadLetterStatus.replayed:
        raise Conflict("The letter was replayed; its event counts.")
    if letter.status == DeadLetterStatus.open:
        letter.status = DeadLetterStatus.discarded
        summary = f"Refused event {letter.event_id} discarded"
        audit.record(actor, "dead_letter.discarded", letter, summary=summary, at=at)
    return letter
