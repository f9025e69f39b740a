"""E-invoices: worked reference numbers, the INV-01 document of every kind of supply, and what is refused.

Sources: einv-apisandbox.nic.in/irn.html (the string that is hashed), gstzen.in/a/e-invoice-reference-number
.html (a published value), schema INV-01 1.1 (Notification 60/2020-CT).
"""

from copy import deepcopy
from datetime import date
from decimal import Decimal

import pytest

from app.domain import einvoice_rules, einvoices
from app.domain.errors import RuleBroken
from tests.services.snapshots import AMERICAN, KARNATAKA, SELLER, snapshot, usage_line

CENTRAL_AND_STATE = (("CGST", "9"), ("SGST", "9"))
INTEGRATED = (("IGST", "18"),)
# SELLER's and KARNATAKA's GSTINs with the right check characters.
OURS = {**SELLER, "gstin": "29AAGCO4567J1ZV"}
BUYER = {**KARNATAKA, "gstin": "29AABCN1234F1ZS"}
MAHARASHTRIAN = {
    **KARNATAKA,
    "address": ["5 Hill Road", "Mumbai 400050, Maharashtra", "India"],
    "gstin": "27AABCN1234F1ZW",
    "state_code": "27",
    "state": "Maharashtra",
}
MUMBAI = {"code": "27", "name": "Maharashtra"}
ABROAD = {"code": "96", "name": "Other country"}


def invoice(*lines, buyer=BUYER, **changes):
    return snapshot(list(lines), buyer=buyer, seller=OURS, **changes)


def local(n=1, amount="525.00", **changes):
    return usage_line(n, amount, taxes=CENTRAL_AND_STATE, **changes)


def refused(document):
    return [(each.pointer, each.code) for each in einvoice_rules.problems(document)]


@pytest.mark.parametrize(
    ("gstin", "on", "document_type", "number", "expected"),
    [
        # Published: SHA256("29AAFCC9980M1ZR2019-20INV2019-20/KA/1"), gstzen.in.
        (
            "29AAFCC9980M1ZR",
            date(2019, 12, 1),
            "INV",
            "2019-20/KA/1",
            "23f498ee41441ecad30f72ba5b9907506c3df70a17b0e0dff46b76a786400662",
        ),
        # The string is published by NIC; printf '01AAAAA9999A19N2019-20INVABC01234' | sha256sum
        (
            "01AAAAA9999A19N",
            date(2019, 12, 12),
            "INV",
            "ABC01234",
            "353c2677715ae97aa876a37262a38381a75c1d1184f6a803f703bb395971925f",
        ),
        # printf '29AAGCO4567J1ZV2026-27CRNOTC/26-27/000001' | sha256sum
        (
            "29AAGCO4567J1ZV",
            date(2027, 3, 31),
            "CRN",
            "OTC/26-27/000001",
            "f1989b789473a356ca13d2ea57a06c65f3d2f277efa914357e147dd1a8fa837a",
        ),
    ],
)
def test_reference_numbers_are_the_published_ones(gstin, on, document_type, number, expected):
    assert einvoices.irn_of(gstin, on, document_type, number) == expected


def test_the_financial_year_turns_on_the_first_of_april():
    before = einvoices.irn_of("29AAGCO4567J1ZV", date(2027, 3, 31), "INV", "OT/1")
    after = einvoices.irn_of("29AAGCO4567J1ZV", date(2027, 4, 1), "INV", "OT/1")
    # printf '29AAGCO4567J1ZV2026-27INVOT/1' | sha256sum, and with 2027-28
    assert (before, after) == (
        "558d4d271021a7b18df0410de1b26fbfc35527a6b5ddb9f133ebd50f7f7cda54",
        "c597950f272c17e506dcb61d0e00ea9cac780af625b4d0518445c49ed09a150d",
    )


def test_the_case_of_a_number_makes_no_difference():
    small = einvoices.irn_of("29AAGCO4567J1ZV", date(2026, 11, 1), "INV", "ot/26-27/1a")
    assert small == einvoices.irn_of("29AAGCO4567J1ZV", date(2026, 11, 1), "INV", "OT/26-27/1A")


