"""The ends of the chains are noted every six hours, and the log hears of the last."""

import logging

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import transaction
from app.models import LedgerAnchor
from app.services import wallets
from jobs import anchors
from jobs.runner import jobs
from tests.factories import ACTOR, make_wallet
from tests.services.metered import NOON


def test_the_job_notes_the_ends_and_tells_the_log(session: Session, caplog: pytest.LogCaptureFixture) -> None:
    assert jobs["jobs.anchors.drop"].cron == "5 */6 * * *"
    with transaction():
        wallets.credit(make_wallet(), "5", at=NOON, actor=ACTOR, reason="Welcome")
    with caplog.at_level(logging.INFO, logger="jobs.anchors"):
        anchors.drop()
        anchors.drop()
    anchor = session.scalars(select(LedgerAnchor)).one()
    told = [record.anchor for record in caplog.records if record.message == "the ledger is anchored"]
    assert told == [{"number": 1, "hash": anchor.hash.hex()}] * 2


def test_before_the_first_movement_there_is_nothing_to_note(session: Session) -> None:
    anchors.drop()
    assert session.scalars(select(LedgerAnchor)).all() == []
