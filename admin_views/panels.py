"""What a record's page shows beside its own values: lists of other records, and steps on other pages."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Link:
    """A step that begins on another page: its words, address and icon, and the resource that it changes."""

    label: str
    url: str
    icon: str = "arrow-right"
    resource: str = ""


@dataclass(frozen=True)
class Panel:
    """A `Related` with its rows, ready to show."""

    title: str
    view: Any
    names: tuple[str, ...]
    rows: list[Any]
    more: str | None = None
    empty: str = ""
    extra: dict[str, Any] = field(default_factory=dict)
