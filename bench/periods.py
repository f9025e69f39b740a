"""Every day of 2024 to 2032 in 40 zones and with 31 anchors: `make bench BENCH=periods` prints one line of
JSON.

Four million cases, none left out: the day falls into one period, which the days before and after it lie in or
border on; a plan changed on that day splits the period in two shares that add up to exactly 1, and a fee in
two amounts that add up to it. It fails at the first that does not. (`tests/domain/test_periods_whole.py`
proves the same in seconds, by what the parts depend on.)
"""

import argparse
import json
import os
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise

from app.domain.periods import Cycle, day_start, period_containing
from app.domain.proration import segments, split
from tests.domain.test_periods import ZONES

FEE = Decimal("999.99")
DAYS = [date(2024, 1, 1) + timedelta(n) for n in range((date(2033, 1, 1) - date(2024, 1, 1)).days)]


def check(zone_name: str, anchors: range, days: list[date]) -> int:
    """Return how many days were tried in a zone."""
    tried = 0
    for anchor in anchors:
        cycle = Cycle("month", zone_name, date(2024, 1, anchor))
        found = [period_containing(day_start(on, zone_name), cycle) for on in days]
        for before, after in pairwise(found):
            assert before == after or before.end == after.start, (zone_name, anchor, before, after)
        for on, period in zip(days, found, strict=True):
            assert period.start <= day_start(on, zone_name) < period.end, (zone_name, anchor, on)
            assert period.start_on <= on < period.end_on, (zone_name, anchor, on)
            parts = [part.share for part in segments(period, [on])]
            assert sum(parts) == 1, (zone_name, anchor, on)
            assert sum(split(FEE, parts, "INR")) == FEE, (zone_name, anchor, on)
            tried += 1
    return tried


def main() -> None:
    """Try all and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--zones", type=int, default=len(ZONES), help="only the first so many")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    asked = parser.parse_args()
    begun, zones = time.perf_counter(), ZONES[: asked.zones]
    with ProcessPoolExecutor(asked.processes) as pool:
        tried = sum(pool.map(check, zones, [range(1, 32)] * len(zones), [DAYS] * len(zones)))
    seconds = round(time.perf_counter() - begun, 1)
    print(
        json.dumps(
            {"zones": len(zones), "anchors": 31, "days": len(DAYS), "tried": tried, "seconds": seconds}
        )
    )


if __name__ == "__main__":
    main()
