"""The return of one registration and month: every section with its rows and sums, as JSON and as CSV."""

import csv
import io
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from app.domain.money import plain
from app.domain.periods import calendar_month
from app.models import SellerRegistration
from app.services.gst_returns.documents import FIGURES, NOTHING, Document, Figures
from app.services.gst_returns.reading import read
from app.services.gst_returns.sections import SECTIONS, Month, Row, Section
from app.services.inputs import refusals

INDIA_TIME = "Asia/Kolkata"
# Sections in the order of the form; what else is registered follows.
ORDER = ("b2b", "b2cl", "b2cs", "exp", "nil", "cdnr", "cdnur", "at", "atadj", "hsn", "docs")
# A cell that begins like this is a formula to a spreadsheet (OWASP: CSV injection).
FORMULA = ("=", "+", "-", "@", "\t", "\r")
NEW_LINE = "\r\n"


@dataclass(frozen=True, slots=True)
class Table:
    """A section with its rows."""

    name: str
    section: Section
    rows: list[Row]

    @property
    def sums(self) -> Figures:
        """The columns of money of this table added up."""
        return {
            name: sum((row[name] for row in self.rows), NOTHING)
            for name in FIGURES
            if name in self.section.columns
        }


@dataclass(frozen=True, slots=True)
class Filing:
    """The return of a month; `problems` tells what is missing in it and why."""

    gstin: str
    month: str
    tables: tuple[Table, ...]
    problems: tuple[str, ...]

    def supplies(self) -> Figures:
        """Return the sum of all supplies, less what credit notes took back. Tax that recipients pay
        themselves (reverse charge) is none of it."""
        whole = dict.fromkeys(FIGURES, NOTHING)
        for table in self.tables:
            for row in table.rows if table.section.sign else ():
                borne = row.get("reverse") == "Y"
                for name in FIGURES[:1] if borne else FIGURES:
                    whole[name] += table.section.sign * row.get(name, NOTHING)
        return whole


def make(registration: SellerRegistration, month: str) -> Filing:
    """Return the return of a registration for a month such as `2026-10`, by the dates of the documents (IST).

    Raises:
        Invalid: it names no month.
    """
    first_on, last_on = days_of(month)
    found = list(read(registration.id, first_on, last_on))
    documents = [one for one in found if isinstance(one, Document)]
    asked = Month(registration.id, first_on, last_on, documents)
    names = sorted(SECTIONS, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name))
    tables = tuple(Table(name, SECTIONS[name], SECTIONS[name].make(asked)) for name in names)
    return Filing(registration.gstin, month, tables, tuple(one for one in found if isinstance(one, str)))


def days_of(month: str) -> tuple[date, date]:
    """Return the first and the last day of a month such as `2026-10`.

    Raises:
        Invalid: it names none.
    """
    with refusals():
        period = calendar_month(month, INDIA_TIME)
    return period.start_on, period.last_on


def as_json(filing: Filing) -> dict[str, Any]:
    """Return a return as plain values: amounts as decimal strings, days as ISO 8601, the period as the portal
    writes it (`102026`)."""
    year, month = filing.month.split("-")
    return {
        "gstin": filing.gstin,
        "fp": f"{month}{year}",
        "sections": {
            table.name: {
                "title": table.section.title,
                "rows": [_plain_row(row) for row in table.rows],
                "sums": _plain_row(table.sums),
            }
            for table in filing.tables
        },
        "supplies": _plain_row(filing.supplies()),
        "problems": list(filing.problems),
    }


def as_csv(filing: Filing, names: Collection[str] | None = None) -> str:
    """Return a return as CSV: every section beneath its title, or only those that are named. A text that a
    spreadsheet would take for a formula is quoted."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator=NEW_LINE)
    writer.writerow(["GSTIN", filing.gstin, "Month", filing.month])
    for problem in filing.problems:
        writer.writerow(["Missing", harmless(problem)])
    for table in filing.tables:
        if names is not None and table.name not in names:
            continue
        writer.writerow([])
        writer.writerow([f"{table.name}: {table.section.title}"])
        writer.writerow(table.section.columns.values())
        writer.writerows([_cell(row[name]) for name in table.section.columns] for row in table.rows)
    return "\ufeff" + text.getvalue()


def harmless(cell: str) -> str:
    """Return a text that a spreadsheet shows instead of running.

    >>> harmless("=HYPERLINK(1)"), harmless("Acme")
    ("'=HYPERLINK(1)", 'Acme')
    """
    return f"'{cell}" if cell.startswith(FORMULA) else cell


def _cell(value: Any) -> str:
    if isinstance(value, Decimal):
        return plain(value)
    return value.isoformat() if isinstance(value, date) else harmless(str(value))


def _plain_row(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: plain(value)
        if isinstance(value, Decimal)
        else value.isoformat()
        if isinstance(value, date)
        else value
        for name, value in row.items()
    }
