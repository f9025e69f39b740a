"""Revision 0014 makes every subscription the only segment of one, with the day that its periods had."""

from datetime import UTC, date, datetime, timedelta

import flask_migrate

from app.db import transaction
from app.models.plans import Anchor
from app.services import subscriptions
from tests import factories as make
from tests.support.own import OwnDatabase

# 31 January 2026, 02:00 in India, and still the 30th in UTC.
START = datetime(2026, 1, 30, 20, 30, tzinfo=UTC)


def test_subscriptions_keep_their_periods_through_a_downgrade_and_an_upgrade(
    own_database: OwnDatabase,
) -> None:
    with own_database.app():
        with transaction():
            yearly = make.make_subscription(start_at=START, anchor=Anchor.anniversary)
            left = make.make_subscription(start_at=START)
            subscriptions.end(left, at=START + timedelta(days=1), reason="Too dear", actor=make.ACTOR)
            ids = (yearly.id, left.id)
        flask_migrate.downgrade(revision="0013")
        flask_migrate.upgrade()
        with transaction():
            kept, gone = (subscriptions.get(each) for each in ids)
            assert (kept.anchor_on, kept.origin_id, kept.ended_by) == (date(2026, 1, 31), kept.id, None)
            assert (gone.anchor_on, gone.origin_id, str(gone.ended_by)) == (None, gone.id, "cancel")
            assert (str(kept.status), str(gone.status)) == ("active", "ended")
            assert subscriptions.cycle(kept).start_on(1) == date(2026, 2, 28)
