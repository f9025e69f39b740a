"""Token buckets: a bucket holds some tokens, refills steadily, and each request takes one.

Time is whole microseconds of any clock. What is in a bucket is counted in units; a token is as many of them
as its window has microseconds. So a bucket gains `tokens` units with each microsecond, and every rate is
exact in whole numbers.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

SECOND = 1_000_000
WINDOWS = {"s": SECOND, "min": 60 * SECOND, "h": 3_600 * SECOND}
WINDOW_NAMES = {SECOND: "second", 60 * SECOND: "minute", 3_600 * SECOND: "hour"}
# Lua, which counts the shared buckets, is exact up to here.
MOST_UNITS = 2**52
# What one lease may hold: this much of what the bucket gains.
LEASED = SECOND // 10

_WRITTEN = re.compile(r"([a-z]+)=(?:(off)|([0-9]{1,9})/(s|min|h)(?::([0-9]{1,9}))?)")


@dataclass(frozen=True, slots=True)
class Limit:
    """What a bucket gains, `tokens` in `window` microseconds, and the most that it holds: its burst."""

    tokens: int
    window: int
    capacity: int

    @classmethod
    def per(cls, tokens: int, window: int, burst: int | None = None) -> "Limit":
        """Return the limit with this burst: by default two windows' worth, or a minute's if more."""
        windows = max(2, WINDOWS["min"] // window)
        return cls(tokens, window, tokens * windows if burst is None else burst)

    @property
    def full(self) -> int:
        """The units of a full bucket."""
        return self.capacity * self.window

    @property
    def lease(self) -> int:
        """The most tokens that one process takes at once: a tenth of a second's worth, and at least one."""
        return max(1, self.tokens * LEASED // self.window)

    def seconds_for(self, units: int) -> int:
        """Return in how many seconds, rounded up, a bucket gains `units`."""
        return -(-max(0, units) // (self.tokens * SECOND))

    def __str__(self) -> str:
        return f"{self.tokens:,} a {WINDOW_NAMES[self.window]}, {self.capacity:,} at once"


@dataclass(frozen=True, slots=True)
class Level:
    """What was in a bucket at an instant: `units`, at `at` microseconds."""

    units: int
    at: int


@dataclass(frozen=True, slots=True)
class Draw:
    """What is asked of one bucket: up to `wanted` tokens. A bucket never seen has no `level` and is full."""

    limit: Limit
    level: Level | None
    wanted: int


@dataclass(frozen=True, slots=True)
class Drawn:
    """What one bucket gave, and what is left in it."""

    granted: int
    level: Level


def draw(draws: Sequence[Draw], now: int) -> list[Drawn]:
    """Take from all buckets at the instant `now`, or from none where one of them has not a whole token.

    Each gives what it has, up to what is wanted of it. A clock that went back refills nothing.

    >>> limit = Limit.per(2, WINDOWS["s"], burst=3)
    >>> [given] = draw([Draw(limit, Level(0, at=0), wanted=5)], now=1_000_000)
    >>> given.granted, given.level.units
    (2, 0)
    """
    levels = [_refilled(entry, now) for entry in draws]
    if any(level.units < entry.limit.window for entry, level in zip(draws, levels, strict=True)):
        return [Drawn(0, level) for level in levels]
    found = []
    for entry, level in zip(draws, levels, strict=True):
        granted = min(entry.wanted, level.units // entry.limit.window)
        found.append(Drawn(granted, Level(level.units - granted * entry.limit.window, level.at)))
    return found


def _refilled(entry: Draw, now: int) -> Level:
    if entry.level is None:
        return Level(entry.limit.full, now)
    gained = max(0, now - entry.level.at) * entry.limit.tokens
    return Level(min(entry.limit.full, entry.level.units + gained), max(now, entry.level.at))


# Specification 3.3.4 (per address, per key) and 5.3.2 (per resource); `webhooks` is ours.
DEFAULTS = {
    "ip": Limit.per(1_000, WINDOWS["min"]),
    "caller": Limit.per(10_000, WINDOWS["min"]),
    "events": Limit.per(1_000, WINDOWS["s"]),
    "invoices": Limit.per(100, WINDOWS["min"]),
    "pricing": Limit.per(100, WINDOWS["min"]),
    "wallets": Limit.per(500, WINDOWS["min"]),
    "webhooks": Limit.per(6_000, WINDOWS["min"]),
}


def read_limits(text: str) -> dict[str, Limit]:
    """Return the limits as `text` changes `DEFAULTS`: `off` for none at all, or words such as
    `invoices=100/min`, `events=1000/s:60000` (with its burst) and `ip=off`, separated by spaces.

    Raises:
        ValueError: a word cannot be read, names no limit, or stands twice; a figure cannot be kept.
    """
    if text.strip() == "off":
        return {}
    limits, told = dict(DEFAULTS), set()
    for word in text.split():
        match = _WRITTEN.fullmatch(word)
        if match is None:
            raise ValueError(f"write {word!r} as NAME=100/min, NAME=100/s:500 or NAME=off")
        name, off, tokens, window, burst = match.groups()
        if name not in DEFAULTS:
            raise ValueError(f"there is no limit {name!r}; choose of {', '.join(DEFAULTS)}")
        if name in told:
            raise ValueError(f"{name} stands twice")
        told.add(name)
        if off:
            del limits[name]
            continue
        limits[name] = Limit.per(int(tokens), WINDOWS[window], None if burst is None else int(burst))
        if limits[name].tokens < 1 or limits[name].capacity < 1 or limits[name].full > MOST_UNITS:
            raise ValueError(f"{word!r} is 0 or more than can be counted")
    return limits
