"""What an invoice's document shows is worked out from its snapshot alone."""

import re

from app.domain.pricing.models import Row
from app.services.invoice_document import ROW_WORDS, invoice_context
from tests.services.snapshots import AMERICAN, KARNATAKA, SELLER, snapshot, usage_line

INTRA = (("CGST", "9"), ("SGST", "9"))
EXPORT = {
    "buyer": AMERICAN,
    "currency": "USD",
    "kind": "export_invoice",
    "title": "Export Invoice",
    "seller": {**SELLER, "lut": "AD290326001234K"},
    "place_of_supply": {"code": "96", "name": "Other country"},
}


def test_tiers_are_told_under_their_line():
    (line,) = invoice_context(snapshot([usage_line(1, "525.00", taxes=INTRA)]))["lines"]
    assert line["details"] == ["100 free", "Tier 2: 900 × ₹0.50 = ₹450.00", "Tier 3: 250 × ₹0.30 = ₹75.00"]
    assert (line["tax"], line["tax_rates"]) == ("₹94.50", ["CGST 9%", "SGST 9%"])


def test_a_single_step_needs_no_telling():
    step = {"kind": "units", "tier": 0, "quantity": "10", "unit": "0.5", "flat": "0", "amount": "5"}
    (line,) = invoice_context(
        snapshot([usage_line(1, "5.00", taxes=INTRA, unit_price="0.5", quantity="10", breakdown=[step])])
    )["lines"]
    assert (line["details"], line["rate"], line["quantity"]) == ([], "₹0.50", "10")


def test_a_fixed_fee_needs_no_telling_and_what_was_invoiced_before_does():
    fee = {"kind": "flat", "tier": 0, "quantity": "0", "unit": "0", "flat": "999", "amount": "999"}
    before = {"kind": "invoiced", "tier": 0, "quantity": "-1", "unit": "0", "flat": "-500", "amount": "-500"}
    lines = [
        usage_line(1, "999.00", taxes=INTRA, breakdown=[fee]),
        usage_line(2, "499.00", taxes=INTRA, breakdown=[fee, before]),
    ]
    details = [line["details"] for line in invoice_context(snapshot(lines))["lines"]]
    assert details == [[], ["Flat fee ₹999.00", "Invoiced before: -₹500.00"]]


def test_a_flat_part_is_told():
    step = {"kind": "tier", "tier": 1, "quantity": "10", "unit": "0.5", "flat": "20", "amount": "25"}
    (line,) = invoice_context(snapshot([usage_line(1, "25.00", taxes=INTRA, breakdown=[step])]))["lines"]
    assert line["details"] == ["Tier 1: 10 × ₹0.50 + ₹20.00 = ₹25.00"]


def test_sums_name_each_tax_and_the_round_off():
    context = invoice_context(snapshot([usage_line(1, "525.00", taxes=INTRA)]))
    assert context["sums"] == [
        ("Total taxable value", "₹525.00"),
        ("CGST 9%", "₹47.25"),
        ("SGST 9%", "₹47.25"),
        ("Round off", "₹0.50"),
    ]
    assert (context["total"], context["amount_due"], context["paid_from_wallet"]) == (
        "₹620.00",
        "₹620.00",
        "",
    )


def test_a_round_off_that_whole_rupiah_do_not_show_is_no_row():
    """Rupiah are kept with two decimals and shown whole: 1,069.95 and 0.05 are Rp 1.070 and nothing."""
    lines = [usage_line(1, "1069.95", taxes=())]
    context = invoice_context(snapshot(lines, currency="IDR", round_off="0.05", total="1070.00"))
    assert context["sums"] == [("Subtotal", "Rp 1.070")]
    assert context["total"] == "Rp 1.070"


def test_the_summary_groups_by_service_code_and_rate():
    lines = [
        usage_line(1, "100.00", taxes=INTRA),
        usage_line(2, "50.00", taxes=INTRA, sac="998313"),
        usage_line(3, "200.00", taxes=INTRA),
    ]
    rows = invoice_context(snapshot(lines))["summary"]
    assert [(row.sac, row.taxable, row.parts, row.tax) for row in rows] == [
        ("998313", "₹50.00", ("₹4.50 at 9%", "₹4.50 at 9%"), "₹9.00"),
        ("998429", "₹300.00", ("₹27.00 at 9%", "₹27.00 at 9%"), "₹54.00"),
    ]


def test_wallet_money_is_shown_as_paid():
    data = snapshot([usage_line(1, "525.00", taxes=INTRA)], paid_from_wallet="620", amount_due="0")
    context = invoice_context(data)
    assert (context["paid_from_wallet"], context["amount_due"]) == ("-₹620.00", "₹0.00")


def test_an_export_names_its_letter_of_undertaking_and_has_no_tax_table():
    context = invoice_context(snapshot([usage_line(1, "12.50", taxes=())], **EXPORT))
    assert ("Place of supply", "96-Other country") in context["facts"]
    assert ("LUT number", "AD290326001234K") in context["facts"]
    assert (context["summary"], context["codes"]) == ([], [])
    assert context["sums"] == [("Subtotal", "$12.50")]


def test_quantities_are_grouped_as_the_currency_is():
    (line,) = invoice_context(snapshot([usage_line(1, "12.50", taxes=(), quantity="1234567")], **EXPORT))[
        "lines"
    ]
    assert line["quantity"] == "1,234,567"


def test_reverse_charge_and_the_order_are_told():
    data = snapshot([usage_line(1, "525.00", taxes=INTRA)], buyer=KARNATAKA, reverse_charge=True)
    facts = dict(invoice_context(data)["facts"])
    assert (facts["Reverse charge"], facts["Purchase order"]) == ("Yes", "PO-7781")


# What billing adds to the rows that explain a price: of earlier invoices, trials and contracts.
OF_BILLING = {"invoiced", "trial", "commitment", "charged", "carried", "percent_off", "amount_off"}


def test_every_kind_of_row_that_pricing_names_has_words():
    named = re.search(r"`kind` is (.+?);", Row.__doc__, re.DOTALL)[1]
    assert set(re.findall(r"[a-z_]{3,}", named)) | OF_BILLING == set(ROW_WORDS)


def test_a_share_and_a_fixed_part_per_event_are_told():
    share = {
        "kind": "percentage",
        "tier": 0,
        "quantity": "5000",
        "unit": "0.0125",
        "flat": "0",
        "amount": "62.5",
    }
    fixed = {"kind": "fixed", "tier": 0, "quantity": "10", "unit": "2", "flat": "0", "amount": "20"}
    line = usage_line(1, "82.50", taxes=INTRA, breakdown=[share, fixed])
    assert invoice_context(snapshot([line]))["lines"][0]["details"] == [
        "1.25% of 5,000 = ₹62.50",
        "10 events × ₹2.00 = ₹20.00",
    ]
