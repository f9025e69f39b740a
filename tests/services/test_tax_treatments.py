"""What an invoice is taxed, asks for and says: reverse charge, exemptions, other countries, the equivalent in
rupees."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.errors import Conflict, Invalid
from app.models import AuditRecord, ExchangeRate, Invoice, InvoiceSeries, TaxCollector
from app.models.invoices import InvoiceStatus
from app.services import customers, exchange_rates, invoices, tax_tables
from tests import factories as make
from tests.services.invoicing import IN_DECEMBER, IN_NOVEMBER, OCTOBER, taxes_of

ON = date(2026, 11, 1)


@pytest.fixture(autouse=True)
def _seller(session: Session) -> None:
    make.make_seller()
    make.make_tax_rate("18")


def drafted(amount: str, *, currency: str = "INR", inclusive: bool = False, **customer: Any) -> Invoice:
    account = make.make_account(make.make_customer(**customer), currency=currency)
    line = {"description": "Setup", "quantity": "1", "unit_price": amount, "tax_inclusive": inclusive}
    return invoices.draft_by_hand(account, OCTOBER, lines=[line], at=IN_NOVEMBER, actor=make.ACTOR)


def issued(amount: str, **more: Any) -> Invoice:
    return invoices.issue(drafted(amount, **more), at=IN_NOVEMBER, actor=make.ACTOR)


def content(invoice: Invoice) -> dict[str, Any]:
    assert invoice.snapshot is not None, invoice.parked_reason
    return invoice.snapshot


def test_reverse_charge_is_asked_of_nobody_and_told_to_the_recipient() -> None:
    """CGST Act s.9(3), Rule 46(p)."""
    invoice = issued("1000", gstin=make.a_gstin("29"), reverse_charge=True)
    assert (invoice.reverse_charge, invoice.tax_total, invoice.total) == (True, Decimal(0), Decimal(1000))
    told = content(invoice)
    assert told["endorsement"] == (
        "Tax is payable by the recipient on reverse charge: CGST 9% ₹90.00, SGST 9% ₹90.00"
    )
    assert [(tax["code"], tax["amount"]) for tax in told["recipient_taxes"]] == [
        ("CGST", "90.00"),
        ("SGST", "90.00"),
    ]
    assert told["lines"][0]["recipient_taxes"] == told["recipient_taxes"]


def test_an_exempt_supply_is_billed_without_tax_and_cites_its_notification() -> None:
    """CGST Act s.11(1), Rule 49."""
    invoice = issued("1000", tax_treatment="exempt", exempt_reason="Notification 12/2017, entry 66")
    told = content(invoice)
    assert (invoice.total, told["title"]) == (Decimal(1000), "Bill of Supply")
    assert told["endorsement"] == "Exempt from tax: Notification 12/2017, entry 66"


@pytest.mark.parametrize(
    ("values", "pointer"),
    [
        ({"tax_treatment": "exempt"}, "/exempt_reason"),
        ({"tax_treatment": "exempt", "exempt_reason": "x", "country": "US"}, "/exempt_reason"),
        ({"reverse_charge": True}, "/reverse_charge"),
    ],
)
def test_a_treatment_that_cannot_be_is_refused(values: dict[str, Any], pointer: str) -> None:
    with pytest.raises(Invalid) as refused:
        make.make_customer(**values)
    assert [one.pointer for one in refused.value.fields] == [pointer]


def test_a_customer_with_reverse_charge_keeps_its_gstin() -> None:
    customer = make.make_customer(gstin=make.a_gstin("29"), reverse_charge=True)
    with pytest.raises(Invalid):
        customers.update(customer, {"gstin": None}, actor=make.ACTOR)
    assert customer.gstin == make.a_gstin("29")


def test_an_inclusive_line_keeps_what_is_to_be_paid() -> None:
    """CGST Rule 35: 1,180 holds 1,000 and 180."""
    invoice = issued("1180", inclusive=True, gstin=make.a_gstin("27"))
    assert (invoice.subtotal, taxes_of(invoice)) == (Decimal(1000), [("IGST", "18", Decimal(180))])


def test_a_union_territory_has_utgst(session: Session) -> None:
    """UTGST Act s.7: seller and recipient in Chandigarh."""
    chosen = make.make_seller("04", is_default=False)
    account = make.make_account(make.make_customer(state_code="04"), registration_id=str(chosen.id))
    line = {"description": "Setup", "quantity": "1", "unit_price": "100"}
    draft = invoices.draft_by_hand(account, OCTOBER, lines=[line], at=IN_NOVEMBER, actor=make.ACTOR)
    assert [code for code, _, _ in taxes_of(draft)] == ["CGST", "UTGST"]


def test_another_countrys_tax_is_charged_where_the_seller_collects_it() -> None:
    """Indonesia's PPN of 11 %, without a fraction of a rupiah."""
    abroad: dict[str, Any] = {"currency": "IDR", "country": "ID", "state_code": None}
    assert issued("1000001", **abroad).total == Decimal(1000001)
    given = {"country": "ID", "tax_name": "PPN", "number": "01.234", "valid_from": "2026-01-01"}
    tax_tables.create_collector(given, actor=make.ACTOR)
    rate = {"jurisdiction": "ID", "service_code": "*", "rate": "11", "valid_from": "2022-04-01"}
    with pytest.raises(Conflict, match=r"No tax rate is entered for service code .* in ID"):
        drafted("1000001", **abroad)
    tax_tables.create_rate(rate, actor=make.ACTOR)
    invoice = issued("1000001", **abroad)
    assert taxes_of(invoice) == [("PPN", "11", Decimal("110000.11"))]
    assert (invoice.round_off, invoice.total) == (Decimal("-0.11"), Decimal(1110001))


