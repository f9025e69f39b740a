"""The time that the demonstration covers: two whole months and the one that is going on, in India's days."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from app.domain.periods import ONE_DAY, add_months, day_start, local_date

ZONE = "Asia/Kolkata"
CLOSED_MONTHS = 2
DAYS_TOGETHER = 3
QUARTER = timedelta(minutes=15)
# Bills are made on the evening of a month's first day, when it has begun in every time zone.
BILLED_AFTER = timedelta(hours=20)


@dataclass(frozen=True, slots=True)
class Timeline:
    """The local days from `first_on` up to and with that of the present instant `until`."""

    first_on: date
    until: datetime

    @classmethod
    def ending(cls, at: datetime) -> "Timeline":
        """Return the timeline that ends at `at`."""
        return cls(add_months(local_date(at, ZONE).replace(day=1), -CLOSED_MONTHS), at)

    @property
    def length(self) -> int:
        """The number of days."""
        return (local_date(self.until, ZONE) - self.first_on).days + 1

    def steps(self) -> Iterator[list[date]]:
        """Yield the days in order: a few of a closed month together, each of the present month alone."""
        present = local_date(self.until, ZONE).replace(day=1)
        together: list[date] = []
        for number in range(self.length):
            on = self.first_on + timedelta(days=number)
            together.append(on)
            if len(together) == DAYS_TOGETHER or on >= present or (on + ONE_DAY).day == 1:
                yield together
                together = []

    def evening(self, on: date) -> datetime:
        """Return the last quarter of an hour of a day, or the present where that is earlier."""
        return min(day_start(on + ONE_DAY, ZONE) - QUARTER, self.until)
