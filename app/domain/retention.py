"""How long documents have to be kept."""

from datetime import date

# The annual return of a financial year is due on 31 December after it (CGST Act s.44); accounts and records
# are kept for 72 months from then (CGST Act s.36).
YEARS_AFTER_THE_RETURN = 6
APRIL = 4


def kept_until(issued_on: date) -> date:
    """Return the last day on which a document of India's tax law that was issued on a day has to be there.

    >>> kept_until(date(2027, 3, 31)), kept_until(date(2027, 4, 1))
    (datetime.date(2033, 12, 31), datetime.date(2034, 12, 31))
    """
    year_of_return = issued_on.year + (issued_on.month >= APRIL)
    return date(year_of_return + YEARS_AFTER_THE_RETURN, 12, 31)
