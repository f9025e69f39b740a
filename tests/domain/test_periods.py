"""Billing periods of local days, through every kind of midnight."""

from datetime import UTC, date, datetime, timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import RuleBroken
from app.domain.periods import (
    INTERVALS,
    Cycle,
    add_months,
    bucket_start,
    calendar_month,
    day_start,
    local_date,
    period_containing,
    periods_between,
    zone,
)

KOLKATA = "Asia/Kolkata"
# Offsets of whole, half and quarter hours, both hemispheres, changes of clock at midnight, and the date line.
ZONES = (
    "UTC", "Asia/Kolkata", "Asia/Kathmandu", "Asia/Jakarta", "Asia/Tokyo", "Asia/Beirut", "Asia/Gaza",
    "Asia/Tehran",
    "Asia/Dhaka", "Asia/Dubai", "Asia/Singapore", "Asia/Shanghai", "Asia/Kabul", "Asia/Yangon", "Asia/Amman",
    "America/New_York", "America/Los_Angeles", "America/Chicago", "America/Santiago", "America/Asuncion",
    "America/Havana", "America/Sao_Paulo", "America/St_Johns", "America/Nuuk", "America/Caracas",
    "Europe/London", "Europe/Berlin", "Europe/Moscow", "Africa/Cairo", "Africa/Casablanca",
    "Africa/Johannesburg",
    "Africa/Lagos", "Atlantic/Azores", "Australia/Sydney", "Australia/Lord_Howe", "Australia/Eucla",
    "Pacific/Auckland", "Pacific/Chatham", "Pacific/Apia", "Pacific/Kiritimati",
)  # fmt: skip


# From 1990 to 2040, to the microsecond.
instants = st.integers(631_152_000_000_000, 2_208_988_800_000_000).map(
    lambda micros: datetime.fromtimestamp(0, UTC) + timedelta(microseconds=micros)
)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone_name", "last_of_october", "first_of_november"),
    [
        (KOLKATA, "2026-10-31T18:29:59.999999", "2026-10-31T18:30:00"),
        ("Asia/Kathmandu", "2026-10-31T18:14:59.999999", "2026-10-31T18:15:00"),
    ],
)
def test_a_month_changes_at_local_midnight(
    zone_name: str, last_of_october: str, first_of_november: str
) -> None:
    """Issue 3: an event at 18:29:59.999999Z and one at 18:30:00Z fall into different months for
    Asia/Kolkata."""
    cycle = Cycle("month", zone_name)
    assert period_containing(utc(last_of_october), cycle).start_on == date(2026, 10, 1)
    assert period_containing(utc(first_of_november), cycle).start_on == date(2026, 11, 1)
    assert period_containing(utc(first_of_november), cycle).start == utc(first_of_november)


@pytest.mark.parametrize(
    ("zone_name", "on", "start"),
    [
        # Clocks go from 23:59 to 01:00: midnight does not exist.
        ("America/Sao_Paulo", date(2018, 11, 4), "2018-11-04T03:00:00"),
        ("Asia/Beirut", date(2025, 3, 30), "2025-03-29T22:00:00"),
        # From 01:00 back to 00:00: midnight exists twice, the first counts.
        ("America/Havana", date(2025, 11, 2), "2025-11-02T04:00:00"),
        # From 00:01 back to 23:01: the day begins, ends and begins again; the first minute counts.
        ("America/St_Johns", date(2010, 11, 7), "2010-11-07T02:30:00"),
        # 30 December 2011 did not exist: it begins and ends where the 31st begins.
        ("Pacific/Apia", date(2011, 12, 30), "2011-12-30T10:00:00"),
        ("Pacific/Apia", date(2011, 12, 31), "2011-12-30T10:00:00"),
        # From 23:30 to 00:30: midnight lies inside the jump.
        ("America/Toronto", date(1919, 3, 31), "1919-03-31T04:30:00"),
    ],
)
def test_a_day_starts_at_its_first_instant_whatever_the_clocks_do(
    zone_name: str, on: date, start: str
) -> None:
    assert day_start(on, zone_name) == utc(start)
    assert local_date(utc(start), zone_name) == (date(2011, 12, 31) if zone_name == "Pacific/Apia" else on)
    assert local_date(utc(start) - timedelta(microseconds=1), zone_name) < on


def test_a_day_that_ends_and_begins_again_stays_one_day() -> None:
    """St. John's, 7 November 2010: 00:00 is reached at 02:30Z, left at 02:31Z for 23:01 and reached again at
    03:30Z."""
    assert local_date(utc("2010-11-07T03:00:00"), "America/St_Johns") == date(2010, 11, 7)
    assert utc("2010-11-07T03:00:00").astimezone(ZoneInfo("America/St_Johns")).date() == date(2010, 11, 6)


def test_the_31st_comes_back_after_short_months() -> None:
    cycle = Cycle("month", KOLKATA, date(2027, 1, 31))
    starts = [cycle.start_on(index) for index in range(14)]
    assert starts[:5] == [
        date(2027, 1, 31),
        date(2027, 2, 28),
        date(2027, 3, 31),
        date(2027, 4, 30),
        date(2027, 5, 31),
    ]
    assert starts[12:] == [date(2028, 1, 31), date(2028, 2, 29)]


