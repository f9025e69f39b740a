"""Worked cases of GST and the rounding of documents."""

from decimal import Decimal
from hashlib import sha256

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.domain.invoicing import canonical_json
from app.errors import Conflict, Invalid
from app.models import Account, AuditRecord, Invoice, Metric, OutboxMessage
from app.models.invoices import InvoiceKind, InvoiceStatus
from app.services import invoices
from tests import factories as make
from tests.services.invoicing import IN_NOVEMBER, OCTOBER, issue_for, priced, taxes_of, use


@pytest.fixture(autouse=True)
def _seller(session: Session) -> None:
    make.make_seller()
    make.make_tax_rate("18")


def bill(quantity: int, unit: str, *, currency: str = "INR", **customer: object) -> Invoice:
    """Issue the invoice of a new customer who used so much at that price."""
    metric = make.make_metric()
    account = make.make_account(make.make_customer(**customer), currency=currency)
    priced(make.per_unit(metric, unit, currency=currency), account=account)
    use(account, metric, quantity)
    return issue_for(account)


def test_a_customer_in_the_sellers_state_is_billed_half_central_and_half_state_tax() -> None:
    """CGST Act s.9 with IGST Act s.8: 1,000.00 at 18 % within Karnataka is CGST 90.00 and SGST 90.00."""
    invoice = bill(400, "2.50", gstin=make.a_gstin("29"))
    assert invoice.status is InvoiceStatus.issued
    assert invoice.kind is InvoiceKind.tax_invoice
    assert (invoice.subtotal, invoice.tax_total, invoice.total) == (
        Decimal(1000),
        Decimal(180),
        Decimal(1180),
    )
    assert taxes_of(invoice) == [("CGST", "9", Decimal(90)), ("SGST", "9", Decimal(90))]
    assert invoice.place_of_supply == "29"
    assert invoice.number == "OT29/26-27/00001"


def test_a_customer_in_another_state_is_billed_integrated_tax() -> None:
    """IGST Act s.7: 1,000.00 at 18 % from Karnataka to Maharashtra is IGST 180.00."""
    invoice = bill(400, "2.50", gstin=make.a_gstin("27"))
    assert taxes_of(invoice) == [("IGST", "18", Decimal(180))]
    assert (invoice.place_of_supply, invoice.total) == ("27", Decimal(1180))


def test_an_export_under_letter_of_undertaking_bears_no_tax_and_says_so() -> None:
    """IGST Act s.16(3)(a), CGST Rule 96A."""
    invoice = bill(400, "2.50", currency="USD", country="US", state_code="CA", city="San Francisco")
    assert invoice.kind is InvoiceKind.export_invoice
    assert (invoice.tax_total, invoice.total, invoice.taxes) == (Decimal(0), Decimal(1000), [])
    assert invoice.number == "OT29E/26-27/0001"
    assert invoice.snapshot is not None
    assert invoice.snapshot["place_of_supply"] == {"code": "96", "name": "Other country"}
    assert "without payment of integrated tax" in invoice.snapshot["endorsement"]
    assert invoice.snapshot["seller"]["lut"] == "AD290326000123X"
    assert invoice.snapshot["buyer"]["address"][-1] == "United States"


def test_an_export_without_letter_of_undertaking_bears_integrated_tax(session: Session) -> None:
    """IGST Act s.16(3)(b)."""
    seller = session.scalars(select(Invoice.registration.property.mapper.class_)).one()
    for letter in seller.letters:
        session.delete(letter)
    session.flush()
    session.expire(seller)
    invoice = bill(400, "2.50", currency="USD", country="US")
    assert taxes_of(invoice) == [("IGST", "18", Decimal(180))]
    assert invoice.total == Decimal(1180)


def test_a_special_economic_zone_in_the_sellers_state_is_zero_rated() -> None:
    """IGST Act s.7(5)(b) and s.16(1)(b)."""
    invoice = bill(400, "2.50", gstin=make.a_gstin("29"), tax_treatment="sez")
    assert (invoice.kind, invoice.tax_total, invoice.total) == (
        InvoiceKind.tax_invoice,
        Decimal(0),
        Decimal(1000),
    )
    assert invoice.snapshot is not None
    assert invoice.snapshot["endorsement"].startswith("Supply to SEZ unit")


