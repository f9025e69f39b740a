"""What a process remembers of accounts and metrics, on a database of its own."""

import threading
from collections.abc import Iterable

import psycopg
import pytest

from app.db import transaction
from app.embedded.processes import wait_until
from app.services import event_names
from app.services.event_names import Names, look_up
from tests import factories
from tests.support.own import OwnDatabase


class Clock:
    """A monotonic clock that the test moves."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def monotonic(self) -> float:
        """Return the seconds."""
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    moved = Clock()
    monkeypatch.setattr(event_names, "time", moved)
    return moved


def test_names_are_remembered_a_new_one_is_found_at_once_and_a_change_within_five_seconds(
    own_database: OwnDatabase, clock: Clock
) -> None:
    with own_database.app():
        with transaction():
            acme = factories.make_account(external_id="acme")
            metric = factories.make_metric("auth.otp")
        names = look_up({"acme", str(acme.id), "nobody"}, {"auth.otp"})
        assert names.accounts == {"acme": acme.id, str(acme.id): acme.id}
        assert names.metrics["auth.otp"].id == metric.id

        clock.seconds += event_names.RENEWED_SECONDS - 0.1
        assert look_up({"acme"}, {"auth.otp"}) is names

        with transaction():
            globex = factories.make_account(external_id="globex")
            factories.make_metric("bytes")
        assert look_up({"acme", "globex"}, {"bytes"}).accounts["globex"] == globex.id

        with transaction():
            acme.external_id = "acme-2"
            metric.active = False
        clock.seconds += event_names.REMEMBERED_SECONDS
        names = look_up({"acme"}, {"auth.otp"})
        assert "acme" not in names.accounts
        assert not names.metrics["auth.otp"].active


def test_names_are_looked_up_again_behind_the_requests(own_database: OwnDatabase, clock: Clock) -> None:
    with own_database.app():
        with transaction():
            acme = factories.make_account(external_id="acme")
            factories.make_metric("auth.otp")
        remembered = look_up({"acme"}, {"auth.otp"})
        with transaction():
            acme.external_id = "acme-2"
        clock.seconds += event_names.RENEWED_SECONDS
        assert look_up({"acme"}, {"auth.otp"}) is remembered
        assert wait_until(lambda: "acme" not in look_up({"acme"}, {"auth.otp"}).accounts, patience_seconds=10)


def test_a_database_that_is_away_is_told_when_all_is_forgotten_and_not_before(
    own_database: OwnDatabase, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with own_database.app():
        with transaction():
            factories.make_account(external_id="acme")
            factories.make_metric("auth.otp")
        remembered, asked = look_up({"acme"}, {"auth.otp"}), threading.Event()

        def away(accounts: Iterable[str]) -> Names:
            asked.set()
            raise psycopg.OperationalError("away")

        monkeypatch.setattr(event_names, "_read", away)
        clock.seconds += event_names.RENEWED_SECONDS
        assert look_up({"acme"}, {"auth.otp"}) is remembered
        assert asked.wait(10)
        clock.seconds += event_names.REMEMBERED_SECONDS
        with pytest.raises(psycopg.OperationalError, match="away"):
            look_up({"acme"}, {"auth.otp"})
