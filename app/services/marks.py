"""What kept answers are made from: the names that `app.services.cache` gives a new mark when it changes."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from app.services import cache

METRICS = "metrics"

# So that new usage touches one local day and seldom two, wherever midnight is.
SPAN = timedelta(hours=3)

# How long an answer is kept at most, even if the word of a change was lost (specification 9.1.3).
USAGE_SECONDS = 300


def usage_of(account_id: UUID) -> str:
    """Return the name of the usage of an account."""
    return f"usage:{account_id}"


def usage_at(at: datetime) -> str:
    """Return the name of the usage of all accounts in the three hours of UTC around an instant."""
    at = at.astimezone(UTC)
    return f"usage-at:{at:%Y-%m-%dT}{at.hour // 3 * 3:02}"


def usage_between(start: datetime, end: datetime) -> list[str]:
    """Return the names of the usage of all accounts in `[start, end)`."""
    names = [usage_at(start)]
    while (start := start + SPAN) < end:
        names.append(usage_at(start))
    last = usage_at(end - timedelta.resolution)
    return names if names[-1] == last else [*names, last]


def usage_metered(buckets: Iterable[tuple[UUID, datetime]]) -> None:
    """Tell, once the open transaction has committed, that usage of these accounts and instants was rolled
    up."""
    given = set(buckets)
    names = {usage_of(account_id) for account_id, _ in given}
    cache.changed(names | {usage_at(bucket_at) for _, bucket_at in given})
