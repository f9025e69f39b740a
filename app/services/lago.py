"""What Lago's door needs beyond our own: accounts named by a subscription, and batches that are stored whole
or not at all.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from app.db import raw_transaction, transaction
from app.domain.events import Rejection
from app.errors import Unavailable
from app.permissions import Actor
from app.queue import enqueue
from app.services import events
from app.services.event_letters import keep
from app.services.event_names import look_up
from app.services.event_writer import AWAY, UNKNOWN
from app.services.events import FOREIGN_ACCOUNT, UNKNOWN_ACCOUNT, Result, Status

SOURCE = "lago"

FIND_SUBSCRIPTIONS = "SELECT id, account_id FROM subscriptions WHERE id = ANY(%s)"


class Named(NamedTuple):
    """The account behind an `external_subscription_id`, and the subscription where that was one's id."""

    account_id: UUID
    subscription_id: UUID | None = None


class _Incomplete(Exception):
    def __init__(self, results: list[Result]) -> None:
        self.results = results


def find_named(references: Iterable[str]) -> dict[str, Named]:
    """Return what each reference names: an account by its id or external id, or a subscription of ours by its
    id. One that names nothing is absent.

    Raises:
        Unavailable: the database is away.
    """
    wanted = set(references)
    try:
        known = look_up(wanted, frozenset()).accounts
        found = {reference: Named(known[reference]) for reference in wanted if reference in known}
        ids = {key: reference for reference in wanted - found.keys() if (key := _as_id(reference))}
        if ids:
            with raw_transaction() as connection:
                rows = connection.execute(FIND_SUBSCRIPTIONS, (list(ids),)).fetchall()
            found |= {ids[key]: Named(account_id, key) for key, account_id in rows}
    except AWAY as error:
        raise Unavailable("The database is away. Send the same again a little later.") from error
    return found


def ingest_whole(
    batch: Sequence[Any],
    named: Mapping[str, Named],
    *,
    refused: Mapping[int, Rejection],
    actor: Actor,
    at: datetime,
) -> list[Result]:
    """Store a batch as a whole and return one answer for each event: where one is not `accepted`, nothing was
    stored, and the answers tell what each would have become.

    Events are as `events.ingest` takes them; a known id is no repeat here but a reason to store nothing. What
    was rejected is kept as a dead letter.

    Raises:
        Unavailable: the outcome is unknown; the same may be sent again.
    """
    try:
        with transaction():
            results = events.ingest_within(
                batch, actor=actor, at=at, max_age=events.oldest_allowed(), refused=refused
            )
            if any(result.status != Status.accepted for result in results):
                raise _Incomplete(results)
            enqueue("jobs.metering.drain")
    except _Incomplete as incomplete:
        results = incomplete.results
        _keep_rejected(batch, results, named, at)
    except AWAY as error:
        raise Unavailable(UNKNOWN) from error
    return results


def _keep_rejected(
    batch: Sequence[Any], results: Sequence[Result], named: Mapping[str, Named], at: datetime
) -> None:
    accounts = {*named, *(str(one.account_id) for one in named.values())}
    letters = []
    for position, event_id, status, _, code, pointer, message in results:
        if status == Status.rejected:
            raw = batch[position]
            if code == UNKNOWN_ACCOUNT and raw["account_id"] in accounts:
                code = FOREIGN_ACCOUNT
            letters.append((raw, Rejection(position, event_id, code or "", pointer or "", message or "")))
    try:
        keep(letters, source=SOURCE, at=at)
    except AWAY as error:
        raise Unavailable(UNKNOWN) from error


def _as_id(text: str) -> UUID | None:
    try:
        return UUID(text) if len(text) == 36 else None
    except ValueError:
        return None
