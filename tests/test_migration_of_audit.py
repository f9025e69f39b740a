"""Revision 0032 gives the records of before their hashes, and what waits its seal."""

from datetime import timedelta

import flask_migrate
from sqlalchemy import func, select

from app.db import db, transaction
from app.models import AuditRecord, AuditUnsealed
from app.permissions import Actor
from app.services import audit, audit_chain, verify
from tests.services.metered import NOON
from tests.services.tampering import red
from tests.support.own import OwnDatabase

CHECKS = ["audit", "audit_anchors"]


def test_records_of_before_are_hashed_as_those_of_today_and_sealed(own_database: OwnDatabase) -> None:
    with own_database.app():
        with transaction():
            actor = Actor.system("Zoë").at(ip="10.0.0.1", request_id=None)
            for n, after in enumerate([None, {}, {"bb": "ü\n", "a": [1, None, True], "n": 10**20}]):
                at = NOON + timedelta(microseconds=n)
                audit.note(actor, "route.tried", "Route", "x", summary='"\\ ₹', at=at, after=after)
        hashes = list(db.session.scalars(select(AuditRecord.hash).order_by(AuditRecord.at)))
        db.session.remove()
        flask_migrate.downgrade(revision="0031")
        flask_migrate.upgrade()
        with transaction():
            assert list(db.session.scalars(select(AuditRecord.hash).order_by(AuditRecord.at))) == hashes
            assert db.session.scalar(select(func.count()).select_from(AuditUnsealed)) == 3
            assert audit_chain.seal(NOON) == 3
        with transaction():
            assert red(verify.run(CHECKS, at=NOON)) == {}
