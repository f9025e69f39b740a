"""Exact amounts: one rounding, half up away from zero, and refusals that say what is wrong."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import MixedCurrencies, RuleBroken
from app.domain.money import (
    CURRENCIES,
    Money,
    add_up,
    parse_amount,
    parse_decimal,
    parse_money,
    payable_quantum,
    plain,
    quantize,
    quantize_payable,
    zero,
)


@pytest.mark.parametrize(
    ("amount", "currency", "rounded"),
    [
        ("0.005", "INR", "0.01"),
        ("-0.005", "INR", "-0.01"),
        ("0.0049999999999999999999999999999999999999", "INR", "0.00"),
        ("2.345", "USD", "2.35"),
        ("0.5", "JPY", "1"),
        ("-1.5", "JPY", "-2"),
        ("1.0005", "KWD", "1.001"),
        ("1234.565", "IDR", "1234.57"),
        ("-0.001", "INR", "0.00"),
    ],
)
def test_an_amount_rounds_half_up_away_from_zero_to_its_currency(
    amount: str, currency: str, rounded: str
) -> None:
    assert str(quantize(Decimal(amount), currency)) == rounded


def test_the_exponents_are_those_of_the_specification() -> None:
    wanted = {"INR": 2, "USD": 2, "IDR": 2, "JPY": 0, "KWD": 3}
    assert {currency: CURRENCIES[currency] for currency in wanted} == wanted


@pytest.mark.parametrize(
    ("currency", "quantum"), [("INR", "0.01"), ("IDR", "1"), ("JPY", "1"), ("KWD", "0.001")]
)
def test_rupiah_are_paid_whole_though_stored_with_two_decimals(currency: str, quantum: str) -> None:
    assert payable_quantum(currency) == Decimal(quantum)
    assert str(quantize_payable(Decimal("1234.50"), "IDR")) == "1235.00"


def test_ten_times_a_tenth_is_one() -> None:
    assert add_up([Decimal("0.1")] * 10, "INR") == Decimal(1)
    assert str(add_up([], "KWD")) == "0.000"


def test_money_of_two_currencies_is_never_added_or_compared() -> None:
    rupees, dollars = Money(Decimal(1), "INR"), Money(Decimal(1), "USD")
    for mix in (
        lambda: rupees + dollars,
        lambda: rupees - dollars,
        lambda: rupees < dollars,
        lambda: rupees <= dollars,
    ):
        with pytest.raises(MixedCurrencies) as refused:
            mix()
        assert (refused.value.code, refused.value.left, refused.value.right) == (
            "currency_mismatch",
            "INR",
            "USD",
        )


def test_money_adds_subtracts_and_rounds() -> None:
    sum_ = Money(Decimal("0.333"), "INR") + Money(Decimal("0.333"), "INR")
    assert sum_ == Money(Decimal("0.666"), "INR")
    assert sum_.rounded() == Money(Decimal("0.67"), "INR")
    assert sum_ - Money(Decimal(1), "INR") == -Money(Decimal("0.334"), "INR")
    assert str(sum_) == "0.666 INR"
    assert Money(Decimal(1), "INR") < Money(Decimal(2), "INR") <= Money(Decimal("2.00"), "INR")


def test_money_is_made_of_a_decimal_and_a_known_currency() -> None:
    with pytest.raises(TypeError, match="Decimal, not int"):
        Money(1, "INR")  # type: ignore[arg-type]
    with pytest.raises(RuleBroken, match="'XXX' is not a currency"):
        Money(Decimal(1), "XXX")


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("118.00", "118.00"),
        (118, "118"),
        (Decimal("0.1"), "0.1"),
        ("-5", "-5"),
        (".5", "0.5"),
        ("1e3", "1000"),
        ("+1", "1"),
    ],
)
def test_strings_ints_and_decimals_are_read_exactly(written: object, value: str) -> None:
    assert parse_decimal(written, pointer="/x") == Decimal(value)


@pytest.mark.parametrize(
    "written",
    [
        True, False, None, 0.1, float("nan"), "NaN", "sNaN", "Infinity", "-inf", "", " 1", "1 ", "1_000",
        "1,5",
        "0x10", "१२", "1e400", "--1", ".", "1" * 65, [], {}, Decimal("NaN"), Decimal("Infinity"),
    ],
)  # fmt: skip
def test_what_is_no_exact_number_is_refused(written: object) -> None:
    with pytest.raises(RuleBroken) as refused:
        parse_decimal(written, pointer="/lines/0/quantity")
    assert (refused.value.code, refused.value.pointer) == ("not_a_number", "/lines/0/quantity")


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("0.0000000000001", "too_many_decimals"),
        ("1e-13", "too_many_decimals"),
        ("1000000000000001", "too_large"),
        (2**63, "too_large"),
        ("-1e16", "too_large"),
        ("1e99", "too_large"),
        ("0.9", "too_small"),
    ],
)
def test_a_number_outside_its_limits_is_refused(written: object, code: str) -> None:
    with pytest.raises(RuleBroken) as refused:
        parse_decimal(written, pointer="/x", minimum=Decimal(1))
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("written", "currency", "code"),
    [
        ("0.001", "INR", "too_many_decimals"),
        ("1.000", "INR", "too_many_decimals"),
        ("1.5", "JPY", "too_many_decimals"),
        ("0.0001", "KWD", "too_many_decimals"),
        ("0", "INR", "not_positive"),
        ("-1", "INR", "not_positive"),
        ("1000000000000000.01", "INR", "too_large"),
        ("1", "XXX", "unknown_currency"),
        ("1", None, "unknown_currency"),
        ("1", ["INR"], "unknown_currency"),
    ],
)
def test_an_amount_that_its_currency_cannot_hold_is_refused(written: str, currency: str, code: str) -> None:
    with pytest.raises(RuleBroken) as refused:
        parse_amount(written, currency, pointer="/amount")
    assert refused.value.code == code


def test_an_amount_gets_the_decimals_of_its_currency() -> None:
    assert str(parse_amount("118", "INR", pointer="/amount")) == "118.00"
    assert str(parse_amount(0, "KWD", pointer="/amount", allow_zero=True)) == "0.000"
    assert str(parse_amount("-2.5", "USD", pointer="/amount", allow_negative=True)) == "-2.50"


def test_an_amount_may_come_as_money_of_the_same_currency() -> None:
    assert str(parse_amount(Money(Decimal(118), "INR"), "INR", pointer="/a")) == "118.00"
    with pytest.raises(MixedCurrencies) as refused:
        parse_amount(Money(Decimal(118), "USD"), "INR", pointer="/a")
    assert (refused.value.pointer, refused.value.code) == ("/a", "currency_mismatch")


def test_money_on_the_wire_has_exactly_an_amount_and_a_currency() -> None:
    assert parse_money({"amount": "118", "currency": "INR"}, pointer="/limit") == Money(
        Decimal("118.00"), "INR"
    )
    for wire in (None, "118", {"amount": "1"}, {"amount": "1", "currency": "INR", "x": 1}):
        with pytest.raises(RuleBroken) as refused:
            parse_money(wire, pointer="/limit")
        assert (refused.value.code, refused.value.pointer) == ("not_money", "/limit")
    with pytest.raises(RuleBroken) as refused:
        parse_money({"amount": "0.001", "currency": "INR"}, pointer="/limit")
    assert (refused.value.code, refused.value.pointer) == ("too_many_decimals", "/limit/amount")


@given(st.decimals(allow_nan=False, allow_infinity=False, places=12, min_value=-(10**15), max_value=10**15))
def test_the_plain_spelling_keeps_the_value_and_is_the_same_for_equal_values(value: Decimal) -> None:
    assert Decimal(plain(value)) == value
    assert plain(value) == plain(value.normalize()) == plain(value + Decimal("0.000"))


@given(st.integers(-(10**20), 10**20), st.sampled_from(sorted(CURRENCIES)))
def test_rounding_is_off_by_at_most_half_a_unit_and_keeps_the_sign_symmetric(
    minor: int, currency: str
) -> None:
    value = Decimal(minor).scaleb(-5)
    rounded = quantize(value, currency)
    assert abs(rounded - value) * 2 <= Decimal(1).scaleb(-CURRENCIES[currency])
    assert rounded + quantize(-value, currency) == zero(currency)
