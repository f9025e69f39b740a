"""Cancelled and amended events: taken back once, with their reason, and never edited."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.db import transaction
from app.domain.money import plain
from app.domain.periods import bucket_start
from app.errors import Conflict, Invalid, NotFound
from app.models import Account, AuditRecord, EventCorrection, Metric, UsageDelta, UsageEvent, UsageRollup
from app.models.usage import EventStatus
from app.services import corrections, events
from app.services.corrections import amend, cancel
from tests.factories import ACTOR, make_account, make_metric
from tests.services.metered import NOON, meter
from tests.services.tampering import owning

BY: dict[str, Any] = {"actor": ACTOR, "at": NOON}


def send(account: Account, metric: Metric, event_id: str = "e", **more: Any) -> None:
    """Send one event at noon, with its properties."""
    event = {"event_id": event_id, "account_id": str(account.id), "metric": metric.code, **more}
    (result,) = events.ingest([{"timestamp": NOON.isoformat(), **event}], source="api", actor=ACTOR, at=NOON)
    assert result.status == events.Status.accepted, result


def counts(session: Session) -> tuple[int, ...]:
    """Return how many events, corrections, deltas and audit records there are."""
    return tuple(
        session.scalar(select(func.count()).select_from(each)) or 0
        for each in (UsageEvent, EventCorrection, UsageDelta, AuditRecord)
    )


def rolled_up(session: Session, account: Account) -> dict[str, tuple[str, int]]:
    """Return quantity and events of an account's rollups by their dimensions."""
    columns = (UsageRollup.dimensions, UsageRollup.quantity, UsageRollup.events)
    return {
        ",".join(f"{name}={value}" for name, value in sorted(dimensions.items())): (plain(quantity), events)
        for dimensions, quantity, events in session.execute(
            select(*columns).where(UsageRollup.account_id == account.id)
        )
    }


@pytest.fixture
def account(session: Session) -> Account:
    return make_account()


@pytest.fixture
def metric(session: Session) -> Metric:
    return make_metric(aggregation="sum", dimensions=["channel", "weight"])


def test_a_cancelled_event_leaves_a_record_and_a_reversing_delta(
    session: Session, account: Account, metric: Metric
) -> None:
    send(account, metric, quantity="2.5", properties={"channel": "sms", "weight": Decimal("0.0000001")})
    meter()

    made = cancel(account, "e", reason=" Sent twice ", **BY)

    (delta,) = session.scalars(select(UsageDelta))
    dimensions = {"channel": "sms", "weight": "0.0000001"}
    assert (delta.quantity, delta.events, delta.dimensions) == (Decimal("-2.5"), -1, dimensions)
    assert (delta.account_id, delta.metric_id, delta.bucket_at) == (account.id, metric.id, bucket_start(NOON))
    assert (made.kind, made.quantity, made.reason, made.actor) == (
        "cancel", Decimal("2.5"), "Sent twice", "Test Person",
    )  # fmt: skip
    assert (made.occurred_at, made.at, made.dimensions) == (NOON, NOON, dimensions)
    assert session.scalars(select(UsageEvent)).one().status == EventStatus.cancelled
    audited = session.scalars(select(AuditRecord).where(AuditRecord.action == "event.cancelled")).one()
    assert (audited.summary, audited.resource_id) == ("Event e cancelled: Sent twice", f"{account.id}|e")
    meter()
    assert rolled_up(session, account) == {"channel=sms,weight=0.0000001": ("0", 0)}


def test_cancelling_again_for_the_same_reason_changes_nothing(
    session: Session, account: Account, metric: Metric
) -> None:
    send(account, metric)
    first = cancel(account, "e", reason="Sent twice", **BY)
    before = counts(session)

    assert cancel(account, "e", reason="Sent twice", **BY) is first
    with pytest.raises(Conflict, match="cancelled before, because: Sent twice"):
        cancel(account, "e", reason="Another", **BY)
    with pytest.raises(Conflict, match="cancelled before"):
        amend(account, "e", {"quantity": "2"}, reason="Sent twice", **BY)

    assert counts(session) == before


