"""The figures of an invoice, its canonical snapshot, and what is still due."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import RuleBroken
from app.domain.invoicing import (
    Line,
    Totals,
    amount_due,
    assess,
    canonical_json,
    describe,
    line_amount,
    settlement,
    sha256_hex,
    unit_price,
)
from app.domain.periods import calendar_month
from app.domain.pricing import Usage, parse_terms, price
from app.domain.tax import place_of_supply
from tests.domain.random_invoices import adds_up

SAME = place_of_supply(seller_state="29", country="IN", state_code="29")
OTHER = place_of_supply(seller_state="29", country="IN", state_code="27")
EXPORT = place_of_supply(seller_state="29", country="US", state_code=None, lut=True)


def line(amount: str, rate: str = "18", inclusive: bool = False) -> Line:
    return Line("Messages", Decimal(amount), Decimal(rate), "998319", inclusive)


def figures(totals: Totals) -> list[str]:
    return [str(one) for one in (totals.subtotal, totals.tax_total, totals.round_off, totals.total)]


@pytest.mark.parametrize(
    ("amounts", "supply", "currency", "wanted"),
    [
        (["1000.00"], SAME, "INR", ["1000.00", "180.00", "0.00", "1180.00"]),
        (["1000.00"], OTHER, "INR", ["1000.00", "180.00", "0.00", "1180.00"]),
        (["85.16"], OTHER, "INR", ["85.16", "15.33", "-0.49", "100.00"]),
        (["85.17"], OTHER, "INR", ["85.17", "15.33", "0.50", "101.00"]),
        (["100.10"], EXPORT, "USD", ["100.10", "0.00", "0.00", "100.10"]),
        (["1234.56"], EXPORT, "IDR", ["1234.56", "0.00", "0.44", "1235.00"]),
        ([], SAME, "INR", ["0.00", "0.00", "0.00", "0.00"]),
    ],
)
def test_lines_and_taxes_and_round_off_make_the_total(
    amounts: list[str], supply: Any, currency: str, wanted: list[str]
) -> None:
    """85.16 × 18 % = 15.3288 → 15.33, 100.49 in all, rounded down by 0.49; with 85.17 it is 100.50, up by
    0.50."""
    totals = assess([line(amount) for amount in amounts], supply, currency)
    assert figures(totals) == wanted
    assert adds_up(totals)


def test_without_rounding_the_total_keeps_its_paise() -> None:
    assert figures(assess([line("85.16")], OTHER, "INR", rounded=False)) == [
        "85.16",
        "15.33",
        "0.00",
        "100.49",
    ]


def test_a_line_of_1180_including_tax_is_1000_and_180() -> None:
    totals = assess([line("1180", inclusive=True), line("0.03")], SAME, "INR")
    assert [str(one.taxable) for one in totals.lines] == ["1000.00", "0.03"]
    assert [(part.code, str(part.taxable), str(part.amount)) for part in totals.taxes] == [
        ("CGST", "1000.03", "90.00"),
        ("SGST", "1000.03", "90.00"),
    ]
    assert figures(totals) == ["1000.03", "180.00", "-0.03", "1180.00"]


def test_a_line_with_a_fraction_of_a_paisa_is_refused() -> None:
    with pytest.raises(RuleBroken) as refused:
        assess([line("1"), line("0.005")], SAME, "INR")
    assert (refused.value.pointer, refused.value.code) == ("/lines/1/amount", "too_many_decimals")


lines = st.builds(
    Line,
    description=st.just("x"),
    amount=st.integers(-(10**6), 10**8).map(lambda minor: Decimal(minor).scaleb(-2)),
    tax_rate=st.sampled_from(("0", "5", "18")).map(Decimal),
    sac=st.just("998319"),
    tax_inclusive=st.booleans(),
)


@given(st.lists(lines, max_size=10), st.sampled_from((SAME, OTHER, EXPORT)))
def test_any_document_adds_up_and_is_payable_in_whole_rupees(drafts: list[Line], supply: Any) -> None:
    totals = assess(drafts, supply, "INR")
    assert adds_up(totals)
    assert totals.total == totals.total.to_integral_value()
    assert abs(totals.round_off) <= Decimal("0.50")
    for taxed in totals.lines:
        if taxed.line.tax_inclusive:
            assert taxed.taxable + sum(part.amount for part in taxed.taxes) == taxed.line.amount


def test_a_manual_line_is_quantity_times_price_rounded_once() -> None:
    assert str(line_amount(Decimal("3.5"), Decimal("0.333"), "INR")) == "1.17"


@pytest.mark.parametrize(
    ("paid", "today", "status", "due"),
    [
        ("0", date(2026, 11, 15), "issued", "118.00"),
        ("0", date(2026, 11, 16), "overdue", "118.00"),
        ("18", date(2026, 11, 15), "partially_paid", "100.00"),
        ("18", date(2026, 11, 16), "overdue", "100.00"),
        ("118", date(2026, 12, 1), "paid", "0.00"),
        ("120", date(2026, 12, 1), "paid", "0.00"),
    ],
)
def test_payments_and_the_calendar_give_an_invoice_its_status(
    paid: str, today: date, status: str, due: str
) -> None:
    total = Decimal("118.00")
    assert settlement(total, Decimal(paid), due_on=date(2026, 11, 15), today=today) == status
    assert str(amount_due(total, Decimal(paid))) == due


def test_a_line_says_what_it_is_for_and_when() -> None:
    october = calendar_month("2026-10", "Asia/Kolkata")
    assert describe("SMS messages", october) == "SMS messages, 1 Oct 2026 to 31 Oct 2026"


@pytest.mark.parametrize(("units", "wanted"), [("5", Decimal("0.5")), ("101", None), ("0", None)])
def test_a_price_per_unit_is_shown_where_one_price_makes_the_charge(
    units: str, wanted: Decimal | None
) -> None:
    tiers = [{"up_to": "100", "unit": "0.5"}, {"up_to": None, "unit": "0.3"}]
    charge = price(parse_terms("graduated", {"tiers": tiers}), Usage(Decimal(units)), "INR")
    assert unit_price(charge) == wanted


def test_the_snapshot_has_one_spelling() -> None:
    at = datetime(2026, 10, 31, 18, 30, tzinfo=UTC)
    one = {
        "b": Decimal("1.50"),
        "a": [1, None, True, "₹ ü"],
        "at": at,
        "on": date(2026, 10, 31),
        "id": UUID(int=7),
    }
    other = {
        "id": UUID(int=7),
        "on": date(2026, 10, 31),
        "at": at.astimezone(timezone(timedelta(hours=9))),
        "a": (1, None, True, "₹ ü"),
        "b": Decimal("1.5000"),
    }
    assert canonical_json(one) == canonical_json(other)
    assert canonical_json(one).decode() == (
        '{"a":[1,null,true,"₹ ü"],"at":"2026-10-31T18:30:00.000000Z","b":"1.5",'
        '"id":"00000000-0000-0000-0000-000000000007","on":"2026-10-31"}'
    )
    assert sha256_hex(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize("value", [0.1, {"a": float("nan")}, {1: "x"}, b"x", {"s": {1, 2}}])
def test_what_has_no_canonical_spelling_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        canonical_json(value)
    with pytest.raises(ValueError, match="time zone"):
        canonical_json([datetime(2026, 1, 1)])  # noqa: DTZ001


@pytest.mark.parametrize(
    ("model", "terms"),
    [
        ("package", {"size": "10", "price": "1"}),
        ("per_unit", {"unit": "1", "free_units": "5"}),
        ("graduated", {"tiers": [{"up_to": None, "unit": "1", "flat": "2"}]}),
        ("flat", {"price": "1"}),
    ],
)
def test_no_price_per_unit_is_shown_that_times_the_quantity_is_not_the_amount(
    model: str, terms: dict[str, Any]
) -> None:
    assert unit_price(price(parse_terms(model, terms), Usage(Decimal(20)), "INR")) is None
