"""The check of corrections is green over honest ones, and names the one that somebody changed."""

from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import Account, EventCorrection
from app.services import corrections, events, verify
from tests.factories import ACTOR, make_account, make_metric
from tests.services.metered import NOON, meter
from tests.services.tampering import power, red

CHECKS = ("event_keys", "rollups", "corrections")


@pytest.fixture
def account(session: Session) -> Account:
    """An account that cancelled one event and amended another."""
    account, metric = make_account(), make_metric("bytes", aggregation="sum", dimensions=["channel"])
    batch = [
        {
            "event_id": event_id,
            "account_id": str(account.id),
            "metric": metric.code,
            "timestamp": NOON.isoformat(),
            "quantity": 5,
            "properties": {"channel": "sms"},
        }
        for event_id in ("kept", "cancelled", "amended")
    ]
    events.ingest(batch, source="api", actor=ACTOR, at=NOON)
    meter()
    corrections.cancel(account, "cancelled", reason="Never happened", actor=ACTOR, at=NOON)
    corrections.amend(account, "amended", {"quantity": 7}, reason="Wrong", actor=ACTOR, at=NOON)
    session.flush()
    return account


def test_honest_corrections_are_green_before_and_after_metering(session: Session, account: Account) -> None:
    for _ in range(2):
        report = verify.run(CHECKS, at=NOON)
        assert red(report) == {}
        counted = {each.name: each.counted for each in report.results}
        assert counted["corrections"] == {"corrections": 2}
        assert counted["event_keys"] == {"events": 4, "keys": 4}
        meter()


def test_a_correction_without_its_reversing_delta_is_found_by_the_rollups(
    session: Session, account: Account
) -> None:
    power(session, "DELETE FROM usage_deltas WHERE events < 0 AND id = (SELECT min(id) FROM usage_deltas)")
    assert red(verify.run(CHECKS, at=NOON)) == {"rollups": [f"bytes of account {account.id}"]}


@pytest.mark.parametrize(
    "change",
    [
        "SET quantity = 6",
        "SET occurred_at = occurred_at - interval '1 day'",
        "SET bucket_at = bucket_at - interval '15 minutes'",
        'SET dimensions = \'{"channel": "email"}\'',
        "SET metric_id = gen_random_uuid()",
        "SET kind = 'amend'",
        "SET replacement_event_id = 'kept'",
        "SET kind = 'amend', replacement_event_id = 'never sent'",
    ],
)
def test_a_correction_that_somebody_changed_is_named(session: Session, account: Account, change: str) -> None:
    power(session, f"UPDATE event_corrections {change} WHERE event_id = 'cancelled'")
    where = f"correction of cancelled of account {account.id}"
    assert red(verify.run(["corrections"], at=NOON)) == {"corrections": [where]}


def test_an_invented_correction_is_named(session: Session, account: Account) -> None:
    row = session.scalars(select(EventCorrection).where(EventCorrection.event_id == "cancelled")).one()
    columns = {column.key: getattr(row, column.key) for column in EventCorrection.__mapper__.columns}
    session.add(EventCorrection(**{**columns, "event_id": "invented", "at": NOON + timedelta(hours=1)}))
    session.flush()
    where = f"correction of invented of account {account.id}"
    assert red(verify.run(["corrections"], at=NOON)) == {"corrections": [where]}
