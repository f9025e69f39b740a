"""Looking at single events, of which there may be hundreds of millions: what an index cannot find is not
asked.

Pages go by key, the newest first, and nothing is counted. `usage_events` has two indexes, its primary key
(account, time, id) and one on the time; each further one would cost ingest a fifth more to write. What they
do not find is found elsewhere: ids in `event_keys`, where a rare metric was used in the rollups. What nothing
finds, a property that hardly any event has, is looked for only so long.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Select,
    exists,
    func,
    literal,
    select,
    text,
    true,
    tuple_,
    union_all,
)
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import InstrumentedAttribute, aliased, joinedload

from app.db import db
from app.domain.periods import BUCKET
from app.errors import Invalid
from app.models import Account, EventCorrection, EventKey, UsageDelta, UsageEvent, UsageRollup
from app.models.corrections import CorrectionKind
from app.models.usage import EventStatus

# Up to so many are fetched one by one; of more, the newest are near at hand.
FEW = 1_000
ANY_ENDING = "*"

# How long one statement of a search may take, in milliseconds.
LONGEST_MS = 2_000
QUERY_CANCELED = "57014"

StoredEvent = aliased(UsageEvent)

# Rows that name events or buckets by their keys.
Keys = Select[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Search:
    """Which events: of an account, of a metric, of the time `since` ≤ occurred < `until`.

    `event_id` is a whole id, or the beginning of one followed by `*`. `having` is a property and its value as
    text. None asks nothing.
    """

    account_id: UUID | None = None
    metric_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    event_id: str | None = None
    having: tuple[str, str] | None = None
    status: EventStatus | None = None

    @property
    def only_walks(self) -> bool:
        """Whether every event that is looked at fits: then a page costs what it shows."""
        return (
            self.metric_id is None and self.event_id is None and self.having is None and self.status is None
        )


@contextmanager
def bounded(search: Search) -> Iterator[None]:
    """Let the statements of a search inside take two seconds each, where it may have to look at events that
    do not fit.

    Raises:
        Invalid: code `too_broad`: it took longer.
    """
    if search.only_walks:
        yield
        return
    # The setting goes with the savepoint; nothing is written inside.
    savepoint = db.session.begin_nested()
    try:
        db.session.execute(text(f"SET LOCAL statement_timeout = {LONGEST_MS}"))
        yield
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) != QUERY_CANCELED:
            raise
        message = "Too many events would have to be looked through. Narrow the search by account or by time."
        raise Invalid.at("", message, code="too_broad") from None
    finally:
        savepoint.rollback()


def list_query(search: Search) -> Select[Any]:
    """Return the query of the events that fit, each with its metric and its correction; order it by
    `order_of`.
    """
    query = select(UsageEvent).options(joinedload(UsageEvent.metric), joinedload(UsageEvent.correction))
    return query.where(*conditions(search))


def conditions(search: Search) -> list[ColumnElement[bool]]:
    """Return what is asked, as conditions on `UsageEvent`. For a metric or the beginning of an id one small
    query tells the cheaper way.
    """
    found: list[ColumnElement[bool]] = []
    if search.account_id is not None:
        found.append(UsageEvent.account_id == search.account_id)
    if search.since is not None:
        found.append(UsageEvent.occurred_at >= search.since)
    if search.until is not None:
        found.append(UsageEvent.occurred_at < search.until)
    if search.event_id is not None:
        found.append(_has_id(search.event_id, search.account_id))
    if search.metric_id is not None:
        found.append(_has_metric(search.metric_id, search))
    if search.having is not None:
        name, value = search.having
        found.append(func.jsonb_extract_path_text(UsageEvent.properties, name) == value)
    if search.status is not None:
        found.append(_has_status(search.status))
    return found


def order_of(account_id: UUID | None) -> tuple[InstrumentedAttribute[Any], ...]:
    """Return the columns that events are walked by, all of them descending.

    Those of one account by the rest of the primary key: then a page begins exactly where the one before
    ended, however many events happened at the same instant.
    """
    if account_id is not None:
        return UsageEvent.occurred_at, UsageEvent.event_id
    return UsageEvent.occurred_at, UsageEvent.account_id, UsageEvent.event_id


def read_property(text: str) -> tuple[str, str] | None:
    """Return the name and the value of `name=value`, None where it is not of this form.

    >>> read_property("channel=sms"), read_property("sms")
    (('channel', 'sms'), None)
    """
    name, found, value = text.partition("=")
    return (name.strip(), value.strip()) if found and name.strip() else None


def _has_id(term: str, account_id: UUID | None) -> ColumnElement[bool]:
    """Return the condition for an id, or for all that begin with what stands before `*`: few are fetched by
    their keys, of many the newest are near at hand.
    """
    if not term.endswith(ANY_ENDING):
        return _is_one_of(_keys(EventKey.event_id == term, account_id))
    beginning = term.removesuffix(ANY_ENDING)
    keys = _keys(EventKey.event_id.startswith(beginning, autoescape=True), account_id)
    some = keys.with_only_columns(EventKey.event_id).limit(FEW + 1).subquery()
    if (db.session.scalar(select(func.count()).select_from(some)) or 0) <= FEW:
        return _is_one_of(keys)
    return UsageEvent.event_id.startswith(beginning, autoescape=True)


def _has_metric(metric_id: UUID, search: Search) -> ColumnElement[bool]:
    """Return the condition for a metric. Of one that is rare in the time that is asked about only the places
    are looked at where it was used.
    """
    used = union_all(_used(UsageRollup, metric_id, search), _used(UsageDelta, metric_id, search)).subquery()
    some = select(used).limit(FEW + 1).subquery()
    places, events = db.session.execute(select(func.count(), func.sum(some.c.events)).select_from(some)).one()
    if places > FEW or (events or 0) > FEW:
        return UsageEvent.metric_id == metric_id
    place = select(used.c.account_id, used.c.bucket_at).distinct().subquery()
    there = (
        select(StoredEvent.account_id, StoredEvent.occurred_at, StoredEvent.event_id)
        .where(
            StoredEvent.account_id == place.c.account_id,
            StoredEvent.occurred_at >= place.c.bucket_at,
            StoredEvent.occurred_at < place.c.bucket_at + literal(BUCKET),
            StoredEvent.metric_id == metric_id,
        )
        # Keeps the planner from turning the few places into a scan of everything.
        .offset(0)
        .lateral()
    )
    return _is_one_of(select(there).select_from(place.join(there, true())))


def _used(table: type[UsageRollup] | type[UsageDelta], metric_id: UUID, search: Search) -> Keys:
    """Return the query of the buckets in which a metric was used: metered already, or waiting to be."""
    query = select(table.account_id, table.bucket_at, table.events).where(table.metric_id == metric_id)
    if search.account_id is not None:
        query = query.where(table.account_id == search.account_id)
    if search.since is not None:
        query = query.where(table.bucket_at > search.since - BUCKET)
    if search.until is not None:
        query = query.where(table.bucket_at < search.until)
    return query


def _has_status(status: EventStatus) -> ColumnElement[bool]:
    if status is EventStatus.counted:
        same = (
            EventCorrection.account_id == UsageEvent.account_id,
            EventCorrection.event_id == UsageEvent.event_id,
        )
        return ~exists().where(*same)
    kind = CorrectionKind.amend if status is EventStatus.amended else CorrectionKind.cancel
    corrected = select(EventCorrection.account_id, EventCorrection.occurred_at, EventCorrection.event_id)
    return _is_one_of(corrected.where(EventCorrection.kind == kind))


def _keys(condition: ColumnElement[bool], account_id: UUID | None) -> Keys:
    """Return the query of the keys that fit. Over all accounts each account's part of the index is entered,
    which costs a few microseconds."""
    keys = select(EventKey.account_id, EventKey.occurred_at, EventKey.event_id).where(condition)
    if account_id is not None:
        return keys.where(EventKey.account_id == account_id)
    return keys.join(Account, Account.id == EventKey.account_id)


def _is_one_of(keys: Keys) -> ColumnElement[bool]:
    return tuple_(UsageEvent.account_id, UsageEvent.occurred_at, UsageEvent.event_id).in_(keys)