def test_a_cancelled_id_stays_used(session: Session, account: Account, metric: Metric) -> None:
    event = {
        "event_id": "e",
        "account_id": str(account.id),
        "metric": metric.code,
        "timestamp": NOON.isoformat(),
    }
    send(account, metric)
    cancel(account, "e", reason="Sent twice", **BY)

    again, other = events.ingest([event, {**event, "quantity": 7}], source="api", actor=ACTOR, at=NOON)

    assert (again.status, again.conflict) == ("duplicate", False)
    assert (other.status, other.conflict) == ("duplicate", True)


@pytest.mark.parametrize(
    ("changes", "channel", "quantity"),
    [
        ({"quantity": "5"}, "sms", 5),
        ({"properties": {"channel": "email"}}, "email", 2),
        ({"quantity": 4, "properties": {"channel": "email"}}, "email", 4),
    ],
)
def test_an_amended_event_counts_as_its_replacement_says(
    session: Session, account: Account, metric: Metric, changes: dict[str, Any], channel: str, quantity: int
) -> None:
    send(account, metric, quantity=2, properties={"channel": "sms"})

    made = amend(account, "e", changes, reason="Wrong", **BY)

    assert (made.kind, made.replacement_event_id) == ("amend", "e~2")
    old, new = session.scalars(select(UsageEvent).order_by(UsageEvent.event_id))
    assert (old.status, new.status) == (EventStatus.amended, EventStatus.counted)
    assert (plain(old.quantity), old.properties) == ("2", {"channel": "sms"})
    assert (new.event_id, plain(new.quantity), new.occurred_at) == ("e~2", str(quantity), NOON)
    meter()
    here = {f"channel={channel}": (str(quantity), 1)}
    assert rolled_up(session, account) == ({"channel=sms": ("0", 0)} | here)


def test_the_same_amendment_again_changes_nothing(session: Session, account: Account, metric: Metric) -> None:
    send(account, metric, quantity=2)
    first = amend(account, "e", {"quantity": "5"}, reason="Wrong", **BY)
    before = counts(session)

    assert amend(account, "e", {"quantity": 5}, reason="Wrong", **BY) is first
    for changes, reason in (({"quantity": "6"}, "Wrong"), ({"quantity": "5"}, "Another")):
        with pytest.raises(Conflict, match="e~2 counts in its place"):
            amend(account, "e", changes, reason=reason, **BY)
    with pytest.raises(Conflict, match="amended before"):
        cancel(account, "e", reason="Wrong", **BY)

    assert counts(session) == before


def test_a_replacement_is_amended_and_cancelled_like_any_event(
    session: Session, account: Account, metric: Metric
) -> None:
    send(account, metric, quantity=2)
    amend(account, "e", {"quantity": 5}, reason="Wrong", **BY)
    second = amend(account, "e~2", {"quantity": 6}, reason="Wrong again", **BY)
    cancel(account, "e~3", reason="Never happened", **BY)

    meter()

    assert second.replacement_event_id == "e~3"
    assert rolled_up(session, account) == {"": ("0", 0)}


def test_a_replacement_takes_the_first_id_that_is_free(
    session: Session, account: Account, metric: Metric
) -> None:
    longest = "x" * 255
    for event_id in ("e", "e~2", longest):
        send(account, metric, event_id, quantity=2)

    assert amend(account, "e", {"quantity": 5}, reason="Wrong", **BY).replacement_event_id == "e~3"
    assert amend(account, "e~2", {"quantity": 5}, reason="Wrong", **BY).replacement_event_id == "e~2~2"
    made = amend(account, longest, {"quantity": 5}, reason="Wrong", **BY)
    assert made.replacement_event_id == "x" * 253 + "~2"


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"quantity": "-1"}, "/quantity"),
    ({"quantity": True}, "/quantity"),
    ({"metric": "unknown"}, "/metric"),
    ({"timestamp": "yesterday"}, "/timestamp"),
    ({"timestamp": "2026-08-01T00:00:00Z"}, "/timestamp"),
    ({"properties": {"channel": ["sms"]}}, "/properties/channel"),
]


