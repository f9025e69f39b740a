"""Usage events: every one gets its own answer, and what was accepted counts exactly once.

Check and match in memory, store by one statement, keep what was refused as dead letters. A refused event
never stops its neighbours. Callers are the API, the import command and the replay of dead letters.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence, Set
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from app import clock
from app.config import current_settings
from app.db import db, in_transaction, raw_transaction
from app.domain.aggregations import aggregations
from app.domain.errors import RuleBroken
from app.domain.events import ParsedEvent, Rejection, parse_event
from app.domain.periods import bucket_start
from app.domain.rating import dimension_values
from app.errors import Unavailable
from app.ids import new_id
from app.permissions import Actor
from app.services import archives
from app.services.archive_tables import month_of
from app.services.event_letters import keep
from app.services.event_names import Names, look_up, read_names
from app.services.event_store import Row, ensure_partitions, foresee, store
from app.services.event_writer import AWAY, UNKNOWN, write

NOTHING_REFUSED: Mapping[int, Rejection] = MappingProxyType({})
UNKNOWN_ACCOUNT = "unknown_account"
# Somebody else's account looks like none to the sender; the dead letter tells staff which it was.
FOREIGN_ACCOUNT = "foreign_account"


class Status(StrEnum):
    """What became of an event."""

    accepted = "accepted"
    duplicate = "duplicate"
    rejected = "rejected"


class Result(NamedTuple):
    """The answer to one event; `position` is its place in the batch, `pointer` and `message` say why it was
    refused.

    `conflict`: a duplicate whose first event had other content. The first one counts.
    """

    position: int
    event_id: str | None
    status: Status
    conflict: bool = False
    code: str | None = None
    pointer: str | None = None
    message: str | None = None


def oldest_allowed() -> timedelta:
    """Return the age up to which events are taken without `--backfill`."""
    return timedelta(days=current_settings().event_max_age_days)


def furthest_allowed() -> timedelta:
    """Return how far ahead of the clock here an event may be."""
    return timedelta(seconds=current_settings().event_max_ahead_seconds)


def ingest(
    events: Sequence[Any],
    *,
    source: str,
    actor: Actor,
    max_age: timedelta | None = None,
    at: datetime | None = None,
    keep_rejected: bool = True,
    refused: Mapping[int, Rejection] = NOTHING_REFUSED,
) -> list[Result]:
    """Store events and return one answer for each, in their order, after the COMMIT. Wakes up the metering.

    `events` are decoded JSON objects as the API takes them, numbers as int or Decimal; up to some
    thousands at once. `source` names the door (`api`, `import`) on the dead letters. Events older than
    `max_age` before `at` are refused; None takes any age. A key that is bound to one account knows no other.
    It commits by itself: accounts and metrics that the events name must be committed before.
    `refused` are those, by place, that the door itself cannot take; they are answered and kept like others.

    Raises:
        Unavailable: the outcome is unknown; the same events may be sent again.
    """
    at = at or clock.now()
    try:
        taken, rows, rejected = _read(events, actor=actor, max_age=max_age, at=at, refused=refused)
        outcomes = write(rows)
        if keep_rejected and rejected:
            keep([(events[one.position], one) for one in rejected], source=source, at=at)
    except AWAY as error:
        raise Unavailable(UNKNOWN) from error
    return _answers(taken, outcomes, rejected, len(events))


def check(events: Sequence[Any], *, actor: Actor, at: datetime, expected: Iterable[str] = ()) -> list[Result]:
    """Return the answers that `ingest` would give to events of any age; nothing is stored or kept.

    `expected` are the references of accounts that will have been made by then.

    Raises:
        Unavailable: the database is away.
    """
    try:
        taken, rows, rejected = _read(events, actor=actor, max_age=None, at=at, expected=expected)
        with raw_transaction() as connection:
            outcomes = foresee(connection, rows)
    except AWAY as error:
        raise Unavailable("The database is away. Check again a little later.") from error
    return _answers(taken, outcomes, rejected, len(events))


def ingest_within(
    events: Sequence[Any],
    *,
    actor: Actor,
    at: datetime,
    max_age: timedelta | None = None,
    refused: Mapping[int, Rejection] = NOTHING_REFUSED,
) -> list[Result]:
    """Store events by the same rules in the transaction that is open, all or nothing with what else it
    writes; return one answer for each.

    For corrections and replays. The caller wakes up the metering; what is refused is not kept.
    """
    connection = _open_connection()
    taken, rows, rejected = _read(
        events, actor=actor, max_age=max_age, at=at, find=_names_within, refused=refused
    )
    ensure_partitions(connection, rows)
    return _answers(taken, store(connection, rows) if rows else [], rejected, len(events))


def find_takable(events: Sequence[Any], *, actor: Actor, at: datetime) -> set[int]:
    """Return the places of those events that would be taken now, whatever their age; nothing is stored."""
    taken, _, _ = _read(events, actor=actor, max_age=None, at=at, find=_names_within)
    return {event.position for event in taken}


def _open_connection() -> Any:
    db.session.flush()
    return db.session.connection().connection.driver_connection


def _names_within(accounts: Set[str], metrics: Set[str]) -> Names:
    return read_names(_open_connection(), accounts)


def _read(
    events: Sequence[Any],
    *,
    actor: Actor,
    max_age: timedelta | None,
    at: datetime,
    expected: Iterable[str] = (),
    find: Callable[[Set[str], Set[str]], Names] = look_up,
    refused: Mapping[int, Rejection] = NOTHING_REFUSED,
) -> tuple[list[ParsedEvent], list[Row], list[Rejection]]:
    """Return the events that can be stored, their rows, and the refusals of the others."""
    ahead = furthest_allowed()
    parsed: list[ParsedEvent] = []
    rejected: list[Rejection] = []
    for position, raw in enumerate(events):
        event = refused.get(position) or parse_event(
            raw, index=position, now=at, max_age=max_age, max_ahead=ahead
        )
        if isinstance(event, ParsedEvent):
            parsed.append(event)
        else:
            rejected.append(event)
    names = find({event.account_id for event in parsed}, {event.metric for event in parsed})
    if to_come := {reference: new_id() for reference in expected}:
        names = Names({**to_come, **names.accounts}, names.metrics)
    archived = in_transaction(archives.months) if max_age is None else []
    taken, rows = _match_all(parsed, names, actor, rejected, archived)
    return taken, rows, rejected


def _match_all(
    parsed: Sequence[ParsedEvent],
    names: Names,
    actor: Actor,
    rejected: list[Rejection],
    archived: Collection[str],
) -> tuple[list[ParsedEvent], list[Row]]:
    taken: list[ParsedEvent] = []
    rows: list[Row] = []
    for event in parsed:
        row = _match(event, names, actor, archived)
        if isinstance(row, Row):
            taken.append(event)
            rows.append(row)
        else:
            rejected.append(row)
    return taken, rows


def _match(event: ParsedEvent, names: Names, actor: Actor, archived: Collection[str]) -> Row | Rejection:
    account_id = names.accounts.get(event.account_id)
    if account_id is None:
        return _refuse(event, UNKNOWN_ACCOUNT, "account_id", "There is no account with this id.")
    if actor.account_id is not None and actor.account_id != str(account_id):
        return _refuse(event, FOREIGN_ACCOUNT, "account_id", "There is no account with this id.")
    metric = names.metrics.get(event.metric)
    if metric is None or not metric.active:
        return _refuse(event, "unknown_metric", "metric", "There is no active metric with this code.")
    # A bucket that does not add is worked out from all of its events, which have to be here.
    if archived and not aggregations[metric.aggregation].adds and month_of(event.timestamp) in archived:
        return _refuse(event, "month_archived", "timestamp", archives.told_archived(event.timestamp))
    try:
        quantity = aggregations[metric.aggregation].read(event, metric.value_property)
        pointer = f"/{event.position}/properties"
        dimensions = dimension_values(event.properties, metric.dimensions, pointer=pointer)
    except RuleBroken as broken:
        return Rejection(event.position, event.event_id, broken.code, broken.pointer, broken.message)
    return Row(
        account_id,
        event.event_id,
        event.body_sha256,
        event.timestamp,
        metric.id,
        quantity,
        event.properties_json,
        bucket_start(event.timestamp),
        _dimension_text(tuple(sorted(dimensions.items()))),
    )


def _refuse(event: ParsedEvent, code: str, field: str, message: str) -> Rejection:
    return Rejection(event.position, event.event_id, code, f"/{event.position}/{field}", message)


@lru_cache(maxsize=4096)
def _dimension_text(dimensions: tuple[tuple[str, str], ...]) -> str:
    return msgspec.json.encode(dict(dimensions)).decode()


def _answers(
    taken: Sequence[ParsedEvent], outcomes: Sequence[Any], rejected: Sequence[Rejection], count: int
) -> list[Result]:
    results: list[Any] = [None] * count
    for event, (accepted, conflict) in zip(taken, outcomes, strict=True):
        status = Status.accepted if accepted else Status.duplicate
        results[event.position] = Result(event.position, event.event_id, status, conflict)
    for position, event_id, code, pointer, message in rejected:
        shown = UNKNOWN_ACCOUNT if code == FOREIGN_ACCOUNT else code
        results[position] = Result(position, event_id, Status.rejected, False, shown, pointer, message)
    return results
