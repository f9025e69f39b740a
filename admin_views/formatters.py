"""How a value reads in a list, on a page and in an export. One function per kind of value; the column's hints
choose.

A cell for a person is `Markup`; a cell for a file is a plain value, so that a spreadsheet can calculate with
it.
"""

import enum
import json
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote
from uuid import UUID

from flask import current_app
from markupsafe import Markup, escape

from admin_views.access import may
from admin_views.filters import COUNTRIES
from admin_views.keys import key_of
from admin_views.naming import column_of, hint, noun_called, table_of
from app import personal
from app.db import Base
from app.formatting import format_instant, format_money
from app.languages import translated
from app.models import Journal, Payment, User, WalletTransaction
from app.permissions import Verb
from app.templating import (
    NOTHING,
    address,
    current_zone,
    day,
    icon_address,
    instant,
    money,
    quantity,
    status_look,
    words,
)

LONGEST_CELL = 80
COUNTRY_NAMES = dict(COUNTRIES)
STATUS_NAMES = {"status", "state"}
ICON = Markup('<svg class="icon" aria-hidden="true" focusable="false"><use href="%s"></use></svg>')
BADGE, CHIP = Markup('<span class="tag tag-%s">%s%s</span>'), Markup('<span class="chip">%s</span>')
LINK, CODE = Markup('<a href="%s">%s</a>'), Markup('<code class="code">%s</code>')
TEXT, CUT = Markup('<span class="text">%s</span>'), Markup('<span title="%s">%s…</span>')
WORD = Markup('<span class="text-nowrap">%s</span>')
CALLED: dict[type[Base], Callable[[Any], str]] = {
    Journal: lambda row: f"{words(row.kind)}, {format_instant(row.created_at, current_zone())}",
    Payment: lambda row: f"{format_money(row.amount, row.currency)} by {row.gateway}",
    WalletTransaction: lambda row: f"{words(row.kind)}: {format_money(row.amount, row.currency)}",
}
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def resolve(row: Any, path: str) -> Any:
    """Return the value at the end of a dotted path, None where the way there is empty."""
    for name in path.split("."):
        if row is None:
            return None
        row = getattr(row, name)
    return row


def icon(name: str) -> Markup:
    """Return an icon of the sprite as decoration."""
    return ICON % icon_address(name)


def badge(text: str, tone: str, picture: str) -> Markup:
    """Return a label with a tone and an icon: never colour alone."""
    return BADGE % (tone, icon(picture), text)


def status(value: object) -> Markup:
    """Return a status as a badge."""
    look = status_look(value)
    return badge(translated(words(value)), look.tone, look.icon)


def kind_of_record(name: str | None) -> Markup:
    """Return the kind of record that a model's name stands for: `Wallet transaction`."""
    return WORD % words(noun_called(name)) if name else NOTHING


def address_of(row: Base) -> str | None:
    """Return where a record's page is, or None where there is none for the person who is looking."""
    view = current_app.extensions["admin_screens"].get(type(row))
    if view is None or not may(view.resource, Verb.read):
        return None
    return page_of(view.endpoint, key_of(row))


def page_of(endpoint: str, key: str) -> str:
    """Return the address of the page of a screen's record."""
    return f"{address(f'{endpoint}.details_view')}?id={quote(key, safe='')}"


def link(row: Base) -> Markup:
    """Return a record's label, linked to its page."""
    found, label = address_of(row), label_of_row(row)
    return escape(label) if found is None else LINK % (found, label)


def label_of_row(row: Base) -> str:
    """Return what a record is called; the people of a customer have their names to themselves."""
    name = "full_name" if isinstance(row, User) and row.customer_id is not None else ""
    label: str = personal.shown(name, called(row), of=row.__tablename__)
    return label


def called(row: Base) -> str:
    """Return what a record calls itself, with amounts and times as a page writes them."""
    said = CALLED.get(type(row))
    return str(row) if said is None else said(row)


def cell(model: type[Base], row: Any, path: str, *, full: bool = False) -> Markup:
    """Return the value of a column for a person: in a list briefly, on a page in full."""
    value = personal.shown(path, resolve(row, path), of=table_of(model, path))
    if value is None or value in ("", [], {}):
        return NOTHING
    if hint(model, path, "secret"):
        return Markup('<span class="text-secondary">hidden</span>')
    owner = hint(model, path, "money")
    if owner and isinstance(value, Decimal | int):
        prefix = path.rpartition(".")[0]
        return money(value, resolve(row, f"{prefix}.{owner}" if prefix else owner))
    if hint(model, path, "format") == "country":
        return Markup('<span class="text-nowrap" title="{}">{}</span>').format(
            value, COUNTRY_NAMES.get(value, value)
        )
    zone = hint(model, path, "zone")
    if zone and isinstance(value, datetime):
        return instant(value, resolve(row, zone))
    return _by_type(value, path, full)


def _by_type(value: Any, path: str, full: bool) -> Markup:
    if isinstance(value, enum.Enum):
        shown = value.value if isinstance(value.value, str) else value.name
        return status(shown) if path.rsplit(".", 1)[-1] in STATUS_NAMES else WORD % words(shown)
    if isinstance(value, bool):
        return badge("Yes", "success", "check") if value else badge("No", "neutral", "minus")
    if isinstance(value, Base):
        return link(value)
    if isinstance(value, datetime):
        return instant(value)
    if isinstance(value, date):
        return day(value)
    if isinstance(value, Decimal | int):
        return quantity(value)
    if isinstance(value, dict | list):
        return _document(value, full)
    return _text(value, full)


def _text(value: Any, full: bool) -> Markup:
    if isinstance(value, bytes):
        return CODE % (value.hex() if full else f"{value.hex()[:12]}…")
    text = str(value)
    if isinstance(value, UUID):
        return CODE % text
    if full or len(text) <= LONGEST_CELL:
        return TEXT % text
    return CUT % (text, text[: LONGEST_CELL - 1])


def _document(value: Any, full: bool) -> Markup:
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return Markup(" ").join(CHIP % one for one in value)
    if full:
        return Markup('<pre class="json" tabindex="0">{}</pre>').format(
            json.dumps(value, indent=2, ensure_ascii=False, default=str)
        )
    if (
        isinstance(value, Mapping)
        and len(value) <= 4
        and not any(isinstance(one, dict | list) for one in value.values())
    ):
        return Markup(" ").join(CHIP % f"{key}: {one}" for key, one in value.items())
    return Markup('<span class="text-secondary">{} entries</span>').format(len(value))


def plain(row: Any, path: str) -> Any:
    """Return the value of a column for a file: numbers as numbers, instants in UTC, text that no spreadsheet
    runs as a formula.
    """
    model: type[Base] = type(row)
    value = personal.shown(path, resolve(row, path), of=table_of(model, path))
    if value is None:
        return ""
    if isinstance(value, Base):
        return harmless(label_of_row(value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, int) and not isinstance(value, enum.Enum):
        return value
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, enum.Enum):
        return harmless(str(value.value))
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict | list):
        return harmless(json.dumps(value, ensure_ascii=False, default=str))
    return harmless(str(value))


def harmless(text: str) -> str:
    """Return text that a spreadsheet shows instead of running (OWASP: CSV injection).

    >>> harmless("=1+1"), harmless("Acme")
    ("'=1+1", 'Acme')
    """
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def exported(model: type[Base], path: str) -> bool:
    """Tell whether a column may leave in a file."""
    column = column_of(model, path)
    return column is None or not column.info.get("secret")
