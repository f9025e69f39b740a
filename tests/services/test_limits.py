"""Buckets that processes share in Redis, leases of them, and what holds while Redis is away."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis

from app.domain.buckets import SECOND, WINDOWS, Limit
from app.embedded.processes import wait_until
from app.embedded.stores import Stores
from app.services.limits import Bucket, Limiter
from tests.support.machine import ROOT

HOUR = WINDOWS["h"]
# So slow that nothing flows in while a test runs.
SLOW = Bucket("slow:us", Limit.per(1, HOUR, burst=200), "tests")
FAST = Bucket("fast:us", Limit.per(1_000, SECOND), "tests")
NOWHERE = "redis://127.0.0.1:1/0"

SPENDER = """
import sys
from redis import Redis
from app.domain.buckets import WINDOWS, Limit
from app.services.limits import Bucket, Limiter
limiter = Limiter(lambda: redis)
with Redis.from_url(sys.argv[1]) as redis:
    bucket = Bucket("slow:us", Limit.per(1, WINDOWS["h"], burst=200), "tests")
    print(sum(not limiter.spend([bucket]).wait for _ in range(150)))
"""


class Clock:
    """A clock that is set by hand, in microseconds."""

    def __init__(self) -> None:
        self.now = 1_000 * SECOND

    def __call__(self) -> int:
        """Return the time."""
        return self.now


class Line:
    """The way to a Redis, counting how often it was taken."""

    def __init__(self, redis: Redis) -> None:
        self.redis, self.trips = redis, 0

    def __call__(self) -> Redis:
        """Return the Redis."""
        self.trips += 1
        return self.redis


@pytest.fixture
def clock() -> Clock:
    """The clock of the test."""
    return Clock()


@pytest.fixture
def line(redis: Redis) -> Line:
    """The way to this worker's Redis."""
    return Line(redis)


@pytest.fixture
def away() -> Iterator[Line]:
    """The way to a Redis that there is not."""
    with Redis.from_url(NOWHERE, socket_connect_timeout=0.25) as redis:
        yield Line(redis)


def passes(limiter: Limiter, *buckets: Bucket, times: int = 1) -> int:
    """Spend so many times and return how often that was allowed."""
    return sum(not limiter.spend(buckets).wait for _ in range(times))


def test_several_processes_share_a_bucket_to_the_token(redis: Redis, settings: object) -> None:
    command = (sys.executable, "-c", SPENDER, settings.redis_url)  # type: ignore[attr-defined]
    spenders = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(3)]

    spent = [int(spender.communicate(timeout=60)[0]) for spender in spenders]

    assert sum(spent) == 200
    assert [spender.returncode for spender in spenders] == [0, 0, 0]


def test_threads_share_a_bucket_to_the_token(line: Line) -> None:
    limiter = Limiter(line)
    with ThreadPoolExecutor(8) as threads:
        spent = list(threads.map(lambda _: passes(limiter, SLOW, times=40), range(8)))

    assert sum(spent) == 200


def test_a_request_is_told_the_tightest_bucket_and_what_is_left_in_it(line: Line) -> None:
    limiter = Limiter(line)
    wide = Bucket("wide:us", Limit.per(1, HOUR, burst=1_000), "tests")

    told = [limiter.spend([wide, SLOW]) for _ in range(2)]

    assert [(one.bucket, one.remaining, one.wait) for one in told] == [(SLOW, 199, 0), (SLOW, 198, 0)]


def test_a_request_is_told_when_the_bucket_is_full_and_how_long_to_wait(away: Line, clock: Clock) -> None:
    limiter = Limiter(away, clock)
    limit = Limit.per(2, HOUR, burst=3)

    told = [limiter.spend([Bucket("three:us", limit, "tests")]) for _ in range(4)]

    assert [(one.remaining, one.full_in, one.wait) for one in told] == [
        (2, 1_800, 0),
        (1, 3_600, 0),
        (0, 5_400, 0),
        (0, 5_400, 1_800),
    ]


def test_a_refused_request_takes_nothing_from_its_other_buckets(line: Line) -> None:
    limiter = Limiter(line)
    small = Bucket("small:us", Limit.per(1, HOUR, burst=2), "tests")

    assert passes(limiter, SLOW, small, times=10) == 2
    assert passes(Limiter(line), SLOW, small) == 0

    assert limiter.spend([SLOW]).remaining == 197


def test_a_refused_request_gives_back_what_it_held_of_a_lease(away: Line, clock: Clock) -> None:
    limiter = Limiter(away, clock)
    assert passes(limiter, FAST, times=10) == 10
    small = Bucket("small:us", Limit.per(1, HOUR, burst=1), "tests")
    assert passes(limiter, small) == 1

    assert limiter.spend([FAST, small]).bucket == small

    assert limiter.spend([FAST]).remaining == 60_000 - 11


