"""Advances: money received before there is an invoice, with its tax, and what later invoices took up (GSTR-1
table 11; Rules 50 and 51)."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import aliased

from app.db import db
from app.models import Invoice, Voucher, VoucherAdjustment
from app.models.vouchers import VoucherKind
from app.services.exchange_rates import RUPEES
from app.services.gst_returns.documents import COLUMN_OF, FIGURES, NOTHING, Part, add_up
from app.services.gst_returns.sections import MONEY, Month, Row, place, section, told
from app.services.gst_returns.supplies import PLACE, RATE

COLUMNS = {**PLACE, **RATE, **MONEY, "taxable": "Advance without tax"}

Keyed = tuple[tuple[str, Decimal], Part]


@section("at", "11A: advances received", COLUMNS)
def received(month: Month) -> list[Row]:
    """Advances of the month that were neither taken up by an invoice nor refunded in it."""
    minus = [*_taken_up(month, earlier=False), *_refunded(month, earlier=False)]
    return _rows(_received(month), minus)


@section("atadj", "11B: advances of earlier months adjusted", COLUMNS)
def adjusted(month: Month) -> list[Row]:
    """What invoices of the month took up of advances of earlier months, and what was refunded of those."""
    return _rows([*_taken_up(month, earlier=True), *_refunded(month, earlier=True)], [])


def numbers(month: Month) -> Iterator[tuple[str, str, bool]]:
    """Yield kind, number, and False as none is ever cancelled, of the vouchers of a month."""
    query = select(Voucher.kind, Voucher.number).where(*_issued(Voucher, month))
    yield from ((str(kind), number, False) for kind, number in db.session.execute(query))


def _rows(plus: list[Keyed], minus: list[Keyed]) -> list[Row]:
    found = add_up(plus, minus)
    return [
        {"place": place(code), "rate": rate, **told(found[code, rate])}
        for code, rate in sorted(found)
        if any(found[code, rate].values())
    ]


def _received(month: Month) -> list[Keyed]:
    query = select(Voucher.place_of_supply, Voucher.rate, Voucher.taxable, Voucher.taxes).where(
        Voucher.kind == VoucherKind.receipt_voucher, *_issued(Voucher, month), *_taxed(Voucher)
    )
    return [_keyed(row) for row in db.session.execute(query)]


def _refunded(month: Month, *, earlier: bool) -> list[Keyed]:
    receipt = aliased(Voucher)
    query = (
        select(Voucher.place_of_supply, Voucher.rate, Voucher.taxable, Voucher.taxes)
        .join(receipt, receipt.id == Voucher.receipt_id)
        .where(*_issued(Voucher, month), *_taxed(Voucher), _received_in(receipt, month, earlier))
    )
    return [_keyed(row) for row in db.session.execute(query)]


def _taken_up(month: Month, *, earlier: bool) -> list[Keyed]:
    query = (
        select(Voucher.place_of_supply, Voucher.rate, VoucherAdjustment.taxable, VoucherAdjustment.taxes)
        .join(Voucher, Voucher.id == VoucherAdjustment.voucher_id)
        .join(Invoice, Invoice.id == VoucherAdjustment.invoice_id)
        .where(
            Voucher.registration_id == month.registration_id,
            Invoice.issued_on.between(month.first_on, month.last_on),
            *_taxed(Voucher),
            _received_in(Voucher, month, earlier),
        )
    )
    return [_keyed(row) for row in db.session.execute(query)]


def _issued(voucher: Any, month: Month) -> tuple[Any, ...]:
    within = voucher.issued_on.between(month.first_on, month.last_on)
    return voucher.registration_id == month.registration_id, within


def _taxed(voucher: Any) -> tuple[Any, ...]:
    """Advances for exports bear no tax and are told with their invoices; the others are in rupees."""
    return voucher.tax > 0, voucher.currency == RUPEES


def _received_in(receipt: Any, month: Month, earlier: bool) -> Any:
    first: date = month.first_on
    return receipt.issued_on < first if earlier else receipt.issued_on >= first


def _keyed(row: Any) -> Keyed:
    figures = dict.fromkeys(FIGURES, NOTHING)
    figures["taxable"] = row.taxable
    for tax in row.taxes:
        if tax["code"] in COLUMN_OF:
            figures[COLUMN_OF[tax["code"]]] += Decimal(tax["amount"])
    return (row.place_of_supply, row.rate), Part("", row.rate, figures)
