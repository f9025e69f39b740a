"""What a person chooses for a file: which columns become what, and sensible guesses to begin with."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select

from app.db import db
from app.models import Metric, PlanVersion, PricePlan
from app.models.plans import VersionStatus
from app.services import events, imports
from app.services.imports import Import

# The usual names of columns, the likeliest first.
USUAL = {
    "event_id": ("event_id", "request_id", "message_id", "transaction_id", "id", "uuid", "guid"),
    "account_id": (
        "account_id", "account", "client_id", "client", "customer_id", "customer", "tenant_id", "tenant",
        "user_id", "user", "sender",
    ),
    "timestamp": ("timestamp", "occurred_at", "time", "datetime", "date", "created_at", "sent_at"),
    "quantity": ("quantity", "qty", "units", "amount"),
    "metric": ("metric", "metric_code", "event_type"),
}  # fmt: skip
ENDINGS = {"timestamp": ("_at", "_time", "_date", "timestamp"), "event_id": ("_id",)}


@dataclass(frozen=True, slots=True)
class Choices:
    """How a file is imported. The fields name columns, "" is none.

    `metric` is the code for every row, "" where `metric_column` tells it. `plan` is the code of the plan that
    unknown accounts are made on, "" makes none. `prefix` goes before each event id. `summed` is the property
    that the quantity becomes, "" is the quantity of the event.
    """

    metric: str
    event_id: str
    account_id: str
    metric_column: str = ""
    timestamp: str = ""
    quantity: str = ""
    summed: str = ""
    prefix: str = ""
    properties: tuple[str, ...] = ()
    backfill: bool = False
    plan: str = ""

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Choices":
        """Return what `as_json` gave."""
        return cls(**{**values, "properties": tuple(values["properties"])})

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {**asdict(self), "properties": list(self.properties)}


def prepare(path: Path, choices: Choices, *, at: datetime, old_too: bool = False) -> Import:
    """Read the file and return how it will be imported; nothing is stored.

    Usage that is older than the API takes needs the choice `backfill`, or `old_too`.

    Raises:
        UnreadableFile, BadMapping, NotFound, TooOld: as `imports.prepare` says.
    """
    max_age = None if choices.backfill or old_too else events.oldest_allowed()
    return imports.prepare(
        path,
        _maps(choices),
        metric=choices.metric or None,
        dimensions=choices.properties,
        max_age=max_age,
        at=at,
    )


def guess(columns: Iterable[str]) -> dict[str, str]:
    """Return the likeliest column for each field that has one; no column serves twice."""
    plain = {re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_"): name for name in columns}
    found: dict[str, str] = {}
    for field, names in USUAL.items():
        if exact := [plain[name] for name in names if name in plain]:
            found[field] = exact[0]
    for field, endings in ENDINGS.items():
        free = [name for key, name in plain.items() if key.endswith(endings) and name not in found.values()]
        if field not in found and free:
            found[field] = free[0]
    return found


def countable() -> list[Metric]:
    """Return the active metrics in the order of their names."""
    return list(db.session.scalars(select(Metric).where(Metric.active).order_by(Metric.name, Metric.code)))


def subscribable() -> list[PricePlan]:
    """Return the active plans with a published version, in the order of their names."""
    published = select(PlanVersion.plan_id).where(PlanVersion.status == VersionStatus.published)
    query = select(PricePlan).where(PricePlan.active, PricePlan.id.in_(published))
    return list(db.session.scalars(query.order_by(PricePlan.name, PricePlan.code)))


def read_by(counted: Iterable[Metric], columns: Iterable[str]) -> list[str]:
    """Return the columns that are called like a property which one of the metrics reads."""
    names = {name for metric in counted for name in (*metric.dimensions, metric.value_property)}
    return [name for name in columns if name in names]


def _maps(choices: Choices) -> list[str]:
    prefix = choices.prefix.replace("{", "{{").replace("}", "}}")
    event_id = f"{prefix}{{{choices.event_id}}}" if prefix else choices.event_id
    maps = [f"event_id={event_id}", f"account_id={choices.account_id}"]
    if choices.metric_column:
        maps.append(f"metric={choices.metric_column}")
    if choices.timestamp:
        maps.append(f"timestamp={choices.timestamp}")
    if choices.quantity:
        target = f"properties.{choices.summed}" if choices.summed else "quantity"
        maps.append(f"{target}={choices.quantity}")
    return maps
