"""What the return tells once more: supplies by service code, and the series of documents (GSTR-1 tables 12
and 13)."""

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal

from app.services.gst_returns import advances
from app.services.gst_returns.documents import Document, Part, add_up, in_series
from app.services.gst_returns.sections import MONEY, Month, Row, section, told

KINDS = {
    "tax_invoice": "Invoices for outward supply",
    "export_invoice": "Invoices for export",
    "credit_note": "Credit notes",
    "receipt_voucher": "Receipt vouchers",
    "refund_voucher": "Refund vouchers",
}


@section(
    "hsn",
    "12: summary by service code",
    {"recipients": "Recipients", "sac": "HSN/SAC", "uqc": "UQC", "rate": "Rate, %", **MONEY},
)
def by_service_code(month: Month) -> list[Row]:
    """All supplies by recipients (B2B or B2C), service code and rate, less what credit notes take back.

    Services have no unit: their quantity is `NA`.
    """
    found = add_up(_by_code(month.invoices), _by_code(month.notes))
    return [
        {"recipients": who, "sac": sac, "uqc": "NA", "rate": rate, **told(found[who, sac, rate])}
        for who, sac, rate in sorted(found)
    ]


def _by_code(documents: list[Document]) -> Iterator[tuple[tuple[str, str, Decimal], Part]]:
    for one in documents:
        recipients = "B2B" if one.gstin else "B2C"
        yield from (((recipients, part.sac, part.rate), part) for part in one.parts)


@section(
    "docs",
    "13: documents issued",
    {
        "kind": "Nature of document",
        "from": "From number",
        "to": "To number",
        "total": "Total",
        "cancelled": "Cancelled",
        "net": "Net issued",
    },
)
def series(month: Month) -> list[Row]:
    """Each series with its first and last number of the month; numbers are consecutive (Rule 46(b))."""
    found: defaultdict[tuple[str, str], list[tuple[int, str, bool]]] = defaultdict(list)
    issued = [(str(one.kind), one.number, one.cancelled) for one in month.documents]
    for kind, number, cancelled in [*issued, *advances.numbers(month)]:
        series_of, n = in_series(number)
        found[kind, series_of].append((n, number, cancelled))
    return [
        {
            "kind": KINDS[kind],
            "from": min(numbers)[1],
            "to": max(numbers)[1],
            "total": len(numbers),
            "cancelled": sum(cancelled for _, _, cancelled in numbers),
            "net": sum(not cancelled for _, _, cancelled in numbers),
        }
        for (kind, _), numbers in sorted(found.items())
    ]
