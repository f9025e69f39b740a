"""What a process remembers of a key, on a database of its own; the rest is tested through the API."""

import pytest

from app import clock
from app.db import transaction
from app.permissions import Actor
from app.services import keys
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
    monkeypatch.setattr(keys, "time", moved)
    with own_database.app():
        with transaction():
            _, secret = keys.create("sender", scopes=["events:write"], actor=TEST, at=clock.now())
            actor = keys.recognise(secret, at=clock.now())
        assert actor is not None
        assert actor.scopes == {"events:write"}

        moved.seconds += keys.RENEWED_SECONDS
        assert keys.remembered(secret, at=clock.now()) == actor
        moved.seconds += 0.1
        assert [keys.remembered(secret, at=clock.now()) for _ in range(3)] == [None, actor, actor]
        moved.seconds += keys.REMEMBERED_SECONDS - keys.RENEWED_SECONDS
        assert keys.remembered(secret, at=clock.now()) is None


def test_a_key_revoked_elsewhere_is_refused_once_it_is_asked_for_again(own_database: OwnDatabase) -> None:
    with own_database.app():
        with transaction():
            key, secret = keys.create("sender", scopes=["events:write"], actor=TEST, at=clock.now())
            assert keys.recognise(secret, at=clock.now()) is not None
        with own_database.connect() as elsewhere:
            elsewhere.execute("UPDATE api_keys SET revoked_at = now() WHERE id = %s", (key.id,))

        with transaction():
            assert keys.recognise(secret, at=clock.now()) is None