def test_an_export_keeps_its_equivalent_in_rupees_and_the_rate(session: Session) -> None:
    """CGST Rule 34(2): USD 100.41 at 83.25 is ₹8,359.1325."""
    told = content(issued("100.41", currency="USD", country="US", state_code="CA"))
    assert told["inr"] == {
        "rate": "83.25",
        "valid_from": "2015-01-01",
        "source": "RBI reference rate",
        "taxes": [],
        "subtotal": "8359.13",
        "tax_total": "0.00",
        "round_off": "0.00",
        "total": "8359.13",
    }
    assert "inr" not in content(issued("100"))


def test_a_rate_that_is_missing_parks_the_invoice_and_says_so(session: Session) -> None:
    rate = session.scalars(select(ExchangeRate).where(ExchangeRate.currency == "USD")).one()
    exchange_rates.update(rate, {"valid_until": date(2026, 10, 31)}, actor=make.ACTOR)
    invoice = issued("100", currency="USD", country="US", state_code="CA")
    assert (invoice.status, invoice.number) == (InvoiceStatus.parked, None)
    assert invoice.parked_reason == (
        "No exchange rate of USD is entered for 1 Nov 2026. Enter it under Settings, Exchange rates, and "
        "issue the invoice again."
    )
    assert session.scalars(select(InvoiceSeries)).all() == []
    make.make_exchange_rate("84.10", valid_from=ON)
    assert invoices.issue(invoice, at=IN_NOVEMBER, actor=make.ACTOR).number == "OT29E/26-27/0001"
    assert content(invoice)["inr"]["total"] == "8410.00"


def test_a_draft_whose_tax_has_changed_is_not_issued(session: Session) -> None:
    draft = drafted("100")
    make.make_tax_rate("12", valid_from=date(2026, 12, 1))
    found = invoices.issue(draft, at=IN_DECEMBER, actor=make.ACTOR)
    assert (found.status, found.parked_reason) == (
        InvoiceStatus.parked,
        "The tax is another one since this draft was made. Make it again.",
    )


@pytest.mark.parametrize(
    ("values", "pointer"),
    [
        ({"currency": "INR"}, "/currency"),
        ({"currency": "XXX"}, "/currency"),
        ({"rate": "0"}, "/rate"),
        ({"rate": "-1"}, "/rate"),
        ({"rate": "1.123456789"}, "/rate"),
        ({"rate": str(2**63)}, "/rate"),
        ({"valid_until": "2014-12-31"}, "/valid_until"),
        ({"source": " "}, "/source"),
    ],
)
def test_an_exchange_rate_that_cannot_be_is_refused(
    session: Session, values: dict[str, Any], pointer: str
) -> None:
    given = {"currency": "EUR", "rate": "90", "valid_from": "2015-01-01", "source": "RBI"}
    with pytest.raises(Invalid) as refused:
        exchange_rates.create({**given, **values}, actor=make.ACTOR)
    assert {one.pointer for one in refused.value.fields} == {pointer}
    assert session.scalars(select(ExchangeRate).where(ExchangeRate.currency == "EUR")).all() == []


def test_the_rate_of_a_day_is_the_latest_that_has_begun(session: Session) -> None:
    make.make_exchange_rate("84", valid_from=date(2026, 10, 1))
    make.make_exchange_rate("85", valid_from=date(2026, 11, 2))
    found = [exchange_rates.find("USD", on) for on in (date(2026, 9, 30), ON, date(2026, 11, 2))]
    assert [one and one.rate for one in found] == [Decimal("83.25"), Decimal(84), Decimal(85)]
    with pytest.raises(Conflict):
        make.make_exchange_rate("86", valid_from=date(2026, 11, 2))


@pytest.mark.parametrize(
    ("values", "pointer"),
    [
        ({"rate": "100.01"}, "/rate"),
        ({"rate": "-1"}, "/rate"),
        ({"rate": "1.2345"}, "/rate"),
        ({"service_code": "99"}, "/service_code"),
        ({"jurisdiction": "XX"}, "/jurisdiction"),
        ({"valid_from": "2026-13-01"}, "/valid_from"),
    ],
)
def test_a_tax_rate_that_cannot_be_is_refused(values: dict[str, Any], pointer: str) -> None:
    given = {"service_code": "998313", "rate": "18", "valid_from": "2026-01-01"}
    with pytest.raises(Invalid) as refused:
        tax_tables.create_rate({**given, **values}, actor=make.ACTOR)
    assert {one.pointer for one in refused.value.fields} == {pointer}


def test_india_is_no_country_abroad(session: Session) -> None:
    given = {"country": "IN", "tax_name": "GST", "number": "1", "valid_from": "2026-01-01"}
    with pytest.raises(Invalid):
        tax_tables.create_collector(given, actor=make.ACTOR)
    assert session.scalars(select(TaxCollector)).all() == []


def test_what_people_enter_is_on_record(session: Session) -> None:
    rate = make.make_exchange_rate("84", valid_from=ON)
    exchange_rates.update(rate, {"rate": "84.50"}, actor=make.ACTOR)
    records = select(AuditRecord).where(AuditRecord.resource_id == str(rate.id))
    corrected, entered = sorted(session.scalars(records), key=lambda one: one.action)
    assert (corrected.action, entered.action) == ("exchange_rate.corrected", "exchange_rate.entered")
    assert (corrected.before, corrected.after) == ({"rate": "84"}, {"rate": "84.50"})
