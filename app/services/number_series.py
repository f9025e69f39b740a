"""The series of document numbers as people see and keep them: what each has given, and its prefix, which is
chosen before the first number or never."""

import re
from typing import Any

from sqlalchemy import ColumnElement, Integer, Text, cast, func, literal, select

from app.db import db, lock
from app.domain.numbering import FIRST_MONTH, FinancialYear, check_prefix
from app.errors import Conflict, Invalid, NotFound
from app.models import Invoice, InvoiceSeries, SellerRegistration, Voucher
from app.models.invoices import SeriesKind
from app.permissions import Actor
from app.services import audit, inputs
from app.services.inputs import refusals
from app.services.numbers import SUFFIXES

_LABEL = re.compile(r"(20\d\d)-(\d\d)", re.ASCII)


def open_series(values: dict[str, Any], *, actor: Actor) -> InvoiceSeries:
    """Make a series with a prefix of its own before its first number: `registration` (the row), `kind`,
    `financial_year` (`2026-27`) and `prefix`. Without it a series begins by itself with the registration's.

    Raises:
        Invalid: a field that cannot be used, or a prefix that another series of the year has or will have.
        Conflict: the series is there already.
    """
    registration = values["registration"]
    with refusals():
        kind = inputs.choice(SeriesKind)(values.get("kind"), "/kind")
    year = _year(values.get("financial_year"))
    there = select(InvoiceSeries.id).where(
        InvoiceSeries.registration_id == registration.id,
        InvoiceSeries.kind == kind,
        InvoiceSeries.financial_year == year.label,
    )
    if db.session.scalar(there) is not None:
        raise Conflict(
            f"There is a series of {kind.replace('_', ' ')}s for {year} already: change its prefix."
        )
    made = InvoiceSeries(
        registration=registration,
        kind=kind,
        financial_year=year.label,
        prefix=_free_prefix(registration, kind, year.label, values.get("prefix")),
        last_number=0,
    )
    db.session.add(made)
    summary = f"Series {made.prefix}/{year.short}/ was opened"
    after = {"kind": kind, "financial_year": year.label, "prefix": made.prefix}
    audit.record(actor, "series.opened", made, summary=summary, after=after)
    return made


def change_prefix(series: InvoiceSeries, values: dict[str, Any], *, actor: Actor) -> InvoiceSeries:
    """Give a series another `prefix`, as long as it has given no number.

    Raises:
        Conflict: it has: numbers of one series and year begin alike (CGST Rule 46(b)).
        Invalid: the prefix cannot be used, or another series has or will have it.
    """
    (row,) = lock(InvoiceSeries, [series.id])
    if row.last_number:
        raise Conflict("The series has given numbers: its prefix stays until the financial year ends.")
    before = row.prefix
    row.prefix = _free_prefix(row.registration, row.kind, row.financial_year, values.get("prefix"))
    summary = f"Series {before} of {row.financial_year} begins with {row.prefix} from now on"
    then, now = {"prefix": before}, {"prefix": row.prefix}
    audit.record(actor, "series.changed", row, summary=summary, before=then, after=now)
    return row


def get(series_id: Any) -> InvoiceSeries:
    """Return the series with this id.

    Raises:
        NotFound: there is none.
    """
    found = db.session.get(InvoiceSeries, series_id)
    if found is None:
        raise NotFound("There is no such series.")
    return found


def issued() -> ColumnElement[int]:
    """Return how many documents carry a number of a series, for a query of series."""
    return _counted(func.count())


def gaps() -> ColumnElement[int]:
    """Return how many numbers up to the last are on no document, for a query of series: always 0."""
    given = _counted(
        func.count(func.distinct(_position(Invoice))), func.count(func.distinct(_position(Voucher)))
    )
    return InvoiceSeries.last_number - given


def _counted(
    of_invoices: ColumnElement[int], of_vouchers: ColumnElement[int] | None = None
) -> ColumnElement[int]:
    """Return a figure of the invoices and vouchers of a series together: it has one or the other."""
    head = InvoiceSeries.prefix + literal("/") + func.substr(InvoiceSeries.financial_year, 3) + literal("/")
    figures = ((Invoice, of_invoices), (Voucher, of_invoices if of_vouchers is None else of_vouchers))
    parts = [
        select(figure)
        .select_from(model)
        .where(
            model.registration_id == InvoiceSeries.registration_id,
            cast(model.kind, Text) == cast(InvoiceSeries.kind, Text),
            func.starts_with(model.number, head),
        )
        .correlate(InvoiceSeries)
        .scalar_subquery()
        for model, figure in figures
    ]
    return parts[0] + parts[1]


def _position(model: type[Invoice] | type[Voucher]) -> ColumnElement[int]:
    return cast(func.substring(model.number, "[0-9]+$"), Integer)


def _year(label: Any) -> FinancialYear:
    found = _LABEL.fullmatch(label) if isinstance(label, str) else None
    year = FinancialYear(int(found[1])) if found else None
    if year is None or year.label != label:
        message = f"Write a financial year as 2026-27: it begins on 1 April (month {FIRST_MONTH})."
        raise Invalid.at("/financial_year", message, code="not_a_year")
    return year


def _free_prefix(registration: SellerRegistration, kind: SeriesKind, year: str, prefix: Any) -> str:
    """Return a prefix that no other series of the registration and year has, or gets when it begins."""
    with refusals():
        chosen = check_prefix(inputs.text(5)(prefix, "/prefix"))
    query = select(InvoiceSeries.kind, InvoiceSeries.prefix).where(
        InvoiceSeries.registration_id == registration.id, InvoiceSeries.financial_year == year
    )
    taken = {each: registration.series_prefix + suffix for each, suffix in SUFFIXES.items()}
    taken.update({row.kind: row.prefix for row in db.session.execute(query)})
    del taken[kind]
    if chosen in taken.values():
        message = f"{chosen} is the prefix of another series of {year}: numbers would come twice."
        raise Invalid.at("/prefix", message, code="taken")
    return chosen
