"""Which dead letters: the filters of the list, how many wait for which reason, and those to be replayed
together.
"""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Uuid, case, cast, exists, func, or_, select

from app.db import db
from app.models import Account, DeadLetter, Metric
from app.models.usage import DeadLetterStatus
from app.services.events import FOREIGN_ACCOUNT

OPEN = DeadLetterStatus.open
MOST_COUNTED = 1_000
OUR_ID = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
UNMATCHED = ("unknown_account", "unknown_metric")


@dataclass(frozen=True, slots=True)
class Choice:
    """Open letters, by reason, account as the sender named it, and metric code; None does not ask.

    Events for somebody else's account are among them only where their reason is asked for.
    """

    code: str | None = None
    account: str | None = None
    metric: str | None = None

    def ids(self, limit: int, after: UUID | None = None, until: datetime | None = None) -> list[UUID]:
        """Return up to `limit` ids in their order, those behind `after` that were first seen by `until`."""
        query = self._narrow(select(DeadLetter.id)).order_by(DeadLetter.id).limit(limit)
        if after is not None:
            query = query.where(DeadLetter.id > after)
        if until is not None:
            query = query.where(DeadLetter.first_seen_at <= until)
        return list(db.session.scalars(query))

    def count(self) -> int:
        """Return how many there are."""
        return db.session.scalar(self._narrow(select(func.count()).select_from(DeadLetter))) or 0

    def as_json(self) -> dict[str, str | None]:
        """Return plain values."""
        return asdict(self)

    def _narrow(self, query: Select[Any]) -> Select[Any]:
        query = _narrow(query, status=OPEN, code=self.code, account=self.account, metric=self.metric)
        return query.where(DeadLetter.code != FOREIGN_ACCOUNT) if self.code is None else query


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many open letters have one reason; `ready` of them (counted up to 1,000) name an account and a
    metric that exist by now.
    """

    code: str
    count: int
    ready: int


def list_query(
    *,
    status: str | None = None,
    code: str | None = None,
    account: str | None = None,
    metric: str | None = None,
    since: datetime | None = None,
) -> Select[Any]:
    """Return the query of the letters in a status, refused for a reason, that named an account and a metric,
    last seen at `since` or later.
    """
    query = _narrow(select(DeadLetter), status=status, code=code, account=account, metric=metric)
    return query if since is None else query.where(DeadLetter.last_seen_at >= since)


def waiting() -> list[Waiting]:
    """Return the reasons that open letters wait for, the most frequent first."""
    counted = func.count().label("letters")
    reasons = (
        select(DeadLetter.code, counted).where(DeadLetter.status == OPEN).group_by(DeadLetter.code).subquery()
    )
    ready = case((reasons.c.code.in_(UNMATCHED), _ready(reasons.c.code)), else_=0).label("ready")
    query = select(reasons, ready).order_by(reasons.c.letters.desc(), reasons.c.code)
    return [Waiting(row.code, row.letters, row.ready) for row in db.session.execute(query)]


def _ready(code: ColumnElement[str]) -> ColumnElement[int]:
    """Return the number of open letters of a reason whose account and metric exist by now."""
    by_name = exists().where(Account.external_id == DeadLetter.account_ref)
    our_id = case((DeadLetter.account_ref.regexp_match(OUR_ID), cast(DeadLetter.account_ref, Uuid)))
    by_id = exists().where(Account.id == our_id)
    metric = (Metric.code == DeadLetter.metric_code) & Metric.active
    found = (
        select(DeadLetter.id)
        .where(DeadLetter.status == OPEN, DeadLetter.code == code)
        .where(or_(by_name, by_id), exists().where(metric))
        .limit(MOST_COUNTED)
        .correlate(code.table)
    )
    return select(func.count()).select_from(found.subquery()).scalar_subquery()


def _narrow(query: Select[Any], **wanted: str | None) -> Select[Any]:
    columns = {
        "status": DeadLetter.status,
        "code": DeadLetter.code,
        "account": DeadLetter.account_ref,
        "metric": DeadLetter.metric_code,
    }
    for name, value in wanted.items():
        if value is not None:
            query = query.where(columns[name] == value)
    return query
