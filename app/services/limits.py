"""Rate limits: token buckets that all processes share in Redis, and buckets of one's own while it is away.

A fast bucket is not asked for each token: a process takes a lease of several and spends them here. A lease
begins at one token, doubles while it is spent in time and ends after a second, so that hardly a token is
taken in vain. A slow bucket gives one token at a time and is exact.
"""

import logging
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha1
from threading import Lock
from typing import NamedTuple

from redis import Redis
from redis.exceptions import NoScriptError, RedisError

from app.domain.buckets import SECOND, Draw, Drawn, Level, Limit, draw

LEASE_LASTS = SECOND
# After a failure Redis is left alone this long, and then one request tries whether it is back.
PAUSE = SECOND
# A bucket known to be empty is not asked again before its next token, nor for longer than this.
EMPTY_AT_MOST = SECOND
MOST_REMEMBERED = 20_000

# `app.domain.buckets.draw` once more, where all processes meet. A bucket's key holds "units at", and goes
# when it would be full again.
LUA = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local found, none = {}, false
for i, key in ipairs(KEYS) do
  local bucket = {
    tokens = tonumber(ARGV[4 * i - 3]), window = tonumber(ARGV[4 * i - 2]),
    full = ARGV[4 * i - 1] * ARGV[4 * i - 2], wanted = tonumber(ARGV[4 * i]), at = now }
  bucket.units = bucket.full
  local units, at = string.match(redis.call('GET', key) or '', '(%d+) (%d+)')
  if units then
    bucket.at = math.max(now, tonumber(at))
    bucket.units = math.min(bucket.full, units + math.max(0, now - at) * bucket.tokens)
  end
  none = none or bucket.units < bucket.window
  found[i] = bucket
end
local answer = {}
for i, bucket in ipairs(found) do
  local granted = 0
  if not none then
    granted = math.min(bucket.wanted, math.floor(bucket.units / bucket.window))
    bucket.units = bucket.units - granted * bucket.window
    local lasts = math.ceil((bucket.full - bucket.units) / bucket.tokens / 1000) + 1000
    local kept = string.format('%.0f %.0f', bucket.units, bucket.at)
    redis.call('SET', KEYS[i], kept, 'PX', string.format('%.0f', lasts))
  end
  answer[2 * i - 1], answer[2 * i] = granted, bucket.units
end
return answer
"""
SHA = sha1(LUA.encode(), usedforsecurity=False).hexdigest()

log = logging.getLogger(__name__)


def microseconds() -> int:
    """Return the time of a clock that only goes forward."""
    return time.monotonic_ns() // 1_000


@dataclass(frozen=True, slots=True)
class Bucket:
    """One bucket: whose it is by its `key`, what it may by its `limit`, and `about` as a person reads it."""

    key: str
    limit: Limit
    about: str


class Standing(NamedTuple):
    """How a request fared: the bucket that is closest to empty, the tokens left in it, the seconds until it
    is full, and the seconds to wait: 0 for a request that may pass.
    """

    bucket: Bucket
    remaining: int
    full_in: int
    wait: int


@dataclass(slots=True)
class _Lease:
    """What this process holds of one bucket: `tokens` of a lease of `size`, good until `until`; and what is
    left where they came from: `units`, known to be less than a token until `empty_until`.
    """

    tokens: int = 0
    size: int = 0
    until: int = 0
    units: int = 0
    empty_until: int = 0


class Limiter:
    """The buckets of one process: leases of what `TokenStore` keeps. Any thread may call it."""

    def __init__(self, connect: Callable[[], Redis], clock: Callable[[], int] = microseconds) -> None:
        self._connect, self._clock = connect, clock
        self._begin()

    def spend(self, buckets: Sequence[Bucket]) -> Standing:
        """Take a token from each bucket, or from none where one is empty, and tell of the tightest.

        Never fails; one request a second at most waits for a Redis that does not answer.
        """
        if self._process != os.getpid():
            self._begin()
        with self._lock:
            now = self._clock()
            held = [(bucket, self._lease(bucket, now)) for bucket in buckets]
            if any(lease.empty_until > now for _, lease in held):
                return _standing(held, refused=True)
            short = [(bucket, lease) for bucket, lease in held if not lease.tokens]
            ready = [lease for _, lease in held if lease.tokens]
            for lease in ready:
                lease.tokens -= 1
            if not short:
                return _standing(held)
            wanted = [(bucket, min(bucket.limit.lease, max(1, 2 * lease.size))) for bucket, lease in short]
        drawn = self._store.draw(wanted)
        with self._lock:
            for (bucket, lease), given in zip(short, drawn, strict=True):
                _receive(lease, bucket.limit, given, now)
            refused = not drawn[0].granted
            for lease in ready if refused else ():
                lease.tokens += 1
            return _standing(held, refused=refused)

    def emptiness(self, buckets: Sequence[Bucket]) -> Standing | None:
        """Return how the first stands that this process knows to be empty; asks nobody, takes nothing."""
        for bucket in buckets:
            lease = self._leases.get(bucket.key)
            if lease is not None and lease.empty_until > self._clock():
                return _standing([(bucket, lease)], refused=True)
        return None

    def _begin(self) -> None:
        """Begin without leases: also in a forked child, which must not spend its parent's."""
        self._process, self._lock = os.getpid(), Lock()
        self._leases: dict[str, _Lease] = {}
        self._store = TokenStore(self._connect, self._clock)

    def _lease(self, bucket: Bucket, now: int) -> _Lease:
        lease = self._leases.get(bucket.key)
        if lease is None:
            if len(self._leases) >= MOST_REMEMBERED:
                self._leases = {key: one for key, one in self._leases.items() if one.until > now}
            lease = self._leases[bucket.key] = _Lease()
        elif lease.until <= now:
            lease.tokens = lease.size = 0
        return lease


