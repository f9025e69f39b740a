"""Revision 0009 keeps the secrets of keys, up and down."""

import flask_migrate

from app import clock
from app.db import transaction
from app.services import keys
from app.services.callers import bearers
from tests.api.signing import TEST, make_sender
from tests.support.own import OwnDatabase


def test_bearer_keys_work_on_after_a_downgrade_and_an_upgrade_and_signed_keys_end(
    own_database: OwnDatabase,
) -> None:
    with own_database.app():
        with transaction():
            key, secret = keys.create("bearer", scopes=["all"], actor=TEST, at=clock.now())
            signed, _ = make_sender()
            ids = (key.id, signed.id)
            hashed = key.secrets[0].secret_hash
        flask_migrate.downgrade(revision="0008")
        with own_database.connect() as connection:
            query = "SELECT id, secret_hash, revoked_at IS NULL FROM api_keys ORDER BY created_at, id"
            assert connection.execute(query).fetchall() == [(ids[0], hashed, True), (ids[1], b"", False)]
        flask_migrate.upgrade()
        with transaction():
            caller = bearers.recognise(secret, at=clock.now(), ip=None)
            assert caller is not None
            assert caller.actor.id == str(ids[0])
            assert keys.state_of(keys.get(ids[1]), clock.now()) == "revoked"