def test_an_unregistered_customer_without_a_state_is_supplied_where_the_seller_is() -> None:
    """IGST Act s.12(2)(b)(ii)."""
    invoice = bill(400, "2.50", state_code=None)
    assert invoice.place_of_supply == "29"
    assert [code for code, _, _ in taxes_of(invoice)] == ["CGST", "SGST"]


def test_each_tax_is_rounded_by_itself_half_up() -> None:
    """0.03 at 9 % is 0.0027, so nothing, twice; at 18 % of IGST it is 0.0054, a paisa. s.170 rounds both."""
    inside = bill(3, "0.01", gstin=make.a_gstin("29"))
    assert taxes_of(inside) == [("CGST", "9", Decimal("0.00")), ("SGST", "9", Decimal("0.00"))]
    outside = bill(3, "0.01", gstin=make.a_gstin("27"))
    assert taxes_of(outside) == [("IGST", "18", Decimal("0.01"))]


@pytest.mark.parametrize(
    ("unit", "tax", "round_off", "total"),
    [
        ("101.26", "18.23", "-0.49", "119"),
        ("100.42", "18.08", "0.50", "119"),
        ("100.00", "18.00", "0.00", "118"),
    ],
)
def test_the_total_is_rounded_to_the_rupee_with_fifty_paise_up(
    unit: str, tax: str, round_off: str, total: str
) -> None:
    """CGST Act s.170."""
    invoice = bill(1, unit, gstin=make.a_gstin("27"))
    figures = (invoice.tax_total, invoice.round_off, invoice.total)
    assert figures == (Decimal(tax), Decimal(round_off), Decimal(total))


def test_dollars_are_not_rounded_to_whole_ones() -> None:
    invoice = bill(1, "100.41", currency="USD", country="US")
    assert (invoice.round_off, invoice.total) == (Decimal(0), Decimal("100.41"))


def test_a_line_names_its_plan_version_component_and_tiers(session: Session) -> None:
    metric = make.make_metric("sms.out", name="SMS", dimensions=["channel"])
    tiers = make.graduated(metric, ("100", "0"), ("1000", "0.50"), (None, "0.30"), code="sms", name="SMS")
    account = make.make_account()
    make.make_subscription(account, make.make_plan("text", components=[tiers]))
    use(account, metric, 150, channel="sms")
    invoice = issue_for(account)
    assert invoice.snapshot is not None
    (line,) = invoice.snapshot["lines"]
    assert line["description"] == "SMS, 1 Oct 2026 to 31 Oct 2026"
    assert (line["plan_version"], line["component"], line["metric"]) == ("text v1", "sms", "sms.out")
    assert (line["quantity"], line["unit_price"], line["amount"]) == ("150", None, "25.00")
    assert [(row["tier"], row["quantity"], row["amount"]) for row in line["breakdown"]] == [
        (1, "100", "0"),
        (2, "50", "25"),
    ]
    assert len(line["events_hash"]) == 64
    assert invoice.lines[0].subscription_id is not None


def test_the_same_usage_gives_the_same_hash_and_other_usage_another(session: Session) -> None:
    metric = make.make_metric()
    component = make.per_unit(metric)
    hashes = []
    for quantity in (5, 5, 6):
        account = priced(component).account
        use(account, metric, quantity)
        hashes.append(issue_for(account).lines[0].events_hash)
    assert hashes[0] == hashes[1] != hashes[2]


def test_an_issued_invoice_has_everything_that_follows(session: Session) -> None:
    invoice = bill(400, "2.50")
    assert (str(invoice.issued_on), str(invoice.due_on)) == ("2026-11-01", "2026-11-16")
    assert invoice.snapshot is not None
    assert invoice.snapshot_sha256 == sha256(canonical_json(invoice.snapshot)).digest()
    promise = session.scalars(select(OutboxMessage).where(OutboxMessage.kind == "invoice.document")).one()
    assert promise.payload == {"invoice_id": str(invoice.id)}
    issued = session.scalars(select(AuditRecord).where(AuditRecord.action == "invoice.issued")).one()
    assert issued.resource_id == str(invoice.id)
    assert set(invoice.snapshot) == {
        *("number", "kind", "title", "currency", "issued_on", "due_on", "period", "purchase_order"),
        *("seller", "buyer", "place_of_supply", "reverse_charge", "endorsement", "lines", "taxes"),
        *("subtotal", "tax_total", "round_off", "total", "paid_from_wallet", "amount_due", "notes"),
    }


