"""What kept answers are made from: the names that `app.services.cache` gives a new mark when it changes."""

from collections.abc import Iterable
from datetime import date, datetime
from uuid import UUID

from app.services import cache

METRICS = "metrics"
PLANS = "plans"

# How long an answer is kept at most, even if the word of a change was lost (specification 9.1.3).
USAGE_SECONDS = 300
PLAN_SECONDS = 3_600


def usage_of(account_id: UUID) -> str:
    """Return the name of the usage of an account."""
    return f"usage:{account_id}"


def usage_on(day: date) -> str:
    """Return the name of the usage of all accounts on a day of UTC."""
    return f"usage-on:{day}"


def usage_metered(buckets: Iterable[tuple[UUID, datetime]]) -> None:
    """Tell, once the open transaction has committed, that usage of these accounts and instants was rolled
    up."""
    given = set(buckets)
    names = {usage_of(account_id) for account_id, _ in given}
    cache.changed(names | {usage_on(bucket_at.date()) for _, bucket_at in given})
