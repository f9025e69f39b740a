"""Charge positions as metering moves them: what is new is added, by one statement for all of a run."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text

from app.db import db
from app.domain import groups
from app.domain.groups import Counted, Groups
from app.domain.money import EXACT
from app.ids import new_id
from app.models import ChargePosition
from app.services.rating import Place
from app.services.rollups import PlaceKey

# Groups are added value by value, in the statement that holds the row.
MOVE_POSITIONS = text("""
    INSERT INTO charge_positions AS p
        (id, account_id, subscription_id, component_id, period_start, period_end, currency, quantity, events,
         groups)
    SELECT * FROM unnest(
        CAST(:id AS uuid[]), CAST(:account_id AS uuid[]), CAST(:subscription_id AS uuid[]), CAST(:component_id
        AS uuid[]), CAST(:period_start AS timestamptz[]), CAST(:period_end AS timestamptz[]), CAST(:currency
        AS text[]), CAST(:quantity AS numeric[]), CAST(:events AS bigint[]), CAST(:groups AS jsonb[])
    )
    ON CONFLICT (subscription_id, component_id, period_start)
    DO UPDATE SET quantity = p.quantity + excluded.quantity, events = p.events + excluded.events,
        groups = CASE WHEN excluded.groups IS NULL THEN p.groups ELSE (
            SELECT coalesce(jsonb_object_agg(value, jsonb_build_array(trim_scale(q)::text, n)), '{}') FROM (
                SELECT value, sum((part ->> 0)::numeric) AS q, sum((part ->> 1)::bigint)::bigint AS n FROM (
                    SELECT * FROM jsonb_each(coalesce(p.groups, '{}'))
                    UNION ALL SELECT * FROM jsonb_each(excluded.groups)
                ) AS each_of_both (value, part) GROUP BY value
            ) AS added WHERE q <> 0 OR n <> 0
        ) END
    RETURNING id, subscription_id, component_id, period_start, quantity, events, groups, charged_amount
""")

NOTE_CHARGED = text("""
    UPDATE charge_positions AS p SET charged_amount = charged.amount
    FROM unnest(CAST(:id AS uuid[]), CAST(:amount AS numeric[])) AS charged (id, amount)
    WHERE p.id = charged.id
""")


@dataclass(slots=True)
class Addition:
    """What a run adds to one charge position; `groups` only where it is priced by groups."""

    place: Place
    quantity: Decimal = Decimal(0)
    events: int = 0
    groups: Groups = field(default_factory=dict)

    def take(self, row: Row[Any]) -> None:
        """Add what is new in a rollup."""
        self.quantity = EXACT.add(self.quantity, row.quantity)
        self.events += row.events
        if self.place.price.group_by is not None:
            groups.add(self.groups, self.place.price.group_of(row.dimensions), row.quantity, row.events)


def move(additions: Mapping[PlaceKey, Addition]) -> list[Row[Any]]:
    """Add to the charge positions and return them as they are now, locked in key order."""
    ordered = [additions[key] for key in sorted(additions)]
    return list(db.session.execute(MOVE_POSITIONS, _as_columns(ordered))) if ordered else []


def difference(place: Place, wanted: Counted, held: Row[Any] | ChargePosition) -> Addition:
    """Return what turns the held position into the wanted one."""
    quantity = EXACT.subtract(wanted.quantity, held.quantity)
    return Addition(
        place, quantity, wanted.events - held.events, groups.difference(wanted.groups, held.groups)
    )


def note_charged(amounts: Iterable[tuple[UUID, Decimal]]) -> None:
    """Write what positions have been charged now."""
    ids, charged = zip(*amounts, strict=True)
    db.session.execute(NOTE_CHARGED, {"id": list(ids), "amount": list(charged)})


def _as_columns(additions: Sequence[Addition]) -> dict[str, list[Any]]:
    rows = [
        {
            "id": new_id(),
            "account_id": each.place.coverage.account_id,
            "subscription_id": each.place.coverage.subscription_id,
            "component_id": each.place.price.id,
            "period_start": each.place.period.start,
            "period_end": each.place.period.end,
            "currency": each.place.coverage.currency,
            "quantity": each.quantity,
            "events": each.events,
            "groups": json.dumps(each.groups) if each.place.price.group_by else None,
        }
        for each in additions
    ]
    return {name: [row[name] for row in rows] for name in rows[0]}
