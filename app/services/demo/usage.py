"""What the demonstration's customers sent: one-time passwords with the rhythm of days and weeks.

The same account and day give the same events for ever, so that loading again adds nothing. An event stands
for many messages by its `quantity`.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from app.services.demo.customers import Buyer
from app.services.demo.timeline import Timeline

SEED = 7
SECONDS_IN_HOUR = 3_600
SATURDAY = 5
# When people sign in: an hour of the local day, and its percent of the day's messages.
HOURS = ((10, 34), (15, 25), (20, 41))
# The percent of messages by each channel.
CHANNELS = (("sms", 58), ("whatsapp", 32), ("email", 10))
WEEKEND_PERCENT = 72
GROWTH_PER_MILLE_A_DAY = 3
NOISE_PERCENT = 12


def of_day(buyer: Buyer, on: date, timeline: Timeline) -> list[dict[str, Any]]:
    """Return the raw events of an account on one of its local days, those of the future left out."""
    made = _whole_day(buyer, on, (on - timeline.first_on).days)
    return [event for event in made if datetime.fromisoformat(event["timestamp"]) < timeline.until]


def _whole_day(buyer: Buyer, on: date, age_days: int) -> Iterator[dict[str, Any]]:
    chance = Random(f"{SEED}:{buyer.key}:{on}")
    level = _percent(buyer.daily * (1_000 + GROWTH_PER_MILLE_A_DAY * age_days) // 1_000, _noise(chance))
    if on.weekday() >= SATURDAY:
        level = _percent(level, WEEKEND_PERCENT)
    for hour, hour_percent in HOURS:
        local = datetime.combine(on, time(hour), ZoneInfo(buyer.timezone))
        at = (local + timedelta(seconds=chance.randrange(SECONDS_IN_HOUR))).astimezone(UTC)
        for channel, channel_percent in CHANNELS:
            quantity = _percent(_percent(_percent(level, hour_percent), channel_percent), _noise(chance))
            if quantity:
                yield {
                    "event_id": f"demo-{on:%y%m%d}-{hour:02}-{channel}",
                    "account_id": buyer.external_id,
                    "metric": "auth.otp",
                    "timestamp": at.isoformat(),
                    "quantity": str(quantity),
                    "properties": {"channel": channel, "country": buyer.country},
                }


def _noise(chance: Random) -> int:
    """Return a percentage around 100."""
    return chance.randint(100 - NOISE_PERCENT, 100 + NOISE_PERCENT)


def _percent(amount: int, percent: int) -> int:
    return (amount * percent + 50) // 100
