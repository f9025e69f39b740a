"""The issued documents of a month as GST returns see them: in rupees, by rate and service code, read from
what was issued (the snapshots)."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, func, select
from sqlalchemy.orm import aliased

from app.db import db
from app.domain.invoicing import day
from app.domain.money import EXACT, quantize
from app.domain.places import INDIA
from app.domain.tax import ON_PAYMENT
from app.models import EInvoice, Invoice, InvoiceLine
from app.models.customers import TaxTreatment
from app.models.einvoices import EInvoiceStatus
from app.models.invoices import InvoiceKind, InvoiceStatus
from app.services import exchange_rates
from app.services.exchange_rates import RUPEES, Rate

NOTHING = Decimal(0)
AT_A_TIME = 500
# The taxes of Indian returns and their columns: UTGST is told as State tax.
COLUMN_OF = {"IGST": "igst", "CGST": "cgst", "SGST": "sgst", "UTGST": "sgst"}
FIGURES = ("taxable", "igst", "cgst", "sgst")
# Notification 12/2024 (Rule 59(4)): above this value an inter-State supply to somebody unregistered is told
# by its invoice.
LARGE_SINCE = date(2024, 8, 1)
LARGE, LARGE_BEFORE = Decimal(100_000), Decimal(250_000)

Content = Mapping[str, Any]
Figures = dict[str, Decimal]


@dataclass(frozen=True, slots=True)
class Part:
    """A line of a document: its service code, rate in percent, and `FIGURES` in rupees."""

    sac: str
    rate: Decimal
    figures: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class Original:
    """What a credit note takes back from, and whether that was told by its invoice (`Document.large`)."""

    number: str
    issued_on: date
    large: bool


@dataclass(frozen=True, slots=True)
class Document:
    """An issued invoice or credit note. `value` is its total in rupees, `total` that in its own currency,
    `rate` what one unit of it was; `with_payment` tells that a zero-rated one bears tax."""

    kind: InvoiceKind
    number: str
    issued_on: date
    cancelled: bool
    commercial: bool
    buyer: Content
    place: str
    inter_state: bool
    currency: str
    total: Decimal
    rate: Decimal | None
    value: Decimal
    reverse: bool
    with_payment: bool
    parts: Sequence[Part]
    original: Original | None

    @property
    def is_note(self) -> bool:
        """Tell whether it takes back."""
        return self.kind is InvoiceKind.credit_note

    @property
    def counts(self) -> bool:
        """Tell whether its supplies are told: not of what was cancelled, nor of a note without tax."""
        return not self.cancelled and not self.commercial

    @property
    def abroad(self) -> bool:
        """Tell whether it is an export."""
        return bool(self.buyer["country"] != INDIA)

    @property
    def treatment(self) -> str:
        """How the law sees the recipient: a `TaxTreatment`."""
        return str(self.buyer["tax_treatment"])

    @property
    def gstin(self) -> str | None:
        """The registration of the recipient."""
        return self.buyer["gstin"] or None

    @property
    def zero_rated(self) -> bool:
        """Tell whether it is an export, or went to a Special Economic Zone."""
        return self.abroad or self.treatment == TaxTreatment.sez

    @property
    def large(self) -> bool:
        """Tell whether this supply to somebody unregistered is told by its invoice (table 5)."""
        unregistered = not (self.gstin or self.zero_rated)
        return unregistered and self.inter_state and self.value > large_above(self.issued_on)

    def taxed(self) -> list[Part]:
        """Return the lines that are told with the document: with a rate, or zero-rated."""
        return [part for part in self.parts if part.rate or self.zero_rated]

    def untaxed(self) -> list[Part]:
        """Return the lines that are exempt or of rate nil (table 8)."""
        return [] if self.zero_rated else [part for part in self.parts if not part.rate]


def large_above(on: date) -> Decimal:
    """Return the invoice value above which table 5 tells of single invoices."""
    return LARGE if on >= LARGE_SINCE else LARGE_BEFORE


def add_up(plus: Iterable[tuple[Any, Part]], minus: Iterable[tuple[Any, Part]] = ()) -> dict[Any, Figures]:
    """Return the figures of parts added up by their keys, less those of `minus`."""
    found: defaultdict[Any, Figures] = defaultdict(lambda: dict.fromkeys(FIGURES, NOTHING))
    for parts, sign in ((plus, 1), (minus, -1)):
        for key, part in parts:
            for name, amount in part.figures.items():
                found[key][name] += sign * amount
    return dict(found)


def read(registration_id: UUID, first_on: date, last_on: date) -> Iterator[Document | str]:
    """Yield the documents that a registration issued from one day to another, by kind and number; instead of
    one that nobody can tell in rupees, a sentence that says so.
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
    content: Content = row.snapshot
    told: Content = row.original or content
    rate = _rate(row, content, told)
    if rate is None and row.currency != RUPEES:
        return f"{row.number}: no exchange rate of {row.currency} is entered for {day(row.issued_on)}."
    return Document(
        kind=row.kind,
        number=row.number,
        issued_on=row.issued_on,
        cancelled=row.cancelled,
        commercial=bool(content.get("commercial")),
        buyer=content["buyer"],
        place=content["place_of_supply"]["code"],
        inter_state=content["place_of_supply"]["code"] != content["seller"]["state_code"],
        currency=row.currency,
        total=Decimal(content["total"]),
        rate=rate.rate if rate else None,
        value=_value(content, rate),
        reverse=bool(content["reverse_charge"]),
        with_payment=ON_PAYMENT in (told.get("endorsement") or ""),
        parts=_parts(_lines(row, content, told), rate),
        original=_original(row) if row.original else None,
    )


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
