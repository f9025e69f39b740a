"""Dead letters: refused events that wait to be replayed once their cause is mended, or to be discarded.

A replay stores the event in the transaction that marks the letter, which is locked: however often and from
wherever it is replayed, the event counts once.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Text, cast, func, literal, select, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import IntegrityError

from app.db import db, lock
from app.domain.events import Rejection, parse_event
from app.errors import Conflict, Invalid, NotFound
from app.models import DeadLetter
from app.models.usage import DeadLetterStatus
from app.permissions import Actor
from app.queue import enqueue
from app.services import audit, event_letters, events

# In one call, and in one transaction of a replay in the background.
MOST_AT_ONCE = 500

CONFLICT = "Another event with this event_id and other content was accepted before."
DISCARDED = "The letter was discarded."


class Fate(StrEnum):
    """What became of a letter that was to be replayed."""

    replayed = "replayed"
    refused = "refused"
    conflict = "conflict"
    discarded = "discarded"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A letter after its replay. `replayed` says that its event counts, once, whoever stored it."""

    letter: DeadLetter
    fate: Fate
    message: str = ""


def get(letter_id: UUID) -> DeadLetter:
    """Return a dead letter.

    Raises:
        NotFound: there is none with this id.
    """
    letter = db.session.get(DeadLetter, letter_id)
    if letter is None:
        raise NotFound("There is no such dead letter.")
    return letter


def exact_payloads(letters: Collection[DeadLetter]) -> dict[UUID, dict[str, Any]]:
    """Return the payloads by the letters' ids, their decimals as Decimal."""
    query = select(DeadLetter.id, cast(DeadLetter.payload, Text))
    rows = db.session.execute(query.where(DeadLetter.id.in_([letter.id for letter in letters])))
    return {letter_id: json.loads(payload, parse_float=Decimal) for letter_id, payload in rows}


def find_replayable(letters: Sequence[DeadLetter], *, actor: Actor, at: datetime) -> set[UUID]:
    """Return the ids of those open letters whose events would be taken now."""
    waiting = [letter for letter in letters if letter.status == DeadLetterStatus.open]
    if not waiting:
        return set()
    payloads = exact_payloads(waiting)
    places = events.find_takable([payloads[letter.id] for letter in waiting], actor=actor, at=at)
    return {waiting[place].id for place in places}


def edit(letter: DeadLetter, payload: Mapping[str, Any], *, actor: Actor, at: datetime) -> DeadLetter:
    """Mend the payload of an open letter; how it came is kept, here and in the audit trail.

    `payload` is a decoded JSON object, numbers as int or Decimal. It has to have the shape of an event; its
    account and metric are looked for when it is replayed.

    Raises:
        Conflict: the letter is not open any more.
        Invalid: it is no event; the pointer says where.
    """
    (letter,) = lock(DeadLetter, [letter.id])
    if letter.status != DeadLetterStatus.open:
        raise Conflict(f"The letter was {letter.status}; only an open one is edited.")
    parsed = parse_event(payload, index=0, now=at, max_age=None, max_ahead=events.furthest_allowed())
    if isinstance(parsed, Rejection):
        raise Invalid.at(parsed.pointer.removeprefix("/0"), parsed.message, code=parsed.code)
    before, after = letter.payload, event_letters.encode(payload)
    names = {"account_ref": parsed.account_id, "metric_code": parsed.metric, "event_id": parsed.event_id}
    original = func.coalesce(DeadLetter.original_payload, DeadLetter.payload)
    values = {"payload": cast(literal(after, Text), JSONB), "original_payload": original, **names}
    db.session.execute(update(DeadLetter).where(DeadLetter.id == letter.id).values(values))
    db.session.refresh(letter)
    if letter.payload != before:
        summary = f"Refused event {letter.event_id} edited"
        changes = {"before": {"payload": before}, "after": {"payload": letter.payload}}
        audit.record(actor, "dead_letter.edited", letter, summary=summary, at=at, **changes)
    return letter


