"""Monthly returns: every document in its section of GSTR-1, in rupees, and sums that are the ledger's."""

import csv
import io
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy.orm import Session

from app.errors import Invalid
from app.models import EInvoice, Invoice, SellerRegistration
from app.models.einvoices import EInvoiceStatus
from app.services import credit_notes, gst_returns, invoices, verify
from app.services.gst_returns import Filing
from tests import factories as make
from tests.services.invoicing import IN_NOVEMBER, OCTOBER
from tests.services.tampering import power, red

MONTH = "2026-11"


def sell(amount: str, *, currency: str = "INR", at: datetime = IN_NOVEMBER, **customer: Any) -> Invoice:
    """Issue an invoice of one line to a new customer."""
    account = make.make_account(make.make_customer(**customer), currency=currency)
    line = {"description": "Setup", "quantity": "1", "unit_price": amount, "sac": "998313"}
    draft = invoices.draft_by_hand(account, OCTOBER, lines=[line], at=at, actor=make.ACTOR)
    issued = invoices.issue(draft, at=at, actor=make.ACTOR)
    assert issued.number is not None, issued.parked_reason
    return issued


def take_back(invoice: Invoice, amount: str) -> Invoice:
    """Take an amount, its tax included, back by a credit note."""
    return credit_notes.issue(
        invoice, reason="Agreed", amount=amount, at=datetime(2026, 11, 20, tzinfo=UTC), actor=make.ACTOR
    )


@pytest.fixture
def seller(session: Session) -> SellerRegistration:
    """The seller in Karnataka, GST of 18 %."""
    row = make.make_seller()
    make.make_tax_rate("18")
    return row


def filed(seller: SellerRegistration, month: str = MONTH) -> Filing:
    return gst_returns.make(seller, month)


def rows(seller: SellerRegistration, section: str) -> list[dict[str, Any]]:
    """Return the rows of a section as JSON shows them."""
    found: list[dict[str, Any]] = gst_returns.as_json(filed(seller))["sections"][section]["rows"]
    return found


def figures(row: dict[str, Any]) -> tuple[str, ...]:
    return tuple(row[name] for name in ("rate", "taxable", "igst", "cgst", "sgst"))


def test_registered_recipients_stand_by_invoice(seller: SellerRegistration) -> None:
    """GSTR-1 table 4A: inside the State with CGST and SGST, outside with IGST."""
    inside = sell("1000", name="Namma Stores", gstin=make.a_gstin("29", "AABCN1234F"))
    outside = sell("2000", name="Pune Mills", gstin=make.a_gstin("27"))
    found = rows(seller, "b2b")
    assert [(row["number"], row["date"], row["place"], row["reverse"]) for row in found] == [
        (inside.number, "2026-11-01", "29-Karnataka", "N"),
        (outside.number, "2026-11-01", "27-Maharashtra", "N"),
    ]
    assert [figures(row) for row in found] == [
        ("18", "1000", "0", "90", "90"),
        ("18", "2000", "360", "0", "0"),
    ]
    assert [row["value"] for row in found] == ["1180", "2360"]


def test_a_special_economic_zone_says_whether_tax_was_paid(seller: SellerRegistration) -> None:
    """GSTR-1 tables 6B: SEZ supplies without payment of tax, under the letter of undertaking."""
    sell("1000", gstin=make.a_gstin("29"), tax_treatment="sez")
    (row,) = rows(seller, "b2b")
    assert (row["type"], *figures(row)) == ("SEZ supplies without payment", "0", "1000", "0", "0", "0")


def test_reverse_charge_shows_the_tax_but_no_sum_has_it(seller: SellerRegistration) -> None:
    """GSTR-1 table 4B: the recipient pays it."""
    sell("1000", gstin=make.a_gstin("29"), reverse_charge=True)
    (row,) = rows(seller, "b2b")
    assert (row["reverse"], row["value"], *figures(row)) == ("Y", "1000", "18", "1000", "0", "90", "90")
    told = gst_returns.as_json(filed(seller))["supplies"]
    assert told == {"taxable": "1000", "igst": "0", "cgst": "0", "sgst": "0"}


@pytest.mark.parametrize(("amount", "section"), [("84745.76", "b2cs"), ("84746.60", "b2cl")])
def test_unregistered_recipients_elsewhere_stand_by_invoice_above_one_lakh(
    seller: SellerRegistration, amount: str, section: str
) -> None:
    """Notification 12/2024: table 5 begins above ₹1,00,000, which 84,745.76 with its tax is."""
    sell(amount, state_code="27")
    found = {name for name in ("b2b", "b2cl", "b2cs") if rows(seller, name)}
    assert found == {section}


