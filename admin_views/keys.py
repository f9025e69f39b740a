"""Primary keys in addresses: text that survives a URL, and back. What cannot be a key is simply not found."""

import base64
import json
from datetime import date, datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Column

from admin_views.naming import mapper_of
from app.db import Base
from app.errors import NotFound

BIGGEST_INTEGER = 2**63


def key_columns(model: type[Base]) -> tuple[Column[Any], ...]:
    """Return the primary key of a model."""
    columns: tuple[Any, ...] = mapper_of(model).primary_key
    return columns


def encode(values: list[Any]) -> str:
    """Return several values as one word that is safe in an address."""
    plain = [
        value.isoformat() if isinstance(value, date) else value if isinstance(value, dict) else str(value)
        for value in values
    ]
    return base64.urlsafe_b64encode(json.dumps(plain, separators=(",", ":")).encode()).decode().rstrip("=")


def decode(token: str, columns: tuple[Column[Any], ...]) -> list[Any]:
    """Return the values of `encode`, in the types of `columns`.

    Raises:
        NotFound: the word is not one of ours.
    """
    try:
        plain = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        if not isinstance(plain, list) or len(plain) != len(columns):
            raise ValueError("not a key")
        return [typed(value, column) for value, column in zip(plain, columns, strict=True)]
    except (ValueError, TypeError, AttributeError):
        raise NotFound("There is no such page.") from None


def typed(text: Any, column: Column[Any]) -> Any:
    """Return the text of one value in the type of its column.

    Raises:
        ValueError: it cannot be read as that type.
    """
    kind = column.type.python_type
    if kind is UUID:
        return UUID(str(text))
    if kind is datetime:
        return datetime.fromisoformat(str(text))
    if kind is date:
        return date.fromisoformat(str(text))
    if kind is int:
        number = int(str(text))
        if abs(number) >= BIGGEST_INTEGER:
            raise ValueError("too big for a key")
        return number
    if kind is str and "\x00" in str(text):
        raise ValueError("no text holds a zero byte")
    return text if kind is dict else kind(text)


def key_of(row: Base) -> str:
    """Return the key of a row as it stands in addresses."""
    values = [getattr(row, name) for name in _key_names(type(row))]
    return str(values[0]) if len(values) == 1 else encode(values)


@cache
def _key_names(model: type[Base]) -> tuple[str, ...]:
    mapper = mapper_of(model)
    return tuple(mapper.get_property_by_column(column).key for column in key_columns(model))


def find(model: type[Base], key: str) -> list[Any]:
    """Return the values of a row's key from an address.

    Raises:
        NotFound: it is malformed, so there can be no such row.
    """
    columns = key_columns(model)
    if len(columns) > 1:
        return decode(key, columns)
    try:
        return [typed(key, columns[0])]
    except (ValueError, TypeError, AttributeError):
        raise NotFound("There is no such record.") from None