@pytest.mark.parametrize(("changes", "pointer"), REFUSED)
def test_what_ingest_refuses_is_no_amendment(
    session: Session, account: Account, metric: Metric, changes: dict[str, Any], pointer: str
) -> None:
    send(account, metric, quantity=2)
    before = counts(session)

    session.commit()

    with pytest.raises(Invalid) as refusal, transaction():
        amend(account, "e", changes, reason="Wrong", **BY)

    assert [field.pointer for field in refusal.value.fields] == [pointer]
    assert counts(session) == before


def test_an_amendment_has_to_change_something(session: Session, account: Account, metric: Metric) -> None:
    send(account, metric, quantity=2, properties={"weight": Decimal("1.50")})
    before = counts(session)
    same: list[dict[str, Any]] = [
        {"quantity": "2.0"},
        {"timestamp": "2026-10-10T12:00:00+05:30"},
        {"properties": {"weight": Decimal("1.5")}},
        {"metric": metric.code},
    ]
    for changes in same:
        session.commit()
        with pytest.raises(Invalid, match="nothing would change"), transaction():
            amend(account, "e", changes, reason="Wrong", **BY)
    for changes in ({}, {"event_id": "f"}):
        with pytest.raises(Invalid, match="at least one of"):
            amend(account, "e", changes, reason="Wrong", **BY)
    assert counts(session) == before


def test_another_metric_needs_the_quantity_that_the_first_one_never_kept(
    session: Session, account: Account, metric: Metric
) -> None:
    counted = make_metric(dimensions=[])
    send(account, counted, quantity=7)

    with pytest.raises(Invalid) as refusal:
        amend(account, "e", {"metric": metric.code}, reason="Wrong", **BY)
    amend(account, "e", {"metric": metric.code, "quantity": "7"}, reason="Wrong", **BY)

    assert [field.pointer for field in refusal.value.fields] == ["/quantity"]
    new = session.scalars(select(UsageEvent).where(UsageEvent.event_id == "e~2")).one()
    assert (new.metric_id, plain(new.quantity)) == (metric.id, "7")


@pytest.mark.parametrize("reason", ["", "  ", "x" * 301, "two\nlines"])
def test_a_reason_is_needed(session: Session, account: Account, metric: Metric, reason: str) -> None:
    send(account, metric)
    before = counts(session)
    acts: list[Callable[[], Any]] = [
        lambda: cancel(account, "e", reason=reason, **BY),
        lambda: amend(account, "e", {"quantity": 2}, reason=reason, **BY),
    ]
    for act in acts:
        with pytest.raises(Invalid) as refusal:
            act()
        assert refusal.value.fields[0].pointer == "/reason"
    assert counts(session) == before


def test_an_event_of_another_account_is_not_found(session: Session, account: Account, metric: Metric) -> None:
    send(account, metric)
    before = counts(session)
    for event_id in ("e", "never sent"):
        with pytest.raises(NotFound):
            cancel(make_account() if event_id == "e" else account, event_id, reason="x", **BY)
    assert counts(session)[:3] == before[:3]


def test_a_correction_is_as_append_only_as_the_event(
    session: Session, account: Account, metric: Metric
) -> None:
    send(account, metric)
    made = cancel(account, "e", reason="Sent twice", **BY)
    session.flush()
    for act in ("UPDATE event_corrections SET reason = 'x'", "DELETE FROM event_corrections"):
        with owning(session), pytest.raises(DBAPIError, match="append-only"), session.begin_nested():
            session.connection().exec_driver_sql(act)
    session.refresh(made)
    assert made.reason == "Sent twice"
    assert corrections.exact_properties(session.scalars(select(UsageEvent)).one()) == {}
