"""Cases of GST worked by hand, each with the section, rule or notification that it follows."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from app.domain.errors import RuleBroken
from app.domain.gstin import check_character, is_valid, state_of
from app.domain.invoicing import Line, Totals, assess
from app.domain.numbering import financial_year, format_number, ist_date
from app.domain.tax import Abroad, Supply, SupplyKind, place_of_supply, round_off

UNION_TERRITORIES = ("04", "25", "26", "31", "35", "38", "97")


def supply(state: str | None = "29", *, seller: str = "29", country: str = "IN", **more: Any) -> Supply:
    return place_of_supply(seller_state=seller, country=country, state_code=state, **more)


def bill(
    *amounts: str, to: Supply, inclusive: bool = False, currency: str = "INR", rate: str = "18"
) -> Totals:
    """Return the figures of a document with a line for each amount."""
    charged = Decimal(rate) if to.taxes else Decimal(0)
    lines = [Line("Service", Decimal(amount), charged, "998319", inclusive) for amount in amounts]
    return assess(lines, to, currency)


def figures(totals: Totals) -> tuple[dict[str, str], str, str]:
    """Return the taxes by code, the round-off and the total."""
    return {part.code: str(part.amount) for part in totals.taxes}, str(totals.round_off), str(totals.total)


def test_same_state() -> None:
    """CGST Act s.9(1), SGST Act s.9(1), IGST Act s.8(2): Karnataka to Karnataka, 9 % twice of 12,345."""
    taxes, rest, total = figures(bill("12345.00", to=supply("29")))
    assert taxes == {"CGST": "1111.05", "SGST": "1111.05"}
    assert (rest, total) == ("-0.10", "14567.00")


def test_inter_state() -> None:
    """IGST Act s.5(1), s.7(3): Karnataka to Maharashtra, 18 % of 12,345."""
    assert figures(bill("12345.00", to=supply("27"))) == ({"IGST": "2222.10"}, "-0.10", "14567.00")


@pytest.mark.parametrize("territory", UNION_TERRITORIES)
def test_union_territory_without_legislature(territory: str) -> None:
    """UTGST Act s.7(1), s.2(22): UTGST takes the place of SGST where seller and recipient are in one."""
    taxes, _, _ = figures(bill("1000.00", to=supply(territory, seller=territory)))
    assert taxes == {"CGST": "90.00", "UTGST": "90.00"}


@pytest.mark.parametrize("territory", UNION_TERRITORIES)
def test_from_a_state_into_a_union_territory(territory: str) -> None:
    """IGST Act s.7(3)(b): a State and a Union Territory are inter-State."""
    assert figures(bill("1000.00", to=supply(territory)))[0] == {"IGST": "180.00"}


@pytest.mark.parametrize("state", ["01", "07", "34"])
def test_union_territories_with_a_legislature_are_states(state: str) -> None:
    """CGST Act s.2(103): Delhi, Puducherry, and Jammu and Kashmir, have SGST."""
    taxes, _, _ = figures(bill("1000.00", to=supply(state, seller=state)))
    assert taxes == {"CGST": "90.00", "SGST": "90.00"}


def test_registered_recipient_is_at_its_registration() -> None:
    """IGST Act s.12(2)(a): the GSTIN of Maharashtra counts, not the address in Karnataka."""
    assert supply("29", gstin="27AAPFU0939F1ZV").place == "27"


def test_unregistered_recipient_is_at_the_address_on_record() -> None:
    """IGST Act s.12(2)(b)(i)."""
    found = supply("33")
    assert (found.kind, found.place_name) == (SupplyKind.inter_state, "33-Tamil Nadu")


@pytest.mark.parametrize(
    ("lut", "taxes", "words"),
    [
        (True, {}, "under letter of undertaking without payment of integrated tax"),
        (False, {"IGST": "180.00"}, "on payment of integrated tax"),
    ],
)
def test_special_economic_zone(lut: bool, taxes: dict[str, str], words: str) -> None:
    """IGST Act s.7(5)(b), s.16(1)(b), s.16(3); Rule 46, third proviso: inter-State and zero-rated nearby."""
    found = supply("29", sez=True, lut=lut)
    assert (found.kind, found.place) == (SupplyKind.sez, "29")
    assert figures(bill("1000.00", to=found))[0] == taxes
    assert found.endorsement == f"Supply to SEZ unit or SEZ developer for authorised operations {words}"


@pytest.mark.parametrize(
    ("lut", "taxes", "total", "words"),
    [
        (True, {}, "1000.41", "under letter of undertaking without payment of integrated tax"),
        (False, {"IGST": "180.07"}, "1180.48", "on payment of integrated tax"),
    ],
)
def test_export(lut: bool, taxes: dict[str, str], total: str, words: str) -> None:
    """IGST Act s.16(1)(a), s.16(3), Rule 96A: 18 % of USD 1,000.41 is 180.0738; dollars have no round-off."""
    found = supply(None, country="US", lut=lut)
    assert (found.kind, found.place) == (SupplyKind.export, "96")
    assert figures(bill("1000.41", to=found, currency="USD")) == (taxes, "0.00", total)
    assert found.endorsement == f"Supply meant for export {words}"


def test_reverse_charge() -> None:
    """CGST Act s.9(3), Rule 46(p): the recipient pays; the document asks for no tax and says so."""
    found = supply("29", gstin="29AAGCB7383J1Z4", reverse_charge=True)
    assert figures(bill("1000.00", to=found)) == ({}, "0.00", "1000.00")
    assert found.borne == (("CGST", 2), ("SGST", 2))
    assert found.endorsement == "Tax is payable by the recipient on reverse charge"
    assert figures(bill("1000.00", to=found.as_borne))[0] == {"CGST": "90.00", "SGST": "90.00"}


def test_reverse_charge_does_not_touch_what_is_zero_rated() -> None:
    """IGST Act s.16: a Special Economic Zone under the letter of undertaking, an export."""
    assert supply("29", sez=True, lut=True, reverse_charge=True).borne == ()
    assert supply(None, country="US", lut=True, reverse_charge=True).borne == ()


def test_exempt_recipient() -> None:
    """CGST Act s.11(1), Rule 49: no tax, the notification is cited."""
    found = supply("29", exempt="Notification 12/2017, entry 66", reverse_charge=True)
    assert (found.taxes, found.borne, found.exempt) == ((), (), True)
    assert found.endorsement == "Exempt from tax: Notification 12/2017, entry 66"


def test_another_countrys_tax_by_its_rate() -> None:
    """Indonesia, PMK 48/2020: PPN of 11 % collected from Rp 1.000.001; whole rupiah are paid."""
    found = supply(None, country="ID", lut=True, abroad=Abroad("ID", "PPN"))
    assert (found.taxes, found.jurisdiction) == ((("PPN", 1),), "ID")
    assert figures(bill("1000001.00", to=found, currency="IDR", rate="11")) == (
        {"PPN": "110000.11"},
        "-0.11",
        "1110001.00",
    )


def test_two_countries_do_not_tax_one_supply() -> None:
    """Without a letter of undertaking India asks for IGST as well (IGST Act s.16(3)(b)): a person decides."""
    with pytest.raises(RuleBroken) as refused:
        supply(None, country="ID", abroad=Abroad("ID", "PPN"))
    assert (refused.value.pointer, refused.value.code) == ("/country", "two_taxes")


@pytest.mark.parametrize(
    ("state", "taxable", "taxes"),
    [
        ("29", "1000.00", {"CGST": "90.00", "SGST": "90.00"}),
        ("27", "1000.00", {"IGST": "180.00"}),
    ],
)
def test_an_inclusive_amount(state: str, taxable: str, taxes: dict[str, str]) -> None:
    """CGST Rule 35: 1,180 × 18 / 118 = 180."""
    totals = bill("1180.00", to=supply(state), inclusive=True)
    assert (str(totals.subtotal), *figures(totals)) == (taxable, taxes, "0.00", "1180.00")


def test_an_inclusive_amount_that_does_not_divide() -> None:
    """CGST Rule 35: 999 × 9 / 118 = 76.194… → 76.19 twice, 999 × 18 / 118 = 152.389… → 152.39."""
    inside, outside = (bill("999.00", to=supply(state), inclusive=True) for state in ("29", "27"))
    assert (str(inside.subtotal), *figures(inside)) == (
        "846.62",
        {"CGST": "76.19", "SGST": "76.19"},
        "0.00",
        "999.00",
    )
    assert (str(outside.subtotal), *figures(outside)) == ("846.61", {"IGST": "152.39"}, "0.00", "999.00")


def test_three_paise_at_18_percent() -> None:
    """CGST Act s.170 for each tax: 0.03 × 18 % = 0.0054 → 0.01, but 0.03 × 9 % = 0.0027 → 0.00, twice."""
    assert figures(bill("0.03", to=supply("27")))[0] == {"IGST": "0.01"}
    assert figures(bill("0.03", to=supply("29")))[0] == {"CGST": "0.00", "SGST": "0.00"}


def test_halves_round_otherwise_than_the_whole() -> None:
    """CGST Act s.170: 0.50 × 9 % = 0.045 → 0.05 twice, 0.10; 0.50 × 18 % = 0.09."""
    assert figures(bill("0.50", to=supply("29")))[0] == {"CGST": "0.05", "SGST": "0.05"}
    assert figures(bill("0.50", to=supply("27")))[0] == {"IGST": "0.09"}


@pytest.mark.parametrize(
    ("total", "rest"), [("118.49", "-0.49"), ("118.50", "0.50"), ("118.51", "0.49"), ("118.00", "0.00")]
)
def test_round_off_to_the_rupee(total: str, rest: str) -> None:
    """CGST Act s.170: fifty paise and more are a rupee, less is ignored."""
    assert str(round_off(Decimal(total), "INR")) == rest


@pytest.mark.parametrize(
    ("instant", "on", "number"),
    [
        (datetime(2027, 3, 31, 18, 29, 59, tzinfo=UTC), date(2027, 3, 31), "INV/26-27/000001"),
        (datetime(2027, 3, 31, 18, 30, tzinfo=UTC), date(2027, 4, 1), "INV/27-28/000001"),
    ],
)
def test_the_financial_year_turns_at_midnight_in_india(instant: datetime, on: date, number: str) -> None:
    """CGST Rule 46(b), unique for a financial year; midnight of 31 March in India is 18:30 UTC."""
    assert ist_date(instant) == on
    assert format_number("INV", financial_year(ist_date(instant)), 1) == number


@pytest.mark.parametrize(
    ("gstin", "state"),
    [
        ("27AAPFU0939F1ZV", "27"),
        ("29AAGCB7383J1Z4", "29"),
        ("07AAACT2727Q1ZR", None),
        ("24AAACC1206D1ZM", "24"),
        ("33AAACH7409R1Z8", "33"),
    ],
)
def test_gstins_and_their_check_characters(gstin: str, state: str | None) -> None:
    """CGST Rule 10, base 36 with weights 1 and 2: the last character follows from the others."""
    assert (check_character(gstin) == gstin[-1]) is (state is not None)
    assert is_valid(gstin) is (state is not None)
    assert state is None or state_of(gstin) == state


def test_every_slip_in_one_character_of_a_gstin_is_found() -> None:
    """CGST Rule 10: the check character is there for slips of the pen."""
    right = "27AAPFU0939F1ZV"
    for place, was in enumerate(right):
        for slip in "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ".replace(was, ""):
            assert not is_valid(right[:place] + slip + right[place + 1 :])


@pytest.mark.parametrize(
    "gstin", ["", "27AAPFU0939F1Z", "96AAPFU0939F1ZV", "40AAPFU0939F1ZV", "27AAPFU0939F0ZV"]
)
def test_what_is_no_gstin(gstin: str) -> None:
    """CGST Rule 10: fifteen characters, a State of the table, an entity from 1 on."""
    assert not is_valid(gstin)
