"""Money, quantities and times as people read them."""

import doctest
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from app import formatting
from app.formatting import (
    amount_in_words,
    format_date,
    format_instant,
    format_money,
    format_percent,
    format_quantity,
    format_unit_price,
)


def test_the_examples_in_the_docstrings_hold():
    assert doctest.testmod(formatting).failed == 0


@pytest.mark.parametrize(
    ("amount", "currency", "shown"),
    [
        ("1234567", "INR", "₹12,34,567.00"),
        ("0.005", "INR", "₹0.01"),
        ("0.025", "INR", "₹0.03"),
        ("-0.005", "INR", "-₹0.01"),
        ("-0.004", "INR", "₹0.00"),
        ("1234.56", "USD", "$1,234.56"),
        ("1234567.89", "IDR", "Rp 1.234.568"),
        ("0.5", "IDR", "Rp 1"),
        ("-2500", "IDR", "-Rp 2.500"),
        ("1234.5", "JPY", "¥1,235"),
        ("1234.5675", "KWD", "KWD 1,234.568"),
        ("123456789012345678.99", "INR", "₹1,23,45,67,89,01,23,45,678.99"),
    ],
)
def test_money_is_rounded_half_up_and_grouped_as_its_currency_is(amount, currency, shown):
    assert format_money(Decimal(amount), currency) == shown


def test_a_named_locale_decides_the_grouping():
    assert format_money("1234567", "INR", "en_US") == "₹1,234,567.00"


@pytest.mark.parametrize(
    ("amount", "currency", "shown"),
    [
        ("0.02", "INR", "₹0.02"),
        ("0.000000020000", "INR", "₹0.00000002"),
        ("1234567.1", "INR", "₹12,34,567.10"),
        ("0.0075", "USD", "$0.0075"),
        ("350.5", "IDR", "Rp 350,5"),
    ],
)
def test_a_unit_price_keeps_its_decimals(amount, currency, shown):
    assert format_unit_price(amount, currency) == shown


@pytest.mark.parametrize(
    ("quantity", "shown"),
    [
        ("0", "0"),
        ("0.000", "0"),
        ("1000000.000000", "10,00,000"),
        ("0.000000000001", "0.000000000001"),
        ("-12", "-12"),
    ],
)
def test_a_quantity_drops_trailing_zeros(quantity, shown):
    assert format_quantity(quantity) == shown


def test_a_percentage_drops_trailing_zeros():
    assert [format_percent(rate) for rate in ("18", "9.000", "0.25", "0", "100")] == [
        "18%",
        "9%",
        "0.25%",
        "0%",
        "100%",
    ]


def test_an_instant_is_shown_in_the_zone_of_its_reader():
    at = datetime(2026, 3, 31, 18, 30, tzinfo=UTC)
    assert format_instant(at, "Asia/Kolkata") == "1 Apr 2026, 00:00 IST"
    assert format_instant(at, "Asia/Jakarta") == "1 Apr 2026, 01:30 WIB"
    assert format_instant(at, "Asia/Kathmandu") == "1 Apr 2026, 00:15 UTC+0545"


def test_a_naive_instant_is_refused():
    with pytest.raises(ValueError, match="needs a time zone"):
        format_instant(datetime(2026, 3, 31), "Asia/Kolkata")  # noqa: DTZ001


def test_a_date_names_its_month():
    assert format_date(date(2026, 9, 5)) == "5 Sep 2026"


@pytest.mark.parametrize(
    ("amount", "currency", "words"),
    [
        ("0", "INR", "Rupees Zero Only"),
        ("100000", "INR", "Rupees One Lakh Only"),
        ("1180.01", "INR", "Rupees One Thousand One Hundred Eighty and One Paise Only"),
        ("25000000000", "INR", "Rupees Two Thousand Five Hundred Crore Only"),
        ("-5.50", "INR", "Minus Rupees Five and Fifty Paise Only"),
        ("1234.56", "USD", "US Dollars One Thousand Two Hundred Thirty-Four and Fifty-Six Cents Only"),
        (
            "1234567.4",
            "IDR",
            "Rupiah One Million Two Hundred Thirty-Four Thousand Five Hundred Sixty-Seven Only",
        ),
        ("2.050", "KWD", "Kuwaiti Dinars Two and 050/1000 Only"),
    ],
)
def test_an_amount_is_written_in_words(amount, currency, words):
    assert amount_in_words(amount, currency) == words