def test_a_supply_within_the_state_is_reported_in_full():
    document = einvoices.build(invoice(local()))
    assert document == {
        "Version": "1.1",
        "TranDtls": {"TaxSch": "GST", "SupTyp": "B2B", "RegRev": "N", "IgstOnIntra": "N"},
        "DocDtls": {"Typ": "INV", "No": "OT/26-27/000042", "Dt": "01/11/2026"},
        "SellerDtls": {
            "Gstin": "29AAGCO4567J1ZV",
            "LglNm": "OTPless Technologies Private Limited",
            "Addr1": "4th Floor, Prestige Atrium",
            "Addr2": "1 Central Street, Shivajinagar",
            "Loc": "Bengaluru",
            "Pin": 560001,
            "Stcd": "29",
        },
        "BuyerDtls": {
            "Gstin": "29AABCN1234F1ZS",
            "LglNm": "Namma Kirana Private Limited",
            "Pos": "29",
            "Addr1": "No. 12, 80 Feet Road",
            "Addr2": "Koramangala",
            "Loc": "Bengaluru",
            "Pin": 560095,
            "Stcd": "29",
        },
        "ItemList": [
            {
                "SlNo": "1",
                "PrdDesc": "SMS messages, 1 Oct 2026 to 31 Oct 2026",
                "IsServc": "Y",
                "HsnCd": "998429",
                "Qty": Decimal(1),
                "Unit": "OTH",
                "UnitPrice": Decimal("525.00"),
                "TotAmt": Decimal("525.00"),
                "Discount": Decimal(0),
                "AssAmt": Decimal("525.00"),
                "GstRt": Decimal(18),
                "IgstAmt": Decimal(0),
                "CgstAmt": Decimal("47.25"),
                "SgstAmt": Decimal("47.25"),
                "OthChrg": Decimal(0),
                "TotItemVal": Decimal("619.50"),
            }
        ],
        "ValDtls": {
            "AssVal": Decimal("525.00"),
            "CgstVal": Decimal("47.25"),
            "SgstVal": Decimal("47.25"),
            "IgstVal": Decimal(0),
            "OthChrg": Decimal(0),
            "RndOffAmt": Decimal("0.50"),
            "TotInvVal": Decimal("620.00"),
        },
        "RefDtls": {
            "DocPerdDtls": {"InvStDt": "01/10/2026", "InvEndDt": "31/10/2026"},
            "ContrDtls": [{"PORefr": "PO-7781"}],
        },
    }
    assert refused(document) == []


def test_quantity_and_price_are_told_where_they_multiply_out():
    told = einvoices.build(invoice(local(quantity="2100", unit_price="0.25")))["ItemList"][0]
    assert (told["Qty"], told["UnitPrice"]) == (Decimal(2100), Decimal("0.25"))
    finer = einvoices.build(invoice(local(quantity="420000", unit_price="0.00125")))["ItemList"][0]
    assert (finer["Qty"], finer["UnitPrice"]) == (Decimal(1), Decimal("525.00"))


def test_between_states_igst_is_reported():
    line = usage_line(1, "1000.00", taxes=INTEGRATED)
    document = einvoices.build(invoice(line, buyer=MAHARASHTRIAN, place_of_supply=MUMBAI))
    assert (document["BuyerDtls"]["Pos"], document["ValDtls"]["IgstVal"]) == ("27", Decimal("180.00"))
    assert refused(document) == []


@pytest.mark.parametrize(
    ("taxes", "expected", "total"), [(INTEGRATED, "SEZWP", "1180.00"), ((), "SEZWOP", "1000.00")]
)
def test_a_special_economic_zone_is_told_apart(taxes, expected, total):
    """IGST Act s.16: with payment of tax, or without under a letter of undertaking; also in the own State."""
    buyer = {**BUYER, "tax_treatment": "sez"}
    document = einvoices.build(invoice(usage_line(1, "1000.00", taxes=taxes), buyer=buyer))
    assert (document["TranDtls"]["SupTyp"], document["ValDtls"]["TotInvVal"]) == (expected, Decimal(total))
    assert refused(document) == []


def export(taxes=(), **changes):
    inr = {"rate": "83.25", "taxes": [], "subtotal": "8332.49", "total": "8332.49"}
    content = invoice(
        usage_line(1, "100.09", taxes=taxes),
        buyer=AMERICAN,
        currency="USD",
        kind="export_invoice",
        place_of_supply=ABROAD,
    )
    return {**content, "inr": inr, **changes}


def test_an_export_is_reported_in_rupees_with_its_currency_and_country():
    document = einvoices.build(export())
    assert document["TranDtls"]["SupTyp"] == "EXPWOP"
    assert document["ExpDtls"] == {"ForCur": "USD", "CntCode": "US"}
    assert document["ValDtls"]["TotInvVal"] == Decimal("8332.49")
    assert document["ValDtls"]["TotInvValFc"] == Decimal("100.09")
    buyer = document["BuyerDtls"]
    assert (buyer["Gstin"], buyer["Pos"], buyer["Stcd"], buyer["Pin"]) == ("URP", "96", "96", 999999)
    assert (buyer["Addr1"], buyer["Loc"]) == ("548 Market Street, Suite 300", "San Francisco, CA 94104")
    assert refused(document) == []


