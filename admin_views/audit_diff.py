"""What an audit record says has changed, field by field, as a person reads it: money with its currency, times
in the reader's zone, states as badges, and nothing that the reader may not see.
"""

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from flask import current_app, url_for
from markupsafe import Markup
from sqlalchemy import Column, Date, DateTime, Enum, Numeric

from admin_views import formatters
from admin_views.access import may
from admin_views.naming import column_of, label_of, noun_of
from app import personal
from app.db import Base
from app.models import AuditRecord
from app.permissions import Verb
from app.templating import NOTHING, day, instant, money, quantity

DOCUMENT = Markup('<pre class="json" tabindex="0">%s</pre>')
# A field that no column is called by and that holds an instant.
INSTANTS = ("_at", "_from", "_until", "since", "until")


@dataclass(frozen=True, slots=True)
class Change:
    """One field: what it is called, and how it was and is; None where the record does not say."""

    label: str
    old: Markup | None
    new: Markup | None


def changes(entry: AuditRecord, record: Base | None = None) -> list[Change]:
    """Return what an audit record tells, in the order of its fields; `record` is what it happened to."""
    before, after = entry.before or {}, entry.after or {}
    currency = str(after.get("currency") or before.get("currency") or getattr(record, "currency", ""))
    model = model_named(entry.resource_type)
    return [
        Change(
            label_of(name),
            _shown(model, name, before[name], currency) if name in before else None,
            _shown(model, name, after[name], currency) if name in after else None,
        )
        for name in dict.fromkeys((*before, *after))
    ]


def model_named(name: str) -> type[Base] | None:
    """Return the mapped class of this name."""
    for model in current_app.extensions["admin_screens"]:
        if model.__name__ == name:
            found: type[Base] = model
            return found
    return None


def kind_of(entry: AuditRecord) -> str:
    """Return what kind of record something happened to: `wallet transaction`."""
    model = model_named(entry.resource_type)
    return noun_of(model) if model else entry.resource_type.lower()


def record_address(entry: AuditRecord) -> str | None:
    """Return where the page of the record is, None where there is none for the person who is looking."""
    model = model_named(entry.resource_type)
    view = current_app.extensions["admin_screens"].get(model)
    if view is None or "|" in entry.resource_id or not may(view.resource, Verb.read):
        return None
    return formatters.page_of(view.endpoint, entry.resource_id)


def trail_address(**asked: str) -> str:
    """Return the list of the trail, narrowed: `trail_address(request_id=…)`."""
    return url_for("admin_audit.index_view", **asked)  # type: ignore[arg-type]


def _shown(model: type[Base] | None, name: str, value: Any, currency: str) -> Markup:
    value = personal.shown(name, value, of=model.__tablename__ if model else "")
    if value is None or value in ("", [], {}):
        return NOTHING
    if isinstance(value, bool):
        return (
            formatters.badge("Yes", "success", "check")
            if value
            else formatters.badge("No", "neutral", "minus")
        )
    column = column_of(model, name) if model is not None and hasattr(model, name) else None
    read = _by_column(column, name, value, currency) if isinstance(value, str | int) else None
    return read if read is not None else _plainly(value)


def _by_column(column: Column[Any] | None, name: str, value: str | int, currency: str) -> Markup | None:
    """Return the value as its column reads, None where nothing is known of it or it cannot be read so."""
    kind = None if column is None else column.type
    try:
        if isinstance(kind, DateTime) or (kind is None and name.endswith(INSTANTS)):
            return instant(_instant(str(value)))
        if isinstance(kind, Date):
            return day(date.fromisoformat(str(value)))
        if isinstance(kind, Numeric):
            is_money = currency and column is not None and column.info.get("money")
            return money(Decimal(value), currency) if is_money else quantity(Decimal(value))
    except (ValueError, InvalidOperation):
        return None
    if name in formatters.STATUS_NAMES or (name.endswith("status") and isinstance(kind, Enum)):
        return formatters.status(value)
    return None


def _plainly(value: Any) -> Markup:
    if isinstance(value, str | int):
        return formatters.TEXT % str(value)
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return Markup(" ").join(formatters.CHIP % one for one in value)
    return DOCUMENT % json.dumps(value, indent=2, ensure_ascii=False)


def _instant(text: str) -> datetime:
    read = datetime.fromisoformat(text)
    return read if read.tzinfo else read.replace(tzinfo=UTC)
