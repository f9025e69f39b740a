"""Own terms of subscriptions as frozen values: what pricing goes by instead of rows."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, exists, select
from sqlalchemy.orm import InstrumentedAttribute

from app.db import db
from app.domain.pricing import Terms, parse_terms
from app.models import TermsOverride


@dataclass(frozen=True, slots=True)
class Override:
    """Other terms of a component, for the billing periods that start in `[start_at, end_at)`."""

    id: UUID
    component_id: UUID
    start_at: datetime
    end_at: datetime | None
    terms: Terms

    def holds(self, component_id: UUID, period_start: datetime) -> bool:
        """True when the component has these terms in the period that starts then."""
        started = self.component_id == component_id and self.start_at <= period_start
        return started and (self.end_at is None or period_start < self.end_at)


def exist(origin: InstrumentedAttribute[UUID]) -> ColumnElement[bool]:
    """Return the condition that a subscription, named by its first segment, has own terms at some time."""
    return exists().where(TermsOverride.subscription_id == origin)


def of(origins: Collection[UUID]) -> dict[UUID, tuple[Override, ...]]:
    """Return the overrides of these subscriptions, each named by its first segment."""
    if not origins:
        return {}
    found: defaultdict[UUID, list[Override]] = defaultdict(list)
    query = select(TermsOverride).where(TermsOverride.subscription_id.in_(origins))
    for row in db.session.scalars(query.order_by(TermsOverride.start_at)):
        terms = parse_terms(row.model, row.terms)
        found[row.subscription_id].append(Override(row.id, row.component_id, row.start_at, row.end_at, terms))
    return {origin: tuple(rows) for origin, rows in found.items()}