def test_an_export_without_a_letter_of_undertaking_bears_tax():
    content = export(INTEGRATED, inr={"rate": "83.25", "total": "9832.66"})
    document = einvoices.build(content)
    assert document["TranDtls"]["SupTyp"] == "EXPWP"
    # 100.09 and 18.02 dollars at 83.25, each rounded by itself.
    assert document["ValDtls"]["AssVal"] == Decimal("8332.49")
    assert document["ValDtls"]["IgstVal"] == Decimal("1500.17")
    assert document["ValDtls"]["TotInvVal"] == Decimal("9832.66")
    assert refused(document) == []


def test_the_tax_of_another_country_is_another_charge():
    line = usage_line(1, "1000.00", taxes=(("PPN", "11"),))
    document = einvoices.build(
        invoice(line, buyer={**AMERICAN, "country": "ID"}, kind="export_invoice", place_of_supply=ABROAD)
    )
    values = document["ValDtls"]
    assert (document["TranDtls"]["SupTyp"], document["ItemList"][0]["GstRt"]) == ("EXPWOP", 0)
    assert (values["IgstVal"], values["OthChrg"], values["TotInvVal"]) == (0, Decimal(110), Decimal(1110))
    assert refused(document) == []


def test_reverse_charge_tells_the_tax_that_the_customer_pays():
    own = [{"code": "IGST", "rate": "18", "taxable": "1000.00", "amount": "180.00"}]
    line = {**usage_line(1, "1000.00", taxes=()), "recipient_taxes": own}
    document = einvoices.build(
        invoice(line, buyer=MAHARASHTRIAN, place_of_supply=MUMBAI, reverse_charge=True)
    )
    assert document["TranDtls"]["RegRev"] == "Y"
    assert (document["ItemList"][0]["GstRt"], document["ValDtls"]["IgstVal"]) == (18, Decimal("180.00"))
    assert refused(document) == []


def test_a_credit_note_names_its_invoice():
    original = {"number": "OT/26-27/000042", "issued_on": "2026-11-01"}
    note = invoice(local(), kind="credit_note", number="OTC/26-27/000001", original=original)
    document = einvoices.build(note)
    assert document["DocDtls"]["Typ"] == "CRN"
    assert document["RefDtls"]["PrecDocDtls"] == [{"InvNo": "OT/26-27/000042", "InvDt": "01/11/2026"}]
    assert refused(document) == []


def test_a_note_in_dollars_is_reckoned_as_its_invoice_was():
    original = export()
    note = {**original, "kind": "credit_note", "number": "OTC/26-27/000002"}
    del note["inr"]
    document = einvoices.build(note, original)
    assert (document["ValDtls"]["AssVal"], document["ValDtls"]["TotInvVal"]) == (
        Decimal("8332.49"),
        Decimal("8332.49"),
    )


def test_what_is_taken_off_becomes_discounts_and_every_sum_stays():
    lines = (
        local(1, "100.01", sac="998429"),
        local(2, "50.05", sac="998315"),
        local(3, "-60.03", sac="998315", kind="discount", description="Launch offer"),
    )
    content = invoice(*lines)
    document = einvoices.build(content)
    first, second = document["ItemList"]
    # Its own service code first: all 50.05 of the second, and 9.98 of the first.
    assert (second["Discount"], second["AssAmt"]) == (Decimal("50.05"), 0)
    assert (first["Discount"], first["AssAmt"]) == (Decimal("9.98"), Decimal("90.03"))
    values = document["ValDtls"]
    by_code = {tax["code"]: Decimal(tax["amount"]) for tax in content["taxes"]}
    assert values["AssVal"] == Decimal(content["subtotal"]) == Decimal("90.03")
    assert (values["CgstVal"], values["SgstVal"]) == (by_code["CGST"], by_code["SGST"])
    assert values["TotInvVal"] == Decimal(content["total"])
    assert refused(document) == []


def test_more_taken_off_than_bears_the_tax_is_refused():
    lines = (local(1, "10.00"), local(2, "-12.00"), usage_line(3, "50.00", taxes=INTEGRATED))
    with pytest.raises(RuleBroken) as refusal:
        einvoices.build(invoice(*lines))
    assert (refusal.value.pointer, refusal.value.code) == ("/ItemList", "too_much_taken_off")