def test_small_sales_are_added_up_by_place_and_rate_less_their_notes(seller: SellerRegistration) -> None:
    """GSTR-1 table 7 is net of credit notes."""
    first = sell("1000")
    sell("500")
    sell("300", state_code="27")
    take_back(first, "236")
    assert [(row["place"], *figures(row)) for row in rows(seller, "b2cs")] == [
        ("27-Maharashtra", "18", "300", "54", "0", "0"),
        ("29-Karnataka", "18", "1300", "0", "117", "117"),
    ]
    assert rows(seller, "cdnur") == []


def test_an_export_is_told_in_rupees_at_the_rate_of_its_invoice(
    seller: SellerRegistration, session: Session
) -> None:
    """GSTR-1 table 6A: USD 100 at 83.25."""
    sell("100", currency="USD", country="US", state_code="CA")
    make.make_exchange_rate("90", valid_from=date(2026, 10, 1))
    (row,) = rows(seller, "exp")
    assert (row["type"], row["currency"], row["total"], row["exchange_rate"], row["value"]) == (
        "WOPAY",
        "USD",
        "100",
        "83.25",
        "8325",
    )
    assert figures(row) == ("0", "8325", "0", "0", "0")


def test_credit_notes_name_their_invoice(seller: SellerRegistration) -> None:
    """GSTR-1 table 9B."""
    invoice = sell("1000", gstin=make.a_gstin("27"))
    export = sell("100", currency="USD", country="US", state_code="CA")
    note, abroad = take_back(invoice, "118"), take_back(export, "40")
    (row,) = rows(seller, "cdnr")
    assert (row["number"], row["original"], row["value"]) == (note.number, invoice.number, "118")
    assert figures(row) == ("18", "100", "18", "0", "0")
    (row,) = rows(seller, "cdnur")
    assert (row["number"], row["type"], row["taxable"]) == (abroad.number, "EXPWOP", "3330")


def test_exempt_supplies_and_those_of_rate_nil_stand_in_table_8(seller: SellerRegistration) -> None:
    sell("700", tax_treatment="exempt", exempt_reason="Notification 12/2017, entry 66", state_code="27")
    make.make_tax_rate("0", service_code="998313")
    sell("50", gstin=make.a_gstin("29"))
    assert [tuple(row.values()) for row in rows(seller, "nil")] == [
        ("Inter-State supplies to unregistered persons", "Exempt", "700"),
        ("Intra-State supplies to registered persons", "Nil rated", "50"),
    ]
    assert rows(seller, "b2b") == rows(seller, "b2cs") == []


def test_service_codes_are_summed_by_recipients_and_rate(seller: SellerRegistration) -> None:
    """GSTR-1 table 12: B2B and B2C apart, net of credit notes."""
    sell("1000", gstin=make.a_gstin("29"))
    take_back(sell("500"), "118")
    assert [(row["recipients"], row["sac"], *figures(row)) for row in rows(seller, "hsn")] == [
        ("B2B", "998313", "18", "1000", "0", "90", "90"),
        ("B2C", "998313", "18", "400", "0", "36", "36"),
    ]


def test_every_series_tells_first_last_and_count(seller: SellerRegistration) -> None:
    """GSTR-1 table 13."""
    issued = [sell("10") for _ in range(3)]
    take_back(issued[0], "1.18")
    found = [(row["kind"], row["from"], row["to"], row["total"]) for row in rows(seller, "docs")]
    assert found == [
        ("Credit notes", "OT29C/26-27/0001", "OT29C/26-27/0001", 1),
        ("Invoices for outward supply", "OT29/26-27/00001", "OT29/26-27/00003", 3),
    ]


