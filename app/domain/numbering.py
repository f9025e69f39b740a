"""Document numbers by CGST Rule 46(b): consecutive, unique within a financial year, at most 16
of A–Z 0–9 - /."""

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone

from app.domain.errors import RuleBroken

IST = timezone(timedelta(hours=5, minutes=30), "IST")
LONGEST_NUMBER = 16
FIRST_MONTH = 4
PADDED_TO = 6
_PREFIX = re.compile(r"[A-Z0-9](?:[A-Z0-9/-]{0,4})", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class FinancialYear:
    """An Indian financial year, 1 April to 31 March, by the year it starts in."""

    starts: int

    @property
    def label(self) -> str:
        """`2026-27`, as returns and the IRN write it."""
        return f"{self.starts}-{(self.starts + 1) % 100:02d}"

    @property
    def short(self) -> str:
        """`26-27`, as document numbers write it."""
        return self.label[2:]

    @property
    def first_on(self) -> date:
        """1 April."""
        return date(self.starts, FIRST_MONTH, 1)

    @property
    def last_on(self) -> date:
        """31 March of the next year."""
        return date(self.starts + 1, FIRST_MONTH, 1) - timedelta(days=1)

    def __str__(self) -> str:
        return self.label


def financial_year(on: date) -> FinancialYear:
    """Return the Indian financial year of a day (in IST)."""
    day = on.date() if isinstance(on, datetime) else on
    return FinancialYear(day.year if day.month >= FIRST_MONTH else day.year - 1)


def ist_date(instant: datetime) -> date:
    """Return the day in India of an aware instant: 31 March 18:30 UTC is 1 April.

    Raises:
        ValueError: the instant is naive.
    """
    if instant.tzinfo is None:
        raise ValueError("An instant needs a time zone.")
    return instant.astimezone(IST).date()


def check_prefix(prefix: str, *, pointer: str = "/prefix") -> str:
    """Return a series prefix such as `INV` if numbers may start with it.

    Raises:
        RuleBroken: not 1 to 5 of A–Z 0–9 - /, or starting with - or /.
    """
    if not _PREFIX.fullmatch(prefix):
        raise RuleBroken(
            pointer,
            "bad_prefix",
            "A prefix is 1 to 5 of A-Z, 0-9, - and /, and starts with a letter or digit.",
        )
    return prefix


def format_number(prefix: str, year: FinancialYear, n: int) -> str:
    """Return the n-th number of a series: `INV/26-27/000042`, at most 16 characters.

    The counter is padded with zeros to six digits, or to what the prefix leaves room for.

    Raises:
        RuleBroken: a bad prefix, `n` below 1, or a counter that no longer fits.
    """
    head = f"{check_prefix(prefix)}/{year.short}/"
    room = LONGEST_NUMBER - len(head)
    if n < 1:
        raise RuleBroken("/number", "too_small", "Numbers start at 1.")
    if len(str(n)) > room:
        raise RuleBroken(
            "/number", "series_full", f"The series {head} has no number left: {n} does not fit 16 characters."
        )
    return f"{head}{n:0{min(PADDED_TO, room)}d}"
