"""Document numbers and the Indian financial year (CGST Rule 46(b))."""

import re
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import RuleBroken
from app.domain.numbering import FinancialYear, check_prefix, financial_year, format_number, ist_date


@pytest.mark.parametrize(
    ("on", "label", "short"),
    [
        (date(2026, 3, 31), "2025-26", "25-26"),
        (date(2026, 4, 1), "2026-27", "26-27"),
        (date(2026, 12, 31), "2026-27", "26-27"),
        (date(2100, 1, 1), "2099-00", "99-00"),
    ],
)
def test_the_financial_year_runs_from_april_to_march(on: date, label: str, short: str) -> None:
    year = financial_year(on)
    assert (year.label, year.short, str(year)) == (label, short, label)
    assert year.first_on <= on <= year.last_on


def test_the_year_changes_at_midnight_in_india() -> None:
    """31 March 18:29:59.999999Z is still 31 March in India; a microsecond later it is 1 April."""
    before, after = datetime(2026, 3, 31, 18, 29, 59, 999999, UTC), datetime(2026, 3, 31, 18, 30, tzinfo=UTC)
    assert (ist_date(before), ist_date(after)) == (date(2026, 3, 31), date(2026, 4, 1))
    assert financial_year(ist_date(before)).label == "2025-26"
    assert financial_year(ist_date(after)).label == "2026-27"
    with pytest.raises(ValueError, match="time zone"):
        ist_date(datetime(2026, 3, 31))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("prefix", "n", "number"),
    [
        ("INV", 42, "INV/26-27/000042"),
        ("CN", 1, "CN/26-27/000001"),
        ("INV", 999_999, "INV/26-27/999999"),
        ("C", 10_000_000, "C/26-27/10000000"),
        ("KA-RV", 9999, "KA-RV/26-27/9999"),
    ],
)
def test_a_number_names_series_year_and_counter(prefix: str, n: int, number: str) -> None:
    assert format_number(prefix, FinancialYear(2026), n) == number


@pytest.mark.parametrize(
    ("prefix", "n", "code"),
    [("INV", 1_000_000, "series_full"), ("KA-RV", 10_000, "series_full"), ("INV", 0, "too_small")],
)
def test_a_counter_that_does_not_fit_is_refused(prefix: str, n: int, code: str) -> None:
    with pytest.raises(RuleBroken) as refused:
        format_number(prefix, FinancialYear(2026), n)
    assert refused.value.code == code


@pytest.mark.parametrize("prefix", ["", "/A", "-A", "inv", "INVOIC", "A B", "É", "A\n"])
def test_a_prefix_that_numbers_may_not_start_with_is_refused(prefix: str) -> None:
    with pytest.raises(RuleBroken) as refused:
        check_prefix(prefix)
    assert (refused.value.pointer, refused.value.code) == ("/prefix", "bad_prefix")


@given(
    st.from_regex(r"[A-Z0-9][A-Z0-9/-]{0,4}", fullmatch=True),
    st.integers(2017, 2098).map(FinancialYear),
    st.integers(1, 9998),
)
def test_every_number_obeys_the_rule_and_the_next_one_sorts_after_it(
    prefix: str, year: FinancialYear, n: int
) -> None:
    number = format_number(prefix, year, n)
    assert re.fullmatch(r"[A-Z0-9][A-Z0-9/-]{0,15}", number)
    assert number.strip("0")
    assert number < format_number(prefix, year, n + 1)
