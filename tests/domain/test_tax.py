"""GST worked by hand from the law, and sums that always add up."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import RuleBroken
from app.domain.places import STATES, UNION_TERRITORIES_WITHOUT_LEGISLATURE, place_name
from app.domain.tax import (
    Supply,
    SupplyKind,
    TaxPart,
    place_of_supply,
    round_off,
    split_inclusive,
    split_tax,
    tax_lines,
    tax_totals,
)
from tests.domain import calculator

EIGHTEEN = Decimal(18)


def supply(seller: str = "29", state: str | None = "29", country: str = "IN", **more: Any) -> Supply:
    return place_of_supply(seller_state=seller, country=country, state_code=state, **more)


SAME, OTHER = supply(), supply(state="27")


def amounts(parts: tuple[TaxPart, ...]) -> dict[str, str]:
    return {part.code: str(part.amount) for part in parts}


def test_the_same_state_bears_central_and_state_tax_in_equal_halves() -> None:
    """IGST Act s.8: Karnataka to Karnataka, 18 % of 1,000 is 90 + 90."""
    assert Supply(SupplyKind.intra_state, "29", (("CGST", 2), ("SGST", 2))) == SAME
    assert split_tax(Decimal("1000.00"), EIGHTEEN, SAME, "INR") == (
        TaxPart("CGST", Decimal(9), Decimal("1000.00"), Decimal("90.00")),
        TaxPart("SGST", Decimal(9), Decimal("1000.00"), Decimal("90.00")),
    )


def test_another_state_bears_integrated_tax() -> None:
    """IGST Act s.7: Karnataka to Maharashtra."""
    assert amounts(split_tax(Decimal(1000), EIGHTEEN, OTHER, "INR")) == {"IGST": "180.00"}
    assert OTHER.place_name == "27-Maharashtra"


@pytest.mark.parametrize("territory", ["04", "25", "26", "31", "35", "38", "97"])
def test_a_union_territory_without_legislature_has_utgst(territory: str) -> None:
    """UTGST Act s.1(2): Chandigarh, DNH & DD (25 until 2020), Lakshadweep, Andaman & Nicobar, Ladakh, and the
    other territory off the coasts."""
    assert [code for code, _ in supply(territory, territory).taxes] == ["CGST", "UTGST"]


@pytest.mark.parametrize("state", ["07", "34", "01"])
def test_delhi_puducherry_and_jammu_have_legislatures_and_so_sgst(state: str) -> None:
    assert [code for code, _ in supply(state, state).taxes] == ["CGST", "SGST"]


def test_a_registered_recipient_is_where_its_gstin_says() -> None:
    """IGST Act s.12(2)(a): the address in Karnataka does not matter."""
    assert supply(state="29", gstin="27AAPFU0939F1ZV").kind is SupplyKind.inter_state
    assert supply(state=None, gstin="29AAGCB7383J1Z4").kind is SupplyKind.intra_state


def test_an_export_under_lut_bears_no_tax_and_says_so() -> None:
    """IGST Act s.16(3)(a), CGST Rule 46."""
    export = supply(state=None, country="US", lut=True)
    assert (export.kind, export.place, export.taxes) == (SupplyKind.export, "96", ())
    assert export.endorsement == (
        "Supply meant for export under letter of undertaking without payment of integrated tax"
    )
    assert split_tax(Decimal(1000), EIGHTEEN, export, "USD") == ()


def test_an_export_without_lut_bears_integrated_tax() -> None:
    """IGST Act s.16(3)(b)."""
    export = supply(state=None, country="ID")
    assert amounts(split_tax(Decimal(1000), EIGHTEEN, export, "USD")) == {"IGST": "180.00"}
    assert export.endorsement == "Supply meant for export on payment of integrated tax"


def test_a_supply_to_a_special_economic_zone_is_inter_state_even_next_door() -> None:
    """IGST Act s.7(5)(b), s.16: zero-rated; without tax under a letter of undertaking, else IGST."""
    assert supply(sez=True, lut=True).taxes == ()
    assert supply(sez=True, lut=True).kind is SupplyKind.sez
    assert supply(sez=True).taxes == (("IGST", 1),)
    assert supply(sez=True).place == "29"
    assert supply(sez=True).endorsement is not None


@pytest.mark.parametrize("state", [None, "", "00", "39", "96", "Karnataka", 29])
def test_an_indian_recipient_needs_a_known_state(state: Any) -> None:
    with pytest.raises(RuleBroken) as refused:
        supply(state=state)
    assert (refused.value.pointer, refused.value.code) == ("/billing_address/state_code", "unknown_state")


def test_the_table_of_states_has_the_codes_of_the_law() -> None:
    assert list(STATES) == [*(f"{code:02d}" for code in range(1, 39)), "96", "97"]
    assert sorted(UNION_TERRITORIES_WITHOUT_LEGISLATURE) == ["04", "25", "26", "31", "35", "38", "97"]
    assert place_name("97") == "97-Other territory"


def test_three_paise_at_18_percent_differ_between_one_tax_and_two() -> None:
    """0.03 × 18 % = 0.0054, which is a paisa; 0.03 × 9 % = 0.0027, which is none, twice."""
    assert amounts(split_tax(Decimal("0.03"), EIGHTEEN, OTHER, "INR")) == {"IGST": "0.01"}
    assert amounts(split_tax(Decimal("0.03"), EIGHTEEN, SAME, "INR")) == {"CGST": "0.00", "SGST": "0.00"}


def test_each_half_is_rounded_by_itself() -> None:
    """100.50 × 9 % = 9.045 → 9.05 twice, 18.10; 100.50 × 18 % = 18.09."""
    assert amounts(split_tax(Decimal("100.50"), EIGHTEEN, SAME, "INR")) == {"CGST": "9.05", "SGST": "9.05"}
    assert amounts(split_tax(Decimal("100.50"), EIGHTEEN, OTHER, "INR")) == {"IGST": "18.09"}


def test_an_odd_rate_is_halved_exactly() -> None:
    assert [part.rate for part in split_tax(Decimal(100), Decimal(5), SAME, "INR")] == [Decimal("2.5")] * 2


def test_a_rate_of_nothing_makes_no_tax_and_a_negative_one_is_refused() -> None:
    assert split_tax(Decimal(100), Decimal(0), SAME, "INR") == ()
    with pytest.raises(RuleBroken, match="negative"):
        split_tax(Decimal(100), Decimal(-1), SAME, "INR")


def test_an_amount_of_1180_holds_1000_and_180() -> None:
    """CGST Rule 35: 1,180 × 18 / 118 = 180; by halves 1,180 × 9 / 118 = 90 each."""
    taxable, parts = split_inclusive(Decimal(1180), EIGHTEEN, SAME, "INR")
    assert (str(taxable), amounts(parts)) == ("1000.00", {"CGST": "90.00", "SGST": "90.00"})
    taxable, parts = split_inclusive(Decimal(1180), EIGHTEEN, OTHER, "INR")
    assert (str(taxable), amounts(parts)) == ("1000.00", {"IGST": "180.00"})


def test_a_hundred_inclusive_splits_to_the_paisa() -> None:
    """100 × 9 / 118 = 7.627… → 7.63 twice; the taxable value is the rest, 84.74."""
    taxable, parts = split_inclusive(Decimal(100), EIGHTEEN, SAME, "INR")
    assert (str(taxable), amounts(parts)) == ("84.74", {"CGST": "7.63", "SGST": "7.63"})


def test_the_lines_of_a_document_add_up_to_the_tax_on_their_sum() -> None:
    """Three lines of 0.03 inter-State: 0.09 × 18 % = 0.0162 → 0.02, though each line alone would bear
    0.01."""
    lines = tax_lines([(Decimal("0.03"), EIGHTEEN)] * 3, OTHER, "INR")
    assert [str(parts[0].amount) for parts in lines] == ["0.01", "0.00", "0.01"]
    assert tax_totals(lines) == (TaxPart("IGST", EIGHTEEN, Decimal("0.09"), Decimal("0.02")),)


def test_lines_of_two_rates_are_totalled_by_code_and_rate() -> None:
    lines = tax_lines(
        [(Decimal(100), EIGHTEEN), (Decimal(50), Decimal(5)), (Decimal(10), EIGHTEEN)], SAME, "INR"
    )
    totals = [(part.code, str(part.rate), str(part.taxable), str(part.amount)) for part in tax_totals(lines)]
    assert totals == [
        ("CGST", "2.5", "50", "1.25"),
        ("CGST", "9", "110", "9.90"),
        ("SGST", "2.5", "50", "1.25"),
        ("SGST", "9", "110", "9.90"),
    ]


@pytest.mark.parametrize(
    ("total", "currency", "difference"),
    [
        ("100.49", "INR", "-0.49"),
        ("100.50", "INR", "0.50"),
        ("100.00", "INR", "0.00"),
        ("-100.50", "INR", "-0.50"),
        ("1234.50", "IDR", "0.50"),
        ("100.49", "USD", "0.00"),
        ("100.499", "KWD", "0.000"),
    ],
)
def test_a_total_is_rounded_to_what_people_pay(total: str, currency: str, difference: str) -> None:
    """CGST Act s.170: 50 paise and above count as a rupee, less is dropped."""
    assert str(round_off(Decimal(total), currency)) == difference


minor_amounts = st.integers(-(10**7), 10**9).map(lambda minor: Decimal(minor).scaleb(-2))
percents = st.sampled_from(("0", "0.25", "3", "5", "12", "18", "28")).map(Decimal)
supplies = st.sampled_from((SAME, OTHER, supply("04", "04"), supply(country="US", state=None, lut=True)))


@given(st.lists(st.tuples(minor_amounts, percents), max_size=12), supplies)
def test_line_taxes_sum_to_the_rounded_document_tax_and_stay_within_a_paisa(
    lines: list[tuple[Decimal, Decimal]], place: Supply
) -> None:
    taxed = tax_lines(lines, place, "INR")
    for part in tax_totals(taxed):
        whole = sum(
            value
            for (value, _), parts in zip(lines, taxed, strict=True)
            for one in parts
            if (one.code, one.rate) == (part.code, part.rate)
        )
        exact = Fraction(whole) * Fraction(part.rate) / 100
        assert part.amount == Decimal(calculator.minor_units(exact, 2)).scaleb(-2)
        assert part.taxable == whole
    for (value, _), parts in zip(lines, taxed, strict=True):
        for part in parts:
            assert abs(Fraction(part.amount) - Fraction(value) * Fraction(part.rate) / 100) <= Fraction(
                1, 100
            )


@given(minor_amounts, percents, supplies)
def test_the_parts_of_an_inclusive_amount_add_up_to_what_was_received(
    amount: Decimal, rate: Decimal, place: Supply
) -> None:
    taxable, parts = split_inclusive(amount, rate, place, "INR")
    assert taxable + sum((part.amount for part in parts), Decimal(0)) == amount
    whole_rate = sum((Fraction(part.rate) for part in parts), Fraction(100))
    for part in parts:
        exact = Fraction(amount) * Fraction(part.rate) / whole_rate
        assert part.amount == Decimal(calculator.minor_units(exact, 2)).scaleb(-2)
        assert part.taxable == taxable
