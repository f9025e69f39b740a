"""What a process remembers of accounts and metrics, on a database of its own."""

import pytest

from app.db import transaction
from app.services import event_names
from app.services.event_names import look_up
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
