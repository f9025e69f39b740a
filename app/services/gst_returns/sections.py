"""What a section of the return is, and the registry of all of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from app.domain.places import place_name
from app.registry import Registry
from app.services.gst_returns.documents import FIGURES, Document, Figures, add_up

MONEY = {"taxable": "Taxable value", "igst": "IGST", "cgst": "CGST", "sgst": "SGST/UTGST"}

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Month:
    """What sections are made from: a registration, the days of a month, and the documents issued in it."""

    registration_id: UUID
    first_on: date
    last_on: date
    documents: Sequence[Document]

    @property
    def invoices(self) -> list[Document]:
        """The invoices whose supplies are told."""
        return [one for one in self.documents if one.counts and not one.is_note]

    @property
    def notes(self) -> list[Document]:
        """The credit notes that are told."""
        return [one for one in self.documents if one.counts and one.is_note]


@dataclass(frozen=True, slots=True)
class Section:
    """A table of the return: its title, the headings of its columns, and what makes its rows.

    `sign` is how its figures count in the sum of all supplies: 1, -1 for what is taken back, 0 for a table
    that tells of the same supplies once more.
    """

    title: str
    columns: Mapping[str, str]
    sign: int
    make: Callable[[Month], list[Row]]


SECTIONS: Registry[Section] = Registry("section of the return")


def section(
    name: str, title: str, columns: Mapping[str, str], *, sign: int = 0
) -> Callable[[Callable[[Month], list[Row]]], Callable[[Month], list[Row]]]:
    """Return a decorator that enters the maker of a section's rows under its name."""

    def enter(make: Callable[[Month], list[Row]]) -> Callable[[Month], list[Row]]:
        SECTIONS.register(name)(Section(title, columns, sign, make))
        return make

    return enter


def told(figures: Figures) -> Row:
    """Return the figures of a row in the order of their columns."""
    return {name: figures[name] for name in FIGURES}


def place(code: str) -> str:
    """Return a place of supply as returns write it: `29-Karnataka`."""
    return place_name(code)


def yes_no(value: bool) -> str:
    """Return Y or N."""
    return "Y" if value else "N"


def rows_by_rate(document: Document, head: Row) -> list[Row]:
    """Return a row for each rate of a document, `head` before its figures."""
    found = add_up((part.rate, part) for part in document.taxed())
    return [{**head, "rate": rate, **told(found[rate])} for rate in sorted(found)]
