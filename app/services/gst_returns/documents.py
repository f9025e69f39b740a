"""The issued documents of a month as GST returns see them: in rupees, by rate and service code."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from app.domain.places import INDIA
from app.models.customers import TaxTreatment
from app.models.invoices import InvoiceKind

NOTHING = Decimal(0)
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


def in_series(number: str) -> tuple[str, int]:
    """Return the series of a document's number and its place there.

    >>> in_series("OT29/26-27/0012")
    ('OT29/26-27', 12)

    Raises:
        ValueError: it ends in no digits.
    """
    series, _, place = number.rpartition("/")
    return series, int(place)


def add_up(plus: Iterable[tuple[Any, Part]], minus: Iterable[tuple[Any, Part]] = ()) -> dict[Any, Figures]:
    """Return the figures of parts added up by their keys, less those of `minus`."""
    found: defaultdict[Any, Figures] = defaultdict(lambda: dict.fromkeys(FIGURES, NOTHING))
    for parts, sign in ((plus, 1), (minus, -1)):
        for key, part in parts:
            for name, amount in part.figures.items():
                found[key][name] += sign * amount
    return dict(found)
