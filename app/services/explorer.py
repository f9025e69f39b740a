"""Looking at single events, of which there may be hundreds of millions: what an index cannot find is not
asked.

Pages go by key, the newest first, and nothing is counted. An event id is looked up in `event_keys`, account
by account: `usage_events` is cut by month and has no index on the id alone.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, exists, false, func, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, joinedload

from app.db import db
from app.models import Account, EventCorrection, EventKey, UsageEvent
from app.models.corrections import CorrectionKind
from app.models.usage import EventStatus

# Up to so many ids with the same beginning are fetched by their keys; of more, the newest are near at hand.
FEW_KEYS = 2_000
ANY_ENDING = "*"


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


def list_query(search: Search) -> Select[Any]:
    """Return the query of the events that fit, each with its metric and its correction; order it by
    `order_of`.
    """
    query = select(UsageEvent).options(joinedload(UsageEvent.metric), joinedload(UsageEvent.correction))
    if search.account_id is not None:
        query = query.where(UsageEvent.account_id == search.account_id)
    if search.metric_id is not None:
        query = query.where(UsageEvent.metric_id == search.metric_id)
    if search.since is not None:
        query = query.where(UsageEvent.occurred_at >= search.since)
    if search.until is not None:
        query = query.where(UsageEvent.occurred_at < search.until)
    if search.event_id is not None:
        query = query.where(has_id(search.event_id, account_id=search.account_id))
    if search.having is not None:
        query = query.where(has_property(*search.having))
    if search.status is not None:
        query = query.where(has_status(search.status))
    return query


def order_of(account_id: UUID | None) -> tuple[InstrumentedAttribute[Any], ...]:
    """Return the columns that events are walked by, all of them descending.

    Those of one account by the rest of the primary key: then a page begins exactly where the one before
    ended, however many events happened at the same instant.
    """
    if account_id is not None:
        return UsageEvent.occurred_at, UsageEvent.event_id
    return UsageEvent.occurred_at, UsageEvent.account_id, UsageEvent.event_id


def has_id(term: str, *, account_id: UUID | None = None) -> ColumnElement[bool]:
    """Return the condition that an event has this id, or, where the term ends in `*`, one that begins so.

    Asks once how many begin so: few are fetched by their keys, of many the newest are found in order of time.
    """
    if not term.endswith(ANY_ENDING):
        return _is_one_of(_keys(EventKey.event_id == term, account_id))
    beginning = term.removesuffix(ANY_ENDING)
    keys = _keys(EventKey.event_id.startswith(beginning, autoescape=True), account_id)
    some = keys.with_only_columns(EventKey.event_id).limit(FEW_KEYS + 1).subquery()
    if (db.session.scalar(select(func.count()).select_from(some)) or 0) <= FEW_KEYS:
        return _is_one_of(keys)
    return UsageEvent.event_id.startswith(beginning, autoescape=True)


def has_property(name: str, value: str) -> ColumnElement[bool]:
    """Return the condition that a property has this value, numbers and truth values as JSON writes them."""
    return func.jsonb_extract_path_text(UsageEvent.properties, name) == value


def has_status(status: EventStatus) -> ColumnElement[bool]:
    """Return the condition that an event still counts, was cancelled or was amended."""
    if status is EventStatus.counted:
        same = (
            EventCorrection.account_id == UsageEvent.account_id,
            EventCorrection.event_id == UsageEvent.event_id,
        )
        return ~exists().where(*same)
    kind = CorrectionKind.amend if status is EventStatus.amended else CorrectionKind.cancel
    corrected = select(EventCorrection.account_id, EventCorrection.occurred_at, EventCorrection.event_id)
    return _is_one_of(corrected.where(EventCorrection.kind == kind))


def read_property(text: str) -> tuple[str, str] | None:
    """Return the name and the value of `name=value`, None where it is not of this form.

    >>> read_property("channel=sms"), read_property("sms")
    (('channel', 'sms'), None)
    """
    name, found, value = text.partition("=")
    return (name.strip(), value.strip()) if found and name.strip() else None


def fits_property(text: str) -> ColumnElement[bool]:
    """Return the condition for `name=value` as a person writes it; nothing fits another form."""
    having = read_property(text)
    return false() if having is None else has_property(*having)


def _keys(condition: ColumnElement[bool], account_id: UUID | None) -> Select[Any]:
    """Return the query of the keys that fit. Over all accounts each account's part of the index is entered,
    which costs a few microseconds."""
    keys = select(EventKey.account_id, EventKey.occurred_at, EventKey.event_id).where(condition)
    if account_id is not None:
        return keys.where(EventKey.account_id == account_id)
    return keys.join(Account, Account.id == EventKey.account_id)


def _is_one_of(keys: Select[Any]) -> ColumnElement[bool]:
    return tuple_(UsageEvent.account_id, UsageEvent.occurred_at, UsageEvent.event_id).in_(keys)
