"""The kinds of documents there are: for each, what it shows and on which template.

A document is whatever has a number and an immutable snapshot, which names its kind. To add one:

    @document_kind("receipt_voucher", template="voucher.html")
    def receipt_voucher(snapshot: Snapshot) -> dict[str, Any]:
        …

The function works out everything the template shows from the snapshot and from nothing else, so the same
snapshot has the same bytes for ever. A contract test renders every kind.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from app.registry import Registry

Snapshot = Mapping[str, Any]
Build = Callable[[Snapshot], dict[str, Any]]


class Document(Protocol):
    """A row that people get as a PDF."""

    __tablename__: str

    @property
    def id(self) -> UUID:
        """Its key."""

    @property
    def number(self) -> str | None:
        """Its number; None before it is issued."""

    @property
    def snapshot(self) -> dict[str, Any] | None:
        """What it says, with at least kind, title, number, issued_on and seller.name; None before that."""

    @property
    def snapshot_sha256(self) -> bytes | None:
        """The checksum of the snapshot's canonical form."""


@dataclass(frozen=True, slots=True)
class DocumentKind:
    """An entry of the registry: a template of `templates/pdf/` and what it shows."""

    template: str
    build: Build


kinds: Registry[DocumentKind] = Registry("document kind")


def document_kind(*names: str, template: str) -> Callable[[Build], Build]:
    """Return a decorator that makes a function the builder of the documents of these kinds.

    Raises:
        ValueError: one of the names is taken.
    """

    def enter(build: Build) -> Build:
        for name in names:
            kinds.register(name)(DocumentKind(template, build))
        return build

    return enter
