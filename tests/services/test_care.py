"""The months of usage events that come next are there before anything is written into them."""

from datetime import UTC, datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.services import care

YEAR_END = datetime(2031, 11, 30, 23, 59, tzinfo=UTC)


def test_partitions_reach_three_months_ahead_over_the_end_of_the_year(session: Session) -> None:
    assert care.ensure_partitions(YEAR_END) == [
        "usage_events_2031_09",
        "usage_events_2031_10",
        "usage_events_2031_11",
        "usage_events_2031_12",
        "usage_events_2032_01",
        "usage_events_2032_02",
    ]
    attached = text(
        "SELECT count(*) FROM pg_inherits WHERE inhparent = 'usage_events'::regclass"
        " AND inhrelid::regclass::text ~ '_203[12]_'"
    )
    assert session.scalar(attached) == 6


def test_making_them_again_changes_nothing(session: Session) -> None:
    assert care.ensure_partitions(YEAR_END) == care.ensure_partitions(YEAR_END)
