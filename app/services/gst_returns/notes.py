"""The credit notes of a month (GSTR-1 table 9B). Those of small sales to unregistered recipients reduce table
7 instead."""

from app.services.gst_returns.documents import Document
from app.services.gst_returns.sections import MONEY, Month, Row, place, rows_by_rate, section
from app.services.gst_returns.supplies import PLACE, RATE, REGISTERED, to_registered

HEAD = {
    "number": "Note number",
    "date": "Note date",
    "original": "Invoice number",
    "original_date": "Invoice date",
    "value": "Note value",
}


def _head_of(note: Document) -> Row:
    original = note.original
    return {
        "number": note.number,
        "date": note.issued_on,
        "original": original.number if original else "",
        "original_date": original.issued_on if original else "",
        "value": note.value,
    }


@section(
    "cdnr",
    "9B: credit notes, registered recipients",
    {**REGISTERED, **HEAD, **PLACE, "reverse": "Reverse charge", "type": "Note supply type", **RATE, **MONEY},
    sign=-1,
)
def registered(month: Month) -> list[Row]:
    """Each credit note to somebody with a GSTIN or in a Special Economic Zone, by rate."""
    return to_registered(month.notes, _head_of)


@section(
    "cdnur",
    "9B: credit notes, exports and large sales to unregistered recipients",
    {"type": "Type", **HEAD, **PLACE, **RATE, **MONEY},
    sign=-1,
)
def unregistered(month: Month) -> list[Row]:
    """Each credit note of an export or of an invoice that table 5 told, by rate."""
    found = []
    for one in month.notes:
        large = not (one.gstin or one.zero_rated) and one.original is not None and one.original.large
        if one.abroad or large:
            kind = "B2CL" if large else "EXPWP" if one.with_payment else "EXPWOP"
            found += rows_by_rate(one, {"type": kind, **_head_of(one), "place": place(one.place)})
    return found