def test_a_refused_request_asks_redis_at_most_once_a_second(line: Line, clock: Clock) -> None:
    limiter = Limiter(line, clock)
    assert passes(limiter, SLOW, times=200) == 200

    assert (passes(limiter, SLOW, times=50), line.trips) == (0, 200)
    clock.now += SECOND
    assert (passes(limiter, SLOW, times=50), line.trips) == (0, 201)


def test_a_fast_bucket_is_asked_for_more_and_more_at_once(line: Line, clock: Clock) -> None:
    limiter = Limiter(line, clock)

    assert passes(limiter, FAST, times=1_000) == 1_000

    # 1, 2, 4 … 64 tokens, and then 100 at a time.
    assert line.trips == 7 + 9


def test_an_unspent_lease_ends_after_a_second_and_the_next_is_small(line: Line, clock: Clock) -> None:
    limiter = Limiter(line, clock)
    passes(limiter, FAST, times=130)
    assert line.trips == 8

    clock.now += SECOND
    passes(limiter, FAST, times=3)

    assert line.trips == 10


def test_a_bucket_refills_on_the_clock_of_redis(line: Line, redis: Redis) -> None:
    limit = Limit.per(1, HOUR, burst=5)
    seconds, micros = redis.time()
    two_hours_ago = seconds * SECOND + micros - 2 * HOUR
    redis.set("limit:rested:us", f"0 {two_hours_ago}")

    assert passes(Limiter(line), Bucket("rested:us", limit, "tests"), times=10) == 2


def test_a_bucket_is_forgotten_when_it_is_full_again(line: Line, redis: Redis) -> None:
    passes(Limiter(line), SLOW)

    [key] = redis.keys()
    units, at = redis.get(key).split()
    assert (key, int(units)) == (b"limit:slow:us", 199 * HOUR)
    assert redis.pexpiretime(key) - int(at) // 1_000 == 3_601_000


def test_a_flushed_redis_gives_full_buckets_and_no_error(line: Line, redis: Redis) -> None:
    limiter = Limiter(line)
    passes(limiter, SLOW, times=150)

    redis.flushdb()

    assert limiter.spend([SLOW]).remaining == 199


def test_without_redis_each_process_keeps_the_same_limits_by_itself(away: Line, clock: Clock) -> None:
    limiter = Limiter(away, clock)
    limit = Limit.per(2, SECOND, burst=6)
    bucket = Bucket("two:us", limit, "tests")

    assert passes(limiter, bucket, times=10) == 6
    clock.now += 499_999
    assert passes(limiter, bucket, times=10) == 0
    clock.now += 1
    assert passes(limiter, bucket, times=10) == 1
    clock.now += 60 * SECOND
    assert passes(limiter, bucket, times=10) == 6


def test_a_redis_that_is_away_is_tried_once_a_second_and_told_of_once(
    away: Line, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    limiter = Limiter(away, clock)

    for _ in range(3):
        passes(limiter, SLOW, times=20)
        clock.now += SECOND

    assert away.trips == 3
    told = [record for record in caplog.records if record.name == "app.services.limits"]
    assert [record.reason for record in told] == ["ConnectionError"] * 3


def test_a_forked_child_does_not_spend_its_parents_lease(line: Line, redis: Redis) -> None:
    limiter = Limiter(line)
    passes(limiter, FAST, times=130)
    trips = line.trips

    if (child := os.fork()) == 0:
        passes(limiter, FAST)
        os._exit(line.trips - trips)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
    passes(limiter, FAST)
    assert line.trips == trips


@pytest.mark.processes
def test_redis_killed_and_started_again_costs_nobody_an_error(own_redis: Stores, clock: Clock) -> None:
    [server] = own_redis.children
    with Redis.from_url(own_redis.redis_url, socket_timeout=0.25) as redis:
        limiter = Limiter(lambda: redis, clock)
        assert passes(limiter, SLOW, times=150) == 150

        os.kill(server.pid or 0, signal.SIGKILL)
        server.wait_stopped()
        # A full bucket of this process; the shared one is not to be seen.
        assert passes(limiter, SLOW, times=250) == 200

        server.start()
        assert wait_until(server.ready, patience_seconds=60)
        clock.now += 2 * SECOND
        redis.delete("limit:slow:us")
        assert passes(limiter, SLOW, times=250) == 200
        assert redis.exists("limit:slow:us")


@pytest.mark.processes
def test_a_redis_that_hangs_holds_up_one_request_a_second(own_redis: Stores, clock: Clock) -> None:
    [server] = own_redis.children
    assert server.pid is not None
    with Redis.from_url(own_redis.redis_url, socket_timeout=0.25) as redis:
        line = Line(redis)
        limiter = Limiter(line, clock)
        os.kill(server.pid, signal.SIGSTOP)
        try:
            with ThreadPoolExecutor(8) as threads:
                assert passes(limiter, SLOW, times=10) == 10
                clock.now += SECOND
                spent = list(threads.map(lambda _: passes(limiter, SLOW, times=10), range(8)))
        finally:
            os.kill(server.pid, signal.SIGCONT)

    assert (sum(spent), line.trips) == (80, 2)
