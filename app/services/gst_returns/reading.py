"""Reading the documents of a month from what was issued: their snapshots."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, func, select
from sqlalchemy.orm import aliased

from app.db import db
from app.domain.invoicing import day
from app.domain.money import EXACT, quantize
from app.domain.places import INDIA, STATES
from app.domain.tax import ON_PAYMENT
from app.models import EInvoice, Invoice, InvoiceLine
from app.models.einvoices import EInvoiceStatus
from app.models.invoices import InvoiceStatus
from app.services import exchange_rates
from app.services.exchange_rates import RUPEES, Rate
from app.services.gst_returns.documents import (
    COLUMN_OF,
    FIGURES,
    NOTHING,
    Content,
    Document,
    Original,
    Part,
    in_series,
    large_above,
)

AT_A_TIME = 500
# What a return tells of the recipient.
BUYER = ("name", "country", "tax_treatment", "gstin")
# What reading a content raises that something else than the product wrote.
UNREADABLE = (AttributeError, LookupError, TypeError, ValueError, ArithmeticError)


def read(registration_id: UUID, first_on: date, last_on: date) -> Iterator[Document | str]:
    """Yield the documents that a registration issued from one day to another, by kind and number; instead of
    one that nobody can tell in rupees, or read, a sentence that says so.
    """
    original = aliased(Invoice)
    query = (
        select(
            Invoice.id,
            Invoice.kind,
            Invoice.number,
            Invoice.issued_on,
            Invoice.currency,
            Invoice.snapshot,
            _cancelled(original, first_on, last_on).label("cancelled"),
            original.number.label("original_number"),
            original.issued_on.label("original_on"),
            original.snapshot.label("original"),
        )
        .outerjoin(original, original.id == Invoice.original_id)
        .outerjoin(EInvoice, EInvoice.invoice_id == func.coalesce(Invoice.original_id, Invoice.id))
        .where(
            Invoice.registration_id == registration_id,
            Invoice.number.is_not(None),
            Invoice.issued_on.between(first_on, last_on),
        )
        .order_by(Invoice.kind, Invoice.number)
    )
    for row in db.session.execute(query.execution_options(yield_per=AT_A_TIME)):
        yield _document(row)


def _cancelled(original: type[Invoice], first_on: date, last_on: date) -> ColumnElement[bool]:
    """Return whether a document is told as cancelled: one that was cancelled without a note, and an invoice
    with its notes whose registration the portal has cancelled (GSTN's advisory: what has no IRN is not told),
    unless a part of them lies in another month, whose return may be filed.
    """
    whole, part = func.coalesce(Invoice.original_id, Invoice.id), aliased(Invoice)
    elsewhere = (
        select(part.id)
        .where((part.id == whole) | (part.original_id == whole), ~part.issued_on.between(first_on, last_on))
        .exists()
    )
    withdrawn = (
        (EInvoice.status == EInvoiceStatus.cancelled)
        & (func.coalesce(original.status, Invoice.status) == InvoiceStatus.cancelled)
        & ~elsewhere
    )
    never = (Invoice.status == InvoiceStatus.cancelled) & (Invoice.amount_credited == 0)
    return func.coalesce(never | withdrawn, False)


def _document(row: Row[Any]) -> Document | str:
    try:
        in_series(row.number)
        return _told(row)
    except UNREADABLE as error:
        why = f"lacks {error}" if isinstance(error, KeyError) else f"cannot be read ({error})"
        return f"{row.number}: what was issued {why}, so that it is in no section and no sum."


def _told(row: Row[Any]) -> Document | str:
    content: Content = row.snapshot
    told: Content = row.original or content
    rate, place = _rate(row, content, told), _place(content)
    if rate is None and row.currency != RUPEES:
        return f"{row.number}: no exchange rate of {row.currency} is entered for {day(row.issued_on)}."
    return Document(
        kind=row.kind,
        number=row.number,
        issued_on=row.issued_on,
        cancelled=row.cancelled,
        commercial=bool(content.get("commercial")),
        buyer={name: content["buyer"][name] for name in BUYER},
        place=place,
        inter_state=place != content["seller"]["state_code"],
        currency=row.currency,
        total=Decimal(content["total"]),
        rate=rate.rate if rate else None,
        value=_value(content, rate),
        reverse=bool(content["reverse_charge"]),
        with_payment=ON_PAYMENT in (told.get("endorsement") or ""),
        parts=_parts(_lines(row, content, told), rate),
        original=_original(row) if row.original else None,
    )


def _place(content: Content) -> str:
    code = str(content["place_of_supply"]["code"])
    if code not in STATES:
        raise ValueError(f"no State has the code {code}")
    return code


def _rate(row: Row[Any], content: Content, told: Content) -> Rate | None:
    """Return the rate that the document was issued at, or its invoice; for older ones that of the day."""
    kept = content.get("inr") or told.get("inr")
    if kept is None:
        return None if row.currency == RUPEES else exchange_rates.find(row.currency, row.issued_on)
    since = date.fromisoformat(kept["valid_from"])
    return Rate(row.currency, Decimal(kept["rate"]), since, kept["source"])


def _value(content: Content, rate: Rate | None) -> Decimal:
    if rate is None:
        return Decimal(content["total"])
    kept = content.get("inr")
    return Decimal(kept["total"]) if kept else rate.rupees(Decimal(content["total"]))


def _original(row: Row[Any]) -> Original:
    content = row.original
    value = Decimal(content["inr"]["total"] if "inr" in content else content["total"])
    buyer, place = content["buyer"], content["place_of_supply"]["code"]
    unregistered = not buyer["gstin"] and buyer["country"] == INDIA
    far = place != content["seller"]["state_code"]
    large = unregistered and far and value > large_above(row.original_on)
    return Original(row.original_number, row.original_on, large)


def _lines(row: Row[Any], content: Content, told: Content) -> list[tuple[str, Decimal, list[Any]]]:
    """Return (service code, taxable value, taxes) of each line, with the taxes that the recipient pays."""
    lines = content["lines"]
    if not content["reverse_charge"] or row.original is None:
        return [
            (one["sac"], Decimal(one["amount"]), one.get("recipient_taxes", one["taxes"])) for one in lines
        ]
    borne = {one["n"]: one.get("recipient_taxes", []) for one in told["lines"]}
    original = aliased(InvoiceLine)
    pairs = (
        select(InvoiceLine.n, original.n.label("taken"))
        .join(original, original.id == InvoiceLine.source_id)
        .where(InvoiceLine.invoice_id == row.id)
    )
    number_of = {pair.n: pair.taken for pair in db.session.execute(pairs)}
    return [
        (one["sac"], Decimal(one["amount"]), _share(Decimal(one["amount"]), borne[number_of[one["n"]]]))
        for one in lines
    ]


def _share(taxable: Decimal, taxes: list[Any]) -> list[Any]:
    return [
        {**tax, "amount": quantize(EXACT.multiply(taxable, Decimal(tax["rate"])).scaleb(-2, EXACT), RUPEES)}
        for tax in taxes
        if tax["rate"]
    ]


def _parts(lines: Iterable[tuple[str, Decimal, list[Any]]], rate: Rate | None) -> list[Part]:
    """Return the lines in rupees. Each is what it moves the rounded sum, so that they add up to what the
    document says."""
    running: defaultdict[Any, Decimal] = defaultdict(Decimal)

    def rupees(key: Any, amount: Decimal) -> Decimal:
        before = running[key]
        running[key] = before + amount
        return amount if rate is None else rate.rupees(running[key]) - rate.rupees(before)

    found = []
    for sac, taxable, taxes in lines:
        figures = dict.fromkeys(FIGURES, NOTHING)
        figures["taxable"] = rupees("taxable", taxable)
        own = [tax for tax in taxes if tax["code"] in COLUMN_OF]
        for tax in own:
            key = (tax["code"], tax["rate"])
            figures[COLUMN_OF[tax["code"]]] += rupees(key, Decimal(tax["amount"]))
        found.append(Part(sac, sum((Decimal(tax["rate"]) for tax in own), NOTHING), figures))
    return found
