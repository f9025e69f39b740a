"""Document numbers: consecutive within a registration, kind and Indian financial year, without gap or
repeat."""

from datetime import date

from sqlalchemy.dialects.postgresql import insert

from app.db import db
from app.domain.numbering import financial_year, format_number
from app.failpoints import reach
from app.ids import new_id
from app.models import InvoiceSeries
from app.models.invoices import InvoiceKind, SeriesKind
from app.models.vouchers import VoucherKind
from app.services.inputs import refusals
from app.services.taxes import Seller

# What follows the registration's prefix, so that no two series of it can give the same number.
SUFFIXES = {
    SeriesKind.tax_invoice: "",
    SeriesKind.export_invoice: "E",
    SeriesKind.credit_note: "C",
    SeriesKind.receipt_voucher: "R",
    SeriesKind.refund_voucher: "F",
}


def take(seller: Seller, kind: InvoiceKind | VoucherKind, *, on: date) -> str:
    """Return the next number of the series for a document dated `on` (CGST Rule 46(b)): `OTP/26-27/000042`.

    The row of the series stays locked until the transaction ends, and rolls back with it: a number is lost or
    given twice under no circumstances. So take it last.

    Raises:
        Invalid: the prefix cannot start a number, or the series is full.
    """
    return take_many(seller, kind, 1, on=on)[0]


def take_many(seller: Seller, kind: InvoiceKind | VoucherKind, count: int, *, on: date) -> list[str]:
    """Return the next numbers of the series for documents dated `on`; all as `take` says."""
    year = financial_year(on)
    series = insert(InvoiceSeries).values(
        id=new_id(),
        registration_id=seller.id,
        kind=SeriesKind(kind),
        financial_year=year.label,
        prefix=seller.series_prefix + SUFFIXES[SeriesKind(kind)],
        last_number=count,
    )
    taken = series.on_conflict_do_update(
        index_elements=["registration_id", "kind", "financial_year"],
        set_={"last_number": InvoiceSeries.last_number + count},
    ).returning(InvoiceSeries.prefix, InvoiceSeries.last_number)
    prefix, last = db.session.execute(taken).one()
    found = []
    with refusals():
        for number in range(last - count + 1, last + 1):
            reach("billing.number_taken")
            found.append(format_number(prefix, year, number))
    return found