def test_what_was_cancelled_at_the_portal_is_left_out_with_its_note(
    session: Session, seller: SellerRegistration
) -> None:
    """GSTN's advisory on e-invoices: a cancelled registration is not told among the supplies, only counted as
    cancelled in table 13."""
    kept, gone = (sell(amount, gstin=make.a_gstin("29")) for amount in ("1000", "500"))
    session.add(
        EInvoice(
            invoice=gone,
            irn=gone.id.hex * 2,
            next_try_at=IN_NOVEMBER,
            provider="sandbox",
            status=EInvoiceStatus.cancelled,
            ack_no="112010036563310",
            ack_at=IN_NOVEMBER,
            signed_invoice="signed",
            signed_qr="signed",
            cancelled_at=IN_NOVEMBER,
        )
    )
    assert len(rows(seller, "b2b")) == 2
    credit_notes.void(gone, reason="Cancelled", at=datetime(2026, 11, 20, tzinfo=UTC), actor=make.ACTOR)
    assert [each["number"] for each in rows(seller, "b2b")] == [kept.number]
    assert rows(seller, "cdnr") == []
    assert [(each["total"], each["cancelled"]) for each in rows(seller, "docs")] == [(1, 1), (2, 1)]
    assert red(verify.run(["returns"], at=IN_NOVEMBER)) == {}


def test_a_month_ends_at_midnight_in_india(seller: SellerRegistration) -> None:
    """31 October 18:29 UTC is still October in India, a minute later it is November."""
    before = sell("10", at=datetime(2026, 10, 31, 18, 29, tzinfo=UTC), gstin=make.a_gstin("29"))
    after = sell("20", at=datetime(2026, 10, 31, 18, 30, tzinfo=UTC), gstin=make.a_gstin("29"))
    told = [
        [row["number"] for row in filed(seller, month).tables[0].rows] for month in ("2026-10", "2026-11")
    ]
    assert told == [[before.number], [after.number]]


def test_each_registration_files_its_own_return(seller: SellerRegistration) -> None:
    pune = make.make_seller("27", is_default=False)
    sell("10")
    assert gst_returns.as_json(filed(pune))["supplies"]["taxable"] == "0"
    assert gst_returns.as_json(filed(seller))["fp"] == "112026"


def test_a_hostile_name_is_no_formula(seller: SellerRegistration) -> None:
    sell("10", name='=HYPERLINK("http://evil.example","x")', gstin=make.a_gstin("29"))
    table = list(csv.reader(io.StringIO(gst_returns.as_csv(filed(seller)).lstrip("\ufeff"))))
    cells = [cell for row in table for cell in row]
    assert '\'=HYPERLINK("http://evil.example","x")' in cells
    assert [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))] == []
    one = gst_returns.as_csv(filed(seller), {"b2b"}).splitlines()
    assert [line for line in one if "registered" in line] == ['"b2b: 4, 6B, 6C: registered recipients"']


def test_what_is_no_month_is_refused(seller: SellerRegistration) -> None:
    with pytest.raises(Invalid):
        filed(seller, "2026-13")


@pytest.fixture
def everything(seller: SellerRegistration) -> list[Invoice]:
    """One document of every kind, with amounts that do not divide."""
    issued = [
        sell("1000.33", gstin=make.a_gstin("29")),
        sell("3.03", gstin=make.a_gstin("27")),
        sell("333.35"),
        sell("99999.99", state_code="27"),
        sell("77.77", gstin=make.a_gstin("29"), reverse_charge=True),
        sell("12.34", tax_treatment="exempt", exempt_reason="Notification 12/2017"),
        sell("100.41", currency="USD", country="US", state_code="CA"),
        sell("45.67", gstin=make.a_gstin("29"), tax_treatment="sez"),
    ]
    for invoice, amount in zip(issued, ("10.01", "0.01", "7.77", "1", "5", "1.11", "3.33", "2"), strict=True):
        take_back(invoice, amount)
    return issued


def test_every_return_adds_up_to_the_ledger(everything: list[Invoice]) -> None:
    report = verify.run(["returns"], at=IN_NOVEMBER)
    assert red(report) == {}
    assert report.results[0].counted == {"returns": 1, "documents": 16}


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE invoices SET subtotal = subtotal + 0.01, total = total + 0.01 WHERE id = :id",
        "UPDATE invoices SET taxes = jsonb_set(taxes, '{0,amount}', '\"90.04\"') WHERE id = :id",
        "UPDATE invoices SET snapshot = jsonb_set(snapshot, '{lines,0,amount}', '\"1\"') WHERE id = :id",
        "UPDATE invoices SET snapshot = jsonb_set(snapshot, '{lines}', '[]') WHERE id = :id",
    ],
)
def test_a_return_that_differs_from_the_ledger_is_named(
    session: Session, seller: SellerRegistration, everything: list[Invoice], change: str
) -> None:
    power(session, change, id=everything[0].id)
    assert red(verify.run(["returns"], at=IN_NOVEMBER)) == {
        "returns": [f"return {seller.gstin} 2026-11"]
        * (2 if "snapshot" in change or "subtotal" in change else 1)
    }
