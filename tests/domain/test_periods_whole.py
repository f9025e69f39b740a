"""Every zone, anchor and date of 2024 to 2032, by what the parts depend on.

A period's days depend on the anchor alone, and so do the shares of a plan changed on one of them; which day
an instant belongs to depends on the zone alone. So each is tried whole by itself: 31 anchors × 3,288 dates
and 40 zones × 3,288 dates. That the instants of periods fit together in every zone with every anchor is in
`test_periods.py`, and `make bench BENCH=periods` tries all four million combinations.
"""

from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest

from app.domain.periods import Cycle, day_start, local_date
from app.domain.proration import segments, split
from tests.domain.test_periods import ZONES

DAYS = [date(2024, 1, 1) + timedelta(n) for n in range(3_288)]
STEP = timedelta(microseconds=1)
FEE = Decimal("999.99")


def test_the_dates_are_those_of_nine_years() -> None:
    assert (DAYS[0], DAYS[-1]) == (date(2024, 1, 1), date(2032, 12, 31))


@pytest.mark.parametrize("zone_name", ZONES)
def test_every_date_begins_where_the_one_before_ends(zone_name: str) -> None:
    """To the microsecond; so every instant of nine years is in exactly one date."""
    for on, after in pairwise([*DAYS, date(2033, 1, 1)]):
        start, end = day_start(on, zone_name), day_start(after, zone_name)
        assert start < end
        assert local_date(start, zone_name) == local_date(end - STEP, zone_name) == on


@pytest.mark.parametrize("anchor", range(1, 32))
def test_a_plan_changed_on_any_date_splits_its_period_into_parts_that_add_up(anchor: int) -> None:
    cycle = Cycle("month", "UTC", date(2024, 1, anchor))
    for on in DAYS:
        period = cycle.period(cycle.index_of(day_start(on, "UTC")))
        assert period.start_on <= on < period.end_on
        parts = [part.share for part in segments(period, [on])]
        assert len(parts) == (1 if on == period.start_on else 2)
        assert sum(parts) == 1
        assert sum(split(FEE, parts, "INR")) == FEE


@pytest.mark.parametrize("zone_name", ZONES)
def test_the_days_of_a_period_are_the_same_in_every_zone(zone_name: str) -> None:
    for anchor in range(1, 32):
        first, here = date(2024, 1, anchor), Cycle("month", zone_name, date(2024, 1, anchor))
        everywhere = Cycle("month", "UTC", first)
        for index in range(-1, 109):
            assert here.start_on(index) == everywhere.start_on(index)
            assert here.period(index).days == everywhere.period(index).days
