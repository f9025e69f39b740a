"""Documents are kept for 72 months from the due date of the annual return (CGST Act s.36)."""

from datetime import date

import pytest

from app.domain.retention import kept_until


@pytest.mark.parametrize(
    ("issued_on", "until"),
    [
        (date(2026, 4, 1), date(2033, 12, 31)),
        (date(2027, 3, 31), date(2033, 12, 31)),
        (date(2027, 4, 1), date(2034, 12, 31)),
    ],
)
def test_a_document_is_kept_until_six_years_after_the_return_of_its_year(issued_on, until):
    assert kept_until(issued_on) == until
