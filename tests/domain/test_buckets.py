"""Token buckets: exact to the token, whatever the rate and however time is cut into pieces."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.buckets import DEFAULTS, SECOND, WINDOWS, Draw, Level, Limit, draw, read_limits

ODD = Limit.per(7, WINDOWS["min"], burst=5)

limits = st.builds(
    Limit.per, st.integers(1, 5_000), st.sampled_from(sorted(WINDOWS.values())), st.integers(1, 50_000)
)


def take(limit: Limit, level: Level | None, wanted: int, now: int) -> tuple[int, Level]:
    [drawn] = draw([Draw(limit, level, wanted)], now)
    return drawn.granted, drawn.level


def test_a_new_bucket_gives_its_burst_and_then_a_token_for_each_interval() -> None:
    limit = Limit.per(2, SECOND, burst=3)

    given_at = []
    level = None
    for now in (0, 0, 0, 0, 499_999, 500_000, 500_000, 1_000_000):
        granted, level = take(limit, level, 1, now)
        given_at.append(granted)

    assert given_at == [1, 1, 1, 0, 0, 1, 0, 1]


def test_a_bucket_that_rested_holds_its_burst_and_no_more() -> None:
    granted, level = take(ODD, Level(0, at=0), 100, now=3_600 * SECOND)

    assert (granted, level.units) == (5, 0)


def test_a_clock_that_goes_back_refills_nothing_and_owes_nothing() -> None:
    granted, level = take(ODD, Level(ODD.window, at=100 * SECOND), 1, now=0)

    assert (granted, level) == (1, Level(0, at=100 * SECOND))


def test_none_gives_where_one_has_nothing() -> None:
    drawn = draw([Draw(ODD, None, 1), Draw(ODD, Level(ODD.window - 1, at=0), 1)], now=0)

    assert [given.granted for given in drawn] == [0, 0]
    assert [given.level.units for given in drawn] == [ODD.full, ODD.window - 1]


def test_a_bucket_gives_what_it_has_where_more_is_wanted() -> None:
    granted, level = take(ODD, Level(3 * ODD.window + 1, at=0), 100, now=0)

    assert (granted, level.units) == (3, 1)


@given(limits, st.lists(st.integers(0, 10 * SECOND), max_size=20))
def test_time_in_pieces_refills_exactly_as_much_as_in_one(limit: Limit, pauses: list[int]) -> None:
    level = Level(0, at=0)
    for now in (sum(pauses[: count + 1]) for count in range(len(pauses))):
        _, level = take(limit, level, 0, now)

    assert take(limit, level, 0, sum(pauses))[1] == take(limit, Level(0, at=0), 0, sum(pauses))[1]


@given(limits, st.lists(st.tuples(st.integers(0, 5 * SECOND), st.integers(0, 100)), max_size=30))
def test_nobody_gets_more_than_the_burst_and_what_has_flowed_in_since(
    limit: Limit, calls: list[tuple[int, int]]
) -> None:
    level, now, total = None, 0, 0
    for pause, wanted in calls:
        now += pause
        granted, level = take(limit, level, wanted, now)
        total += granted

        assert granted <= wanted
        assert total <= limit.capacity + now * limit.tokens // limit.window
        assert 0 <= level.units <= limit.full


@given(st.integers(1, 5_000), st.lists(st.integers(0, SECOND), max_size=30))
def test_who_takes_all_at_every_moment_gets_the_rate_to_the_token(tokens: int, pauses: list[int]) -> None:
    limit = Limit.per(tokens, SECOND)
    level, now, total = Level(0, at=0), 0, 0
    for pause in pauses:
        now += pause
        granted, level = take(limit, level, limit.capacity, now)
        total += granted

    assert total == now * tokens // SECOND


def test_a_lease_is_a_tenth_of_a_seconds_worth_and_one_token_of_slow_buckets() -> None:
    leases = {name: limit.lease for name, limit in DEFAULTS.items()}

    assert leases == {
        "ip": 1,
        "caller": 16,
        "events": 100,
        "invoices": 1,
        "pricing": 1,
        "wallets": 1,
        "webhooks": 10,
    }


def test_the_figures_are_those_of_the_specification_with_two_windows_of_burst() -> None:
    figures = {name: (one.tokens, one.window // SECOND, one.capacity) for name, one in DEFAULTS.items()}

    assert figures == {
        "ip": (1_000, 60, 2_000),
        "caller": (10_000, 60, 20_000),
        "events": (1_000, 1, 60_000),
        "invoices": (100, 60, 200),
        "pricing": (100, 60, 200),
        "wallets": (500, 60, 1_000),
        "webhooks": (6_000, 60, 12_000),
    }


@pytest.mark.parametrize(
    ("units", "seconds"), [(0, 0), (-5, 0), (1, 1), (7 * SECOND, 1), (7 * SECOND + 1, 2)]
)
def test_seconds_to_wait_are_rounded_up(units: int, seconds: int) -> None:
    assert ODD.seconds_for(units) == seconds


def test_settings_change_single_limits() -> None:
    found = read_limits(" events=5/s:9  invoices=20/h ip=off ")

    assert found == {
        **{name: limit for name, limit in DEFAULTS.items() if name != "ip"},
        "events": Limit(5, SECOND, 9),
        "invoices": Limit(20, 3_600 * SECOND, 40),
    }
    assert read_limits("") == DEFAULTS
    assert read_limits("off") == {}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("events", "write 'events' as NAME=100/min, NAME=100/s:500 or NAME=off"),
        ("events=1000", "write 'events=1000' as NAME=100/min, NAME=100/s:500 or NAME=off"),
        ("events=-1/s", "write 'events=-1/s' as NAME=100/min, NAME=100/s:500 or NAME=off"),
        ("events=5/day", "write 'events=5/day' as NAME=100/min, NAME=100/s:500 or NAME=off"),
        (
            "orders=5/s",
            "there is no limit 'orders'; choose of ip, caller, events, invoices, pricing, wallets, webhooks",
        ),
        ("ip=5/s ip=6/s", "ip stands twice"),
        ("ip=0/s", "'ip=0/s' is 0 or more than can be counted"),
        ("ip=5/s:0", "'ip=5/s:0' is 0 or more than can be counted"),
        ("ip=999999999/h", "'ip=999999999/h' is 0 or more than can be counted"),
    ],
)
def test_a_limit_that_cannot_be_read_is_refused_and_told(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(problem)}$"):
        read_limits(text)
