"""What a process remembers of a key, on a database of its own; the rest is tested through the API."""

import pytest

from app import clock
from app.db import transaction
from app.permissions import Actor
from app.services import keys
from app.services.callers import bearers, memory
from tests.support.own import OwnDatabase

TEST = Actor.system("tests")


class Monotonic:
    """A monotonic clock that the test moves."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def monotonic(self) -> float:
        """Return the seconds."""
        return self.seconds


def test_a_key_is_remembered_asked_for_again_by_one_request_and_forgotten_after_five_seconds(
    own_database: OwnDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = Monotonic()
    monkeypatch.setattr(memory, "time", moved)
    monkeypatch.setattr(bearers, "time", moved)
    with own_database.app():
        with transaction():
            _, secret = keys.create("sender", scopes=["events:write"], actor=TEST, at=clock.now())
            caller = bearers.recognise(secret, at=clock.now(), ip=None)
        assert caller is not None
        assert caller.actor.scopes == {"events:write"}

        moved.seconds += memory.RENEWED_SECONDS
        assert bearers.remembered(secret) == caller
        moved.seconds += 0.1
        assert [bearers.remembered(secret) for _ in range(3)] == [None, caller, caller]
        moved.seconds += memory.REMEMBERED_SECONDS - memory.RENEWED_SECONDS
        assert bearers.remembered(secret) is None


def test_a_key_revoked_elsewhere_is_refused_and_forgotten_once_it_is_asked_for_again(
    own_database: OwnDatabase,
) -> None:
    with own_database.app():
        with transaction():
            key, secret = keys.create("sender", scopes=["events:write"], actor=TEST, at=clock.now())
            assert bearers.recognise(secret, at=clock.now(), ip=None) is not None
        with own_database.connect() as elsewhere:
            elsewhere.execute("UPDATE api_keys SET revoked_at = now() WHERE id = %s", (key.id,))

        with transaction():
            assert bearers.recognise(secret, at=clock.now(), ip=None) is None
        assert bearers.remembered(secret) is None