def _receive(lease: _Lease, limit: Limit, given: Drawn, now: int) -> None:
    """Enter what was given; the request at hand has spent one token of it."""
    lease.units, lease.until = given.level.units, now + LEASE_LASTS
    if given.granted:
        lease.tokens, lease.size = lease.tokens + given.granted - 1, given.granted
    if not lease.tokens and lease.units < limit.window:
        lease.empty_until = now + min(EMPTY_AT_MOST, -(-(limit.window - lease.units) // limit.tokens))


def _standing(held: Sequence[tuple[Bucket, _Lease]], *, refused: bool = False) -> Standing:
    bucket, lease = min(held, key=lambda one: _left(*one) / one[0].limit.capacity)
    limit, left = bucket.limit, _left(bucket, lease)
    full_in = limit.seconds_for(limit.full - lease.units - lease.tokens * limit.window)
    wait = max(1, limit.seconds_for(limit.window - lease.units)) if refused else 0
    return Standing(bucket, left, full_in, wait)


def _left(bucket: Bucket, lease: _Lease) -> int:
    return lease.tokens + lease.units // bucket.limit.window


class TokenStore:
    """Where tokens come from: Redis, and buckets of the same size in this process while Redis is away."""

    def __init__(self, connect: Callable[[], Redis], clock: Callable[[], int]) -> None:
        self._connect, self._clock = connect, clock
        self._lock = Lock()
        self._local: dict[str, Level] = {}
        self._shut_until = 0

    def draw(self, wanted: Sequence[tuple[Bucket, int]]) -> list[Drawn]:
        """Return what each bucket gave: from all up to what is wanted of it, or from none."""
        if self._is_open():
            try:
                drawn = self._draw_shared(wanted)
            except RedisError as error:
                self._shut_until = self._clock() + PAUSE
                log.warning("Redis is away, limits are kept here", extra={"reason": type(error).__name__})
            else:
                self._shut_until = 0
                return drawn
        return self._draw_locally(wanted)

    def _is_open(self) -> bool:
        """Tell whether to ask Redis; after a pause one request tries, while the others go on without."""
        with self._lock:
            now = self._clock()
            if self._shut_until > now:
                return False
            if self._shut_until:
                self._shut_until = now + PAUSE
            return True

    def _draw_shared(self, wanted: Sequence[tuple[Bucket, int]]) -> list[Drawn]:
        redis = self._connect()
        asked: list[str | int] = [f"limit:{bucket.key}" for bucket, _ in wanted]
        for bucket, tokens in wanted:
            asked += [bucket.limit.tokens, bucket.limit.window, bucket.limit.capacity, tokens]
        try:
            told = redis.evalsha(SHA, len(wanted), *asked)
        except NoScriptError:
            told = redis.eval(LUA, len(wanted), *asked)
        return [Drawn(told[i], Level(told[i + 1], at=0)) for i in range(0, len(told), 2)]

    def _draw_locally(self, wanted: Sequence[tuple[Bucket, int]]) -> list[Drawn]:
        with self._lock:
            now = self._clock()
            if len(self._local) >= MOST_REMEMBERED:
                self._local.clear()
            draws = [Draw(bucket.limit, self._local.get(bucket.key), tokens) for bucket, tokens in wanted]
            drawn = draw(draws, now)
            for (bucket, _), given in zip(wanted, drawn, strict=True):
                self._local[bucket.key] = given.level
            return drawn