def test_an_invoice_dated_by_india_on_new_years_eve_of_the_financial_year(session: Session) -> None:
    """31 March 2027 18:30 UTC is 1 April in India: the new financial year has begun (CGST Rule 46(b))."""
    metric = make.make_metric()
    before, after = (priced(make.per_unit(metric)).account for _ in range(2))
    for account in (before, after):
        use(account, metric, 100)
    at = IN_NOVEMBER.replace(year=2027, month=3, day=31, hour=18, minute=29)
    assert issue_for(before, at=at).number == "OT29/26-27/00001"
    assert issue_for(after, at=at.replace(minute=30)).number == "OT29/27-28/00001"


def test_nothing_used_and_nothing_owed_makes_no_invoice(session: Session) -> None:
    account = priced(make.per_unit(make.make_metric())).account
    assert invoices.draft_for(account, OCTOBER, at=IN_NOVEMBER) is None


def test_usage_that_is_free_is_shown_on_an_invoice_of_nothing_that_is_paid(session: Session) -> None:
    metric = make.make_metric()
    account = priced(make.graduated(metric, ("100", "0"), (None, "0.50"))).account
    use(account, metric, 100)
    invoice = issue_for(account)
    assert (invoice.lines[0].quantity, invoice.total, invoice.status) == (100, 0, InvoiceStatus.paid)


def test_an_inclusive_line_of_a_person_keeps_what_is_to_be_paid(session: Session) -> None:
    """CGST Rule 35: 1,180 including 18 % is 1,000 and 180."""
    account = make.make_account(make.make_customer(gstin=make.a_gstin("27")))
    line = {"description": "Set-up", "quantity": "1", "unit_price": "1180", "tax_inclusive": True}
    invoice = invoices.draft_by_hand(account, OCTOBER, lines=[line], at=IN_NOVEMBER, actor=make.ACTOR)
    assert (invoice.subtotal, invoice.tax_total, invoice.total) == (
        Decimal(1000),
        Decimal(180),
        Decimal(1180),
    )


@pytest.mark.parametrize(
    ("line", "pointer"),
    [
        ({"description": "", "quantity": "1", "unit_price": "1"}, "/lines/0/description"),
        ({"description": "x", "quantity": "0", "unit_price": "1"}, "/lines/0/quantity"),
        ({"description": "x", "quantity": "1", "unit_price": "-1"}, "/lines/0/unit_price"),
        ({"description": "x", "quantity": "1000000000", "unit_price": "1000001"}, "/lines/0/unit_price"),
        ({"description": "x", "quantity": "1", "unit_price": "1", "sac": "no"}, "/lines/0/sac"),
        ({"description": "x", "quantity": "1", "unit_price": "1", "colour": "red"}, "/lines/0/colour"),
    ],
)
def test_a_line_that_cannot_be_used_is_refused_by_its_field(
    session: Session, line: dict[str, str], pointer: str
) -> None:
    account = make.make_account()
    with pytest.raises(Invalid) as refused:
        invoices.draft_by_hand(account, OCTOBER, lines=[line], at=IN_NOVEMBER, actor=make.ACTOR)
    assert refused.value.fields[0].pointer == pointer
    assert session.scalar(select(func.count()).select_from(Invoice)) == 0


def test_a_preview_leaves_nothing(session: Session) -> None:
    metric = make.make_metric()
    account = priced(make.per_unit(metric, "2.50"), make.fee("100", code="base")).account
    use(account, metric, 400)
    records = session.scalar(select(func.count()).select_from(AuditRecord))
    shown = invoices.preview(account, OCTOBER, lambda draft: (draft.total, len(draft.lines)), at=IN_NOVEMBER)
    assert shown == (Decimal(1298), 2)
    assert session.scalar(select(func.count()).select_from(Invoice)) == 0
    assert session.scalar(select(func.count()).select_from(AuditRecord)) == records


def test_without_a_registration_of_the_seller_nothing_is_drafted(session: Session) -> None:
    seller = session.scalars(select(Invoice.registration.property.mapper.class_)).one()
    seller.valid_until = seller.valid_from
    account, metric = _used()
    with pytest.raises(Conflict, match="No registration of the seller is valid on 2026-11-01"):
        invoices.draft_for(account, OCTOBER, at=IN_NOVEMBER)
    assert metric.code


def _used() -> tuple[Account, Metric]:
    metric = make.make_metric()
    account = priced(make.per_unit(metric)).account
    use(account, metric, 10)
    return account, metric
