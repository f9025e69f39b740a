"""Billing periods of local days, as half-open UTC instants.

A local day starts at the first instant whose wall clock shows that date or a later one; it ends where the
next starts. So the days of a zone cover time without gap or overlap also where clocks skip midnight, show it
twice, or skip a whole date.
"""

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from app.domain.errors import RuleBroken

BUCKET = timedelta(minutes=15)
ONE_DAY = timedelta(days=1)
MONTHS_IN = {"month": 1, "quarter": 3, "year": 12}
INTERVALS = ("week", "month", "quarter", "year")
_MONDAY = date(2001, 1, 1)


@lru_cache(maxsize=1024)
def zone(name: str, *, pointer: str = "/timezone") -> ZoneInfo:
    """Return the IANA zone of that name, such as `Asia/Kolkata`.

    Raises:
        RuleBroken: there is no such zone.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise RuleBroken(
            pointer, "unknown_timezone", f"{name!r} is not an IANA time zone such as Asia/Kolkata."
        ) from None


@lru_cache(maxsize=65536)
def day_start(on: date, zone_name: str) -> datetime:
    """Return the UTC instant at which the local day `on` starts in a zone.

    Where midnight exists twice it is the first one; where clocks jump over it, the instant of the jump.
    """
    local = zone(zone_name)
    midnight = datetime.combine(on, time(), local)
    instant = midnight.astimezone(UTC)
    if instant.astimezone(local).replace(tzinfo=None) == midnight.replace(tzinfo=None):
        return instant
    return _jump_over(midnight)


def _jump_over(midnight: datetime) -> datetime:
    """Return the second at which clocks leap over `midnight`, which no clock shows."""
    before = midnight.replace(fold=1).astimezone(UTC)
    after = midnight.astimezone(UTC)
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=int((after - before).total_seconds()) // 2)
        if middle.astimezone(midnight.tzinfo).date() >= midnight.date():
            after = middle
        else:
            before = middle
    return after


def local_date(instant: datetime, zone_name: str) -> date:
    """Return the local day that an aware instant falls on, consistent with `day_start` at every clock change.

    Raises:
        ValueError: the instant is naive.
    """
    _need_aware(instant)
    on = instant.astimezone(zone(zone_name)).date()
    return on + ONE_DAY if instant >= day_start(on + ONE_DAY, zone_name) else on


def bucket_start(instant: datetime) -> datetime:
    """Return the start of the 15-minute UTC bucket that holds an aware instant.

    Raises:
        ValueError: the instant is naive.
    """
    _need_aware(instant)
    at = instant.astimezone(UTC)
    return at.replace(minute=at.minute - at.minute % 15, second=0, microsecond=0)


def _need_aware(instant: datetime) -> None:
    if instant.tzinfo is None:
        raise ValueError("An instant needs a time zone.")


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """A billing period: local days `[start_on, end_on)`, which are the instants `[start, end)` in UTC."""

    start: datetime
    end: datetime
    start_on: date
    end_on: date

    @property
    def days(self) -> int:
        """The number of local days in the period."""
        return (self.end_on - self.start_on).days

    @property
    def last_on(self) -> date:
        """The last local day, as documents show it."""
        return self.end_on - ONE_DAY

    def __contains__(self, instant: datetime) -> bool:
        return self.start <= instant < self.end


@dataclass(frozen=True, slots=True)
class Cycle:
    """How time is cut for an account: an interval in a zone, from `anchor_on` or by the calendar (None).

    By the calendar weeks start on Monday, quarters in January, April, July and October, years on 1 January.
    An anchor on a day that a month lacks uses that month's last day and comes back: 31 Jan → 28 Feb → 31 Mar.
    """

    interval: str
    zone_name: str
    anchor_on: date | None = None

    def __post_init__(self) -> None:
        if self.interval not in INTERVALS:
            raise RuleBroken("/interval", "unknown_choice", f"Choose one of: {', '.join(INTERVALS)}.")
        zone(self.zone_name)

    def start_on(self, index: int) -> date:
        """Return the first local day of period `index`, counted from the anchor or the start of 2001."""
        anchor = self.anchor_on or _MONDAY
        if self.interval == "week":
            return anchor + timedelta(weeks=index)
        return add_months(anchor, index * MONTHS_IN[self.interval])

    def period(self, index: int) -> Period:
        """Return period `index`; period 0 starts on the anchor."""
        first, next_first = self.start_on(index), self.start_on(index + 1)
        return Period(
            day_start(first, self.zone_name), day_start(next_first, self.zone_name), first, next_first
        )

    def index_of(self, instant: datetime) -> int:
        """Return the index of the period that holds an aware instant."""
        on = local_date(instant, self.zone_name)
        anchor = self.anchor_on or _MONDAY
        if self.interval == "week":
            return (on - anchor).days // 7
        months = (on.year - anchor.year) * 12 + on.month - anchor.month
        index = months // MONTHS_IN[self.interval]
        return index if self.start_on(index) <= on else index - 1


def add_months(anchor: date, months: int) -> date:
    """Return the day `months` after `anchor`, on the month's last day where it is too short.

    >>> add_months(date(2026, 1, 31), 1), add_months(date(2026, 1, 31), 2)
    (datetime.date(2026, 2, 28), datetime.date(2026, 3, 31))
    """
    years, month = divmod(anchor.month - 1 + months, 12)
    year = anchor.year + years
    return date(year, month + 1, min(anchor.day, monthrange(year, month + 1)[1]))


def period_containing(instant: datetime, cycle: Cycle) -> Period:
    """Return the one period that holds an aware instant; a border belongs to what starts there.

    Raises:
        ValueError: the instant is naive.
    """
    return cycle.period(cycle.index_of(instant))


def periods_between(start: datetime, end: datetime, cycle: Cycle) -> Iterator[Period]:
    """Yield the whole periods of `cycle` that overlap the instants `[start, end)`, in order.

    Raises:
        ValueError: an instant is naive.
    """
    _need_aware(end)
    index = cycle.index_of(start)
    while start < end and (period := cycle.period(index)).start < end:
        yield period
        index += 1


def calendar_month(text: str, zone_name: str, *, pointer: str = "/period") -> Period:
    """Return the local calendar month that `2026-10` names.

    Raises:
        RuleBroken: not a year and a month, or an unknown zone.
    """
    try:
        first = date.fromisoformat(f"{text}-01")
    except (TypeError, ValueError):
        raise RuleBroken(pointer, "not_a_month", "Write a month as a year and a month: 2026-10.") from None
    after = add_months(first, 1)
    return Period(day_start(first, zone_name), day_start(after, zone_name), first, after)
