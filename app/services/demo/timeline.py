"""The time that the demonstration covers: two whole months and the one that is going on, by the days of India."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from app.domain.periods import ONE_DAY, add_months, day_start, local_date

ZONE = "Asia/Kolkata"
CLOSED_MONTHS = 2
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

    def days(self) -> Iterator[date]:
        """Yield the days in order."""
        for number in range(self.length):
            yield self.first_on + timedelta(days=number)

    def evening(self, on: date) -> datetime:
        """Return the end of a day, or the present where that is earlier."""
        return min(day_start(on + ONE_DAY, ZONE), self.until)