@pytest.mark.parametrize(
    ("interval", "anchor", "starts"),
    [
        ("week", None, ["2026-10-26", "2026-11-02"]),
        ("week", date(2026, 10, 1), ["2026-10-29", "2026-11-05"]),
        ("month", None, ["2026-11-01", "2026-12-01"]),
        ("month", date(2025, 8, 31), ["2026-10-31", "2026-11-30"]),
        ("quarter", None, ["2026-10-01", "2027-01-01"]),
        ("quarter", date(2025, 11, 30), ["2026-08-30", "2026-11-30"]),
        ("year", None, ["2026-01-01", "2027-01-01"]),
        ("year", date(2024, 2, 29), ["2026-02-28", "2027-02-28"]),
        ("year", date(2020, 4, 1), ["2026-04-01", "2027-04-01"]),
    ],
)
def test_the_period_of_the_first_of_november_by_interval_and_anchor(
    interval: str, anchor: date | None, starts: list[str]
) -> None:
    period = period_containing(utc("2026-11-01T06:00:00"), Cycle(interval, KOLKATA, anchor))
    assert [period.start_on.isoformat(), period.end_on.isoformat()] == starts


def test_a_period_before_the_anchor_follows_the_same_cycle() -> None:
    cycle = Cycle("month", KOLKATA, date(2026, 10, 31))
    assert period_containing(utc("2026-03-01T00:00:00"), cycle).start_on == date(2026, 2, 28)


def test_a_period_knows_its_days_and_its_instants() -> None:
    october = calendar_month("2026-10", KOLKATA)
    assert (october.start, october.end) == (utc("2026-09-30T18:30:00"), utc("2026-10-31T18:30:00"))
    assert (october.days, october.last_on) == (31, date(2026, 10, 31))
    assert october.start in october
    assert october.end not in october


def test_the_periods_between_two_instants_are_those_that_overlap_them() -> None:
    cycle = Cycle("month", "UTC")
    found = periods_between(utc("2026-01-31T23:59:59"), utc("2026-04-01T00:00:00"), cycle)
    assert [period.start_on.month for period in found] == [1, 2, 3]
    assert list(periods_between(utc("2026-01-01T00:00:00"), utc("2026-01-01T00:00:00"), cycle)) == []


@pytest.mark.parametrize("anchor_day", [*range(1, 32), None])
def test_every_zone_and_anchor_cuts_nine_years_without_gap_or_overlap(anchor_day: int | None) -> None:
    """Issue 4: 40 zones × 31 anchors × the years 2024 to 2032, every border exact to the microsecond."""
    step = timedelta(microseconds=1)
    for zone_name in ZONES:
        cycle = Cycle("month", zone_name, date(2024, 1, anchor_day) if anchor_day else None)
        first = cycle.index_of(utc("2024-01-31T12:00:00"))
        periods = [cycle.period(index) for index in range(first, first + 108)]
        for before, after in pairwise(periods):
            assert before.end == after.start
            assert cycle.index_of(after.start) == cycle.index_of(after.start - step) + 1
        assert [period.start_on.day for period in periods] == [
            min(anchor_day or 1, add_months(date(2024, 1, 31), month).day) for month in range(108)
        ]
    assert len(set(ZONES)) == 40


@given(
    instants,
    st.sampled_from(ZONES),
    st.sampled_from(INTERVALS),
    st.none() | st.dates(date(2000, 1, 1), date(2030, 12, 31)),
)
def test_every_instant_is_in_the_period_that_contains_it(
    instant: datetime, zone_name: str, interval: str, anchor: date | None
) -> None:
    period = period_containing(instant, Cycle(interval, zone_name, anchor))
    assert instant in period
    assert period.start_on <= local_date(instant, zone_name) < period.end_on
    assert day_start(local_date(instant, zone_name), zone_name) <= instant


@given(instants, st.sampled_from(ZONES))
def test_a_bucket_of_a_quarter_hour_never_straddles_a_local_day(instant: datetime, zone_name: str) -> None:
    start = bucket_start(instant)
    assert start <= instant < start + timedelta(minutes=15)
    assert (start.minute % 15, start.second, start.microsecond) == (0, 0, 0)
    if instant.year >= 2012:  # St. John's changed clocks at one minute past midnight until 2011
        assert local_date(start, zone_name) == local_date(instant, zone_name)


def test_a_bucket_is_of_utc_whatever_the_offset() -> None:
    nepal = timezone(timedelta(hours=5, minutes=45))
    assert bucket_start(datetime(2026, 10, 31, 23, 59, 59, tzinfo=nepal)) == utc("2026-10-31T18:00:00")
    assert bucket_start(datetime(2026, 11, 1, 0, 0, tzinfo=nepal)) == utc("2026-10-31T18:15:00")


@pytest.mark.parametrize("name", ["", "Asia/Kolkatta", "../../etc/passwd", "Asia", "x\x00y"])
def test_an_unknown_zone_is_refused(name: str) -> None:
    with pytest.raises(RuleBroken) as refused:
        zone(name)
    assert (refused.value.pointer, refused.value.code) == ("/timezone", "unknown_timezone")


@pytest.mark.parametrize("text", ["2026-13", "2026-1", "October", "", "2026-10-01", None])
def test_a_month_is_written_as_year_and_month(text: str) -> None:
    with pytest.raises(RuleBroken) as refused:
        calendar_month(text, KOLKATA)
    assert (refused.value.pointer, refused.value.code) == ("/period", "not_a_month")


def test_an_unknown_interval_is_refused() -> None:
    with pytest.raises(RuleBroken, match="week, month, quarter, year"):
        Cycle("fortnight", KOLKATA)


def test_a_naive_instant_is_refused() -> None:
    naive = datetime(2026, 10, 31)  # noqa: DTZ001
    for ask in (
        lambda: bucket_start(naive),
        lambda: local_date(naive, KOLKATA),
        lambda: period_containing(naive, Cycle("month", KOLKATA)),
    ):
        with pytest.raises(ValueError, match="time zone"):
            ask()