def test_only_what_the_law_asks_for_is_reported():
    unregistered = {**KARNATAKA, "gstin": None}
    assert einvoices.is_reportable(invoice(local()))
    assert einvoices.is_reportable(export())
    assert not einvoices.is_reportable(invoice(local(), buyer=unregistered))
    assert not einvoices.is_reportable(invoice(local(), buyer={**BUYER, "tax_treatment": "exempt"}))
    assert not einvoices.is_reportable(invoice(local(), kind="credit_note", commercial=True))


@pytest.mark.parametrize(
    ("part", "field", "value", "expected"),
    [
        ("DocDtls", "No", "0TP/1", [("/DocDtls/No", "bad_number")]),
        ("DocDtls", "No", "A" * 17, [("/DocDtls/No", "bad_number")]),
        ("SellerDtls", "LglNm", "OT", [("/SellerDtls/LglNm", "bad_length")]),
        ("BuyerDtls", "Loc", "", [("/BuyerDtls/Loc", "bad_length")]),
        ("BuyerDtls", "Pin", None, [("/BuyerDtls/Pin", "bad_pin")]),
        ("BuyerDtls", "Pin", 99999, [("/BuyerDtls/Pin", "bad_pin")]),
        ("BuyerDtls", "Gstin", "29AABCN1234F1ZX", [("/BuyerDtls/Gstin", "bad_gstin")]),
        ("BuyerDtls", "Gstin", "29AAGCO4567J1ZV", [("/BuyerDtls/Gstin", "own_gstin")]),
        ("BuyerDtls", "Stcd", "27", [("/BuyerDtls/Stcd", "other_state")]),
        ("BuyerDtls", "Pos", "96", [("/BuyerDtls/Pos", "bad_place"), ("/ItemList/0/CgstAmt", "wrong_tax")]),
        (
            "TranDtls",
            "SupTyp",
            "B2C",
            [("/TranDtls/SupTyp", "unknown_choice"), ("/ItemList/0/CgstAmt", "wrong_tax")],
        ),
        ("ValDtls", "AssVal", Decimal("526.01"), [("/ValDtls/AssVal", "bad_sum")]),
        ("ValDtls", "TotInvVal", Decimal("621.01"), [("/ValDtls/TotInvVal", "bad_sum")]),
        (
            "ValDtls",
            "RndOffAmt",
            Decimal(100),
            [("/ValDtls/RndOffAmt", "out_of_range"), ("/ValDtls/TotInvVal", "bad_sum")],
        ),
    ],
)
def test_a_wrong_field_is_named(part, field, value, expected):
    document = einvoices.build(invoice(local()))
    document[part][field] = value
    assert refused(document) == expected


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("HsnCd", "1234", [("/ItemList/0/HsnCd", "bad_sac")]),
        ("HsnCd", "99831", [("/ItemList/0/HsnCd", "bad_sac")]),
        ("GstRt", Decimal(12), [("/ItemList/0/GstRt", "bad_tax")]),
        (
            "TotItemVal",
            Decimal("621.00"),
            [("/ItemList/0/TotItemVal", "bad_sum"), ("/ValDtls/TotInvVal", "bad_sum")],
        ),
        ("IgstAmt", Decimal("0.50"), [("/ItemList/0/IgstAmt", "wrong_tax")]),
        ("AssAmt", Decimal(-1), [("/ItemList/0/AssAmt", "out_of_range")]),
    ],
)
def test_a_wrong_item_is_named(field, value, expected):
    document = einvoices.build(invoice(local()))
    document["ItemList"][0][field] = value
    assert refused(document)[: len(expected)] == expected


def test_a_rupee_of_difference_is_tolerated_as_by_the_portal():
    document = einvoices.build(invoice(local()))
    document["ValDtls"]["TotInvVal"] += 1
    assert refused(document) == []
    document["ValDtls"]["TotInvVal"] += Decimal("0.01")
    assert refused(document) == [("/ValDtls/TotInvVal", "bad_sum")]


def test_a_document_is_the_same_however_often_it_is_built():
    content = invoice(local(), local(2, "-5.00"))
    before = deepcopy(content)
    assert einvoices.build(content) == einvoices.build(content)
    assert content == before


def test_characters_that_the_schema_forbids_are_replaced():
    buyer = {**BUYER, "name": 'The "Best" \\ Shop' + "x" * 200}
    name = einvoices.build(invoice(local(), buyer=buyer))["BuyerDtls"]["LglNm"]
    assert name == ("The 'Best' / Shop" + "x" * 200)[:100]
