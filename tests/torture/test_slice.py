"""A slice of `make torture`, and the window in which granian gives up."""

from collections import Counter
from pathlib import Path
from random import randrange

import pytest

from app.embedded.processes import wait_until
from tests.torture.fire import furnish, kill_web, look, torture, wait_drained
from tests.torture.house import House
from tests.torture.senders import Crowd

pytestmark = pytest.mark.processes

SLICE = {"web": 3, "workers": 3, "postgres": 1, "redis": 1}


def test_every_confirmed_event_counts_exactly_once_whatever_is_killed(place: Path) -> None:
    report = torture(place, SLICE, seed=randrange(10**6))
    assert report.ok, report.as_json()
    assert report.injuries == SLICE


def test_a_web_server_that_gives_up_comes_back_and_no_confirmed_event_is_lost(place: Path) -> None:
    """Granian ends when a worker that it has just started anew dies; the supervisor starts it again."""
    house = House(place / "var")
    try:
        house.start()
        crowd = Crowd.start(house.port, furnish(house), seed=1)
        try:
            assert wait_until(lambda: crowd.confirmed >= 20, patience_seconds=60)
            assert wait_until(lambda: gives_up(house), patience_seconds=60)
            before = crowd.confirmed
            assert wait_until(lambda: crowd.confirmed > before, patience_seconds=60)
        finally:
            history = crowd.stop()
        report = look(house, history, Counter(web=2), 1, 0.0, wait_drained(house))
    finally:
        house.stop()
    assert report.ok, report.as_json()


def gives_up(house: House) -> bool:
    """Kill whatever answers requests; tell whether the web server has had enough of it."""
    kill_web(house)
    return "web ended (" in house.said()