def replay(letter: DeadLetter, *, actor: Actor, at: datetime) -> DeadLetter:
    """Send the event again, of whatever age, now that its cause is mended.

    It counts once however often it is replayed. An event that is refused again leaves the letter open, with
    the new reason; another event with its id that was accepted meanwhile makes it a conflict.

    Raises:
        Conflict: it was discarded, or an event with its id and other content counts already.
    """
    (outcome,) = replay_many([letter.id], actor=actor, at=at)
    if outcome.fate in (Fate.conflict, Fate.discarded):
        raise Conflict(outcome.message)
    return outcome.letter


def replay_many(ids: Collection[UUID], *, actor: Actor, at: datetime) -> list[Outcome]:
    """Replay up to some hundred letters together, as `replay` does one; return what became of each, in the
    order of their ids. Ids that no letter has are left out.
    """
    letters = lock(DeadLetter, ids)
    answers = _ingest([one for one in letters if one.status == DeadLetterStatus.open], actor=actor, at=at)
    outcomes = [_settle(letter, answers.get(letter.id), actor=actor, at=at) for letter in letters]
    if any(answer.status == events.Status.accepted for answer in answers.values()):
        enqueue("jobs.metering.drain")
    return outcomes


def discard(letter: DeadLetter, *, actor: Actor, at: datetime) -> DeadLetter:
    """Decide that the event never counts; doing it twice changes nothing.

    Raises:
        Conflict: it was replayed, so its event counts.
    """
    (letter,) = lock(DeadLetter, [letter.id])
    if letter.status == DeadLetterStatus.replayed:
        raise Conflict("The letter was replayed; its event counts.")
    _discard(letter, actor=actor, at=at)
    return letter


def discard_many(ids: Collection[UUID], *, actor: Actor, at: datetime) -> list[DeadLetter]:
    """Discard those of the letters that were not replayed, and return all of them."""
    letters = lock(DeadLetter, ids)
    for letter in letters:
        _discard(letter, actor=actor, at=at)
    return letters


def _discard(letter: DeadLetter, *, actor: Actor, at: datetime) -> None:
    if letter.status == DeadLetterStatus.open:
        letter.status = DeadLetterStatus.discarded
        summary = f"Refused event {letter.event_id} discarded"
        audit.record(actor, "dead_letter.discarded", letter, summary=summary, at=at)


def _ingest(letters: Sequence[DeadLetter], *, actor: Actor, at: datetime) -> dict[UUID, events.Result]:
    payloads = exact_payloads(letters)
    by_clock: defaultdict[datetime, list[UUID]] = defaultdict(list)
    for letter in letters:
        # An event without a time of its own happened when it arrived.
        own = payloads[letter.id].get("timestamp") is not None
        by_clock[at if own else letter.first_seen_at].append(letter.id)
    answers: dict[UUID, events.Result] = {}
    for clock, group in by_clock.items():
        results = events.ingest_within([payloads[one] for one in group], actor=actor, at=clock)
        answers.update(zip(group, results, strict=True))
    return answers


def _settle(letter: DeadLetter, answer: events.Result | None, *, actor: Actor, at: datetime) -> Outcome:
    """Write on a letter what became of its event; `answer` is None where it was not open."""
    if answer is None:
        discarded = letter.status == DeadLetterStatus.discarded
        return Outcome(letter, Fate.discarded, DISCARDED) if discarded else Outcome(letter, Fate.replayed)
    if answer.conflict:
        letter.message = CONFLICT
        return Outcome(letter, Fate.conflict, CONFLICT)
    if answer.status == events.Status.rejected:
        _note_reason(letter, answer)
        return Outcome(letter, Fate.refused, letter.message)
    letter.status = DeadLetterStatus.replayed
    summary = f"Refused event {letter.event_id} replayed"
    after = {"result": str(answer.status)}
    audit.record(actor, "dead_letter.replayed", letter, summary=summary, at=at, after=after)
    return Outcome(letter, Fate.replayed)


def _note_reason(letter: DeadLetter, answer: events.Result) -> None:
    """Write the reason of the latest refusal; another letter may have its code for the same payload."""
    letter.message = answer.message or letter.message
    letter.pointer = (answer.pointer or letter.pointer).removeprefix(f"/{answer.position}")
    code = answer.code or letter.code
    if code != letter.code:
        try:
            with db.session.begin_nested():
                db.session.execute(update(DeadLetter).where(DeadLetter.id == letter.id).values(code=code))
        except IntegrityError:
            return
        db.session.refresh(letter, ["code"])
