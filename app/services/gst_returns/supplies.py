"""The supplies of a month: to registered recipients, to others, abroad, and those without tax (GSTR-1 tables
4 to 8)."""

from collections.abc import Callable, Iterable
from typing import Any

from app.models.customers import TaxTreatment
from app.services.gst_returns.documents import Document, Part, add_up
from app.services.gst_returns.sections import MONEY, Month, Row, place, rows_by_rate, section, told, yes_no

HEAD = {"number": "Invoice number", "date": "Invoice date", "value": "Invoice value"}
REGISTERED = {"gstin": "GSTIN of recipient", "name": "Receiver name"}
PLACE = {"place": "Place of supply"}
RATE = {"rate": "Rate, %"}


def _head_of(document: Document) -> Row:
    """Return number, date and value of a document."""
    return {"number": document.number, "date": document.issued_on, "value": document.value}


def _kind_of(document: Document) -> str:
    """Return the type of supply as returns name it."""
    if document.treatment == TaxTreatment.sez:
        return f"SEZ supplies {'with' if document.with_payment else 'without'} payment"
    return "Regular B2B"


def to_registered(documents: Iterable[Document], head: Callable[[Document], Row]) -> list[Row]:
    """Return the rows of documents to somebody with a GSTIN or in a Special Economic Zone, by rate; `head`
    gives number, date and value of one."""
    return [
        row
        for one in documents
        if not one.abroad and (one.gstin or one.zero_rated)
        for row in rows_by_rate(
            one,
            {
                "gstin": one.gstin or "",
                "name": one.buyer["name"],
                **head(one),
                "place": place(one.place),
                "reverse": yes_no(one.reverse),
                "type": _kind_of(one),
            },
        )
    ]


@section(
    "b2b",
    "4, 6B, 6C: registered recipients",
    {**REGISTERED, **HEAD, **PLACE, "reverse": "Reverse charge", "type": "Invoice type", **RATE, **MONEY},
    sign=1,
)
def b2b(month: Month) -> list[Row]:
    """Each invoice to somebody with a GSTIN or in a Special Economic Zone, by rate."""
    return to_registered(month.invoices, _head_of)


@section("b2cl", "5: unregistered, inter-State, large invoices", {**HEAD, **PLACE, **RATE, **MONEY}, sign=1)
def b2cl(month: Month) -> list[Row]:
    """Each large invoice to somebody unregistered in another State, by rate (Rule 59(4))."""
    found = [one for one in month.invoices if one.large]
    return [row for one in found for row in rows_by_rate(one, {**_head_of(one), "place": place(one.place)})]


@section("b2cs", "7: other unregistered recipients", {**PLACE, **RATE, **MONEY}, sign=1)
def b2cs(month: Month) -> list[Row]:
    """What is left, added up by place and rate, less what credit notes take back."""
    plus = [one for one in month.invoices if _is_small(one) and not one.large]
    minus = [one for one in month.notes if _is_small(one) and not (one.original and one.original.large)]
    found = add_up(_by_place(plus), _by_place(minus))
    return [{"place": place(code), "rate": rate, **told(found[code, rate])} for code, rate in sorted(found)]


@section(
    "exp",
    "6A: exports",
    {
        "type": "Export type",
        **HEAD,
        "currency": "Currency",
        "total": "Value in it",
        "exchange_rate": "Rupees for one",
        **RATE,
        **MONEY,
    },
    sign=1,
)
def exports(month: Month) -> list[Row]:
    """Each export, in rupees at the rate that its invoice keeps."""
    return [
        row
        for one in month.invoices
        if one.abroad
        for row in rows_by_rate(
            one,
            {
                "type": "WPAY" if one.with_payment else "WOPAY",
                **_head_of(one),
                "currency": one.currency,
                "total": one.total,
                "exchange_rate": one.rate or "",
            },
        )
    ]


@section(
    "nil",
    "8: exempt and of rate nil",
    {"description": "Description", "kind": "Kind", "taxable": "Value"},
    sign=1,
)
def nil(month: Month) -> list[Row]:
    """What bears no tax inside India, by kind of supply and recipient, less what credit notes take back."""
    found = add_up(_without_tax(month.invoices), _without_tax(month.notes))
    return [
        {"description": where, "kind": kind, "taxable": found[where, kind]["taxable"]}
        for where, kind in sorted(found)
    ]


def _is_small(document: Document) -> bool:
    return not (document.abroad or document.gstin or document.zero_rated)


def _by_place(documents: Iterable[Document]) -> Iterable[tuple[Any, Part]]:
    return (((one.place, part.rate), part) for one in documents for part in one.taxed())


def _without_tax(documents: Iterable[Document]) -> Iterable[tuple[Any, Part]]:
    for one in documents:
        where = "Inter-State" if one.inter_state else "Intra-State"
        who = "registered" if one.gstin else "unregistered"
        kind = "Exempt" if one.treatment == TaxTreatment.exempt else "Nil rated"
        yield from (((f"{where} supplies to {who} persons", kind), part) for part in one.untaxed())
