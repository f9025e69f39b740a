"""Parts of a period are exact fractions of its days, and money split by them adds up."""

from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from app.domain.money import quantize
from app.domain.periods import Cycle, Period, calendar_month
from app.domain.proration import segments, share, split
from tests.domain import calculator

OCTOBER = calendar_month("2026-10", "Asia/Kolkata")


def test_the_day_of_a_change_belongs_to_the_new_plan() -> None:
    """Changed on 11 October: 10 of 31 days old, 21 new."""
    old, new = segments(OCTOBER, [date(2026, 10, 11)])
    assert (old.start_on, old.end_on, old.share) == (date(2026, 10, 1), date(2026, 10, 11), Fraction(10, 31))
    assert (new.start_on, new.end_on, new.share) == (date(2026, 10, 11), date(2026, 11, 1), Fraction(21, 31))


def test_a_share_is_of_the_whole_period_and_days_outside_do_not_count() -> None:
    assert share(OCTOBER, date(2026, 9, 1), date(2026, 10, 2)) == Fraction(1, 31)
    assert share(OCTOBER, date(2026, 10, 31), date(2027, 1, 1)) == Fraction(1, 31)
    assert share(OCTOBER, date(2026, 11, 1), date(2026, 12, 1)) == 0
    assert share(OCTOBER, OCTOBER.start_on, OCTOBER.end_on) == 1


def test_a_change_on_a_border_or_named_twice_cuts_nothing() -> None:
    cuts = [date(2026, 10, 1), date(2026, 11, 1), date(2026, 12, 9), date(2026, 10, 11), date(2026, 10, 11)]
    assert len(segments(OCTOBER, cuts)) == 2


def test_a_fee_of_100_split_on_the_11th_of_october_is_32_26_and_67_74() -> None:
    """100 × 10/31 = 32.258…; the rest is 67.74, which the last segment takes."""
    assert split(Decimal(100), [Fraction(10, 31), Fraction(21, 31)], "INR") == (
        Decimal("32.26"),
        Decimal("67.74"),
    )
    assert split(Decimal(100), [Fraction(21, 31)], "INR") == (Decimal("67.74"),)
    assert split(Decimal("-0.5"), [Fraction(1)], "JPY") == (Decimal(-1),)


def test_a_small_amount_over_many_days_never_turns_negative_at_the_end() -> None:
    """Sixteen paise over 31 days: rounding each day by itself would charge 31 and take 15 back."""
    parts = split(Decimal("0.16"), [Fraction(1, 31)] * 31, "INR")
    assert set(parts) == {Decimal("0.00"), Decimal("0.01")}
    assert sum(parts) == Decimal("0.16")


@given(
    st.sampled_from(("week", "month", "quarter", "year")),
    st.sampled_from(("Asia/Kolkata", "Pacific/Apia", "Africa/Cairo", "America/Havana")),
    st.none() | st.dates(date(2020, 1, 1), date(2030, 1, 1)),
    st.integers(-50, 50),
    st.lists(st.integers(-5, 400), max_size=6),
    st.integers(-(10**9), 10**9).map(lambda minor: Decimal(minor).scaleb(-4)),
    st.sampled_from(("INR", "JPY", "KWD")),
)
def test_segments_add_up_to_the_whole_in_days_and_in_money(
    interval: str,
    zone_name: str,
    anchor: date | None,
    index: int,
    cuts: list[int],
    amount: Decimal,
    currency: str,
) -> None:
    period: Period = Cycle(interval, zone_name, anchor).period(index)
    parts = segments(period, [period.start_on + timedelta(days=cut) for cut in cuts])
    assert sum(part.share for part in parts) == 1
    assert [part.start_on for part in parts[1:]] == [part.end_on for part in parts[:-1]]
    money = split(amount, [part.share for part in parts], currency)
    assert sum(money) == quantize(amount, currency)
    unit = Fraction(quantize(Decimal(1), currency)) * Fraction(
        1, {"INR": 100, "JPY": 1, "KWD": 1000}[currency]
    )
    for one, part in zip(money, parts, strict=True):
        assert abs(Fraction(one) - Fraction(amount) * part.share) <= unit


@given(st.integers(-(10**6), 10**6), st.fractions(0, 1, max_denominator=366))
def test_a_single_part_is_rounded_half_up_as_the_calculator_rounds(minor: int, part: Fraction) -> None:
    amount = Decimal(minor).scaleb(-2)
    whole = Decimal(calculator.minor_units(Fraction(amount) * part, 2))
    assert split(amount, [part], "INR") == (whole.scaleb(-2),)
