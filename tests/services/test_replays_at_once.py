"""The same dead letters replayed by many at the same moment: each event counts once."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from uuid import UUID

import pytest
from flask import Flask

from app import clock
from app.db import db, in_transaction, transaction
from app.models import Account, DeadLetter
from app.permissions import Actor
from app.services import corrections, dead_letters, events, verify
from app.services.dead_letters import Fate
from tests.factories import ACTOR, make_account, make_metric
from tests.services.tampering import red
from tests.support.own import OwnDatabase

pytestmark = pytest.mark.processes

CALLERS = 20
LETTERS = 50
SYSTEM = Actor.system("tests")
COUNTS = (
    "SELECT (SELECT count(*) FROM usage_events), (SELECT count(*) FROM event_keys), "
    "(SELECT sum(quantity)::int FROM usage_deltas), (SELECT sum(events)::int FROM usage_deltas)"
)


@pytest.fixture
def product(own_database: OwnDatabase) -> Iterator[Flask]:
    """The application on a database where commits are real, with a connection for each of the callers."""
    own_database.settings = replace(own_database.settings, database_pool_size=CALLERS)
    with own_database.app() as app:
        yield app


def at_once(app: Flask, work: object) -> list[object]:
    """Run `work` in twenty threads that begin together, each with its own session."""
    gate = Barrier(CALLERS)

    def run(_: int) -> object:
        with app.app_context():
            gate.wait()
            try:
                return in_transaction(work)  # type: ignore[arg-type]
            finally:
                db.session.remove()

    with ThreadPoolExecutor(CALLERS) as pool:
        return list(pool.map(run, range(CALLERS)))


def test_fifty_letters_replayed_by_twenty_at_once_count_once_each(
    product: Flask, own_database: OwnDatabase
) -> None:
    batch = [
        {"event_id": f"e{n}", "account_id": "acme", "metric": "auth.otp", "quantity": n}
        for n in range(LETTERS)
    ]
    events.ingest(batch, source="api", actor=SYSTEM)
    with transaction():
        make_account(external_id="acme")
        make_metric("auth.otp", aggregation="sum", dimensions=[])
    ids: list[UUID] = [letter.id for letter in db.session.query(DeadLetter)]
    db.session.remove()

    def replay() -> Counter[Fate]:
        outcomes = dead_letters.replay_many(ids, actor=ACTOR, at=clock.now())
        return Counter(one.fate for one in outcomes)

    assert at_once(product, replay) == [Counter({Fate.replayed: LETTERS})] * CALLERS
    with own_database.connect() as connection:
        total = sum(range(LETTERS))
        assert connection.execute(COUNTS).fetchone() == (LETTERS, LETTERS, total, LETTERS)
        replayed = "SELECT count(*) FROM audit_records WHERE action = 'dead_letter.replayed'"
        assert connection.execute(replayed).fetchone() == (LETTERS,)


def test_an_event_amended_by_twenty_at_once_is_taken_back_once(
    product: Flask, own_database: OwnDatabase
) -> None:
    with transaction():
        account = make_account(external_id="acme")
        make_metric("auth.otp", aggregation="sum", dimensions=[])
    events.ingest(
        [{"event_id": "e", "account_id": "acme", "metric": "auth.otp", "quantity": 3}],
        source="api",
        actor=SYSTEM,
    )
    account_id = account.id
    db.session.remove()

    def amend() -> str | None:
        account = db.session.get_one(Account, account_id)
        changes = {"quantity": 7}
        made = corrections.amend(account, "e", changes, reason="Wrong", actor=ACTOR, at=clock.now())
        return made.replacement_event_id

    assert at_once(product, amend) == ["e~2"] * CALLERS
    with own_database.connect() as connection:
        assert connection.execute(COUNTS).fetchone() == (2, 2, 7, 1)
    with product.app_context():
        assert red(in_transaction(lambda: verify.run(["event_keys", "rollups", "corrections"]))) == {}
