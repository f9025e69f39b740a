"""Events cancelled and amended at the desk."""

from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from admin_views.keys import key_of
from app import clock
from app.db import db
from app.models import Account, EventCorrection, Metric, UsageEvent
from app.permissions import Role
from app.services import events
from tests import factories
from tests.admin.conftest import Desk, Person
from tests.services.invoicing import IN_NOVEMBER, issue_for, priced, use
from tests.services.metered import NOON


@pytest.fixture
def metric(session: Session) -> Metric:
    return factories.make_metric("bytes", name="Bytes", unit="byte", aggregation="sum", dimensions=[])


@pytest.fixture
def account(session: Session) -> Account:
    return factories.make_account(external_id="acme")


@pytest.fixture
def event(account: Account, metric: Metric) -> UsageEvent:
    sent = {"event_id": "a/b", "account_id": "acme", "metric": "bytes", "quantity": "2.5"}
    sent |= {"timestamp": NOON.isoformat(), "properties": {"part": 0.5}}  # type: ignore[dict-item]
    events.ingest([sent], source="api", actor=factories.ACTOR)
    return db.session.scalars(select(UsageEvent)).one()


def address(event: UsageEvent, act: str) -> str:
    return f"/admin/usage-events/operation/{act}/?id={key_of(event)}"


def made(session: Session) -> list[tuple[Any, ...]]:
    """Return what the corrections say."""
    rows = session.scalars(select(EventCorrection).order_by(EventCorrection.event_id))
    return [(row.event_id, str(row.kind), row.reason, row.replacement_event_id) for row in rows]


def test_an_event_is_cancelled_after_a_word_of_what_will_happen(
    desk: Person, session: Session, event: UsageEvent
) -> None:
    page = desk.text(address(event, "cancel"))
    assert "2.5 bytes of Bytes (10 Oct 2026, 12:00 IST) are taken back." in page
    assert "Its period is not invoiced yet" in page

    answer = desk.post(address(event, "cancel"), {"reason": "Sent twice"})

    assert made(session) == [("a/b", "cancel", "Sent twice", None)]
    record = desk.text(answer.location)
    assert "a/b no longer counts." in record
    assert "Sent twice" in record
    assert "/operation/" not in record
    assert "Sent twice" in desk.text("/admin/event-corrections/")


def test_a_reason_is_needed_at_the_desk_too(desk: Person, session: Session, event: UsageEvent) -> None:
    answer = desk.post(address(event, "cancel"), {"reason": " "})
    assert (answer.status_code, made(session)) == (422, [])


def test_an_event_is_amended_where_something_was_filled_in(
    desk: Person, session: Session, event: UsageEvent
) -> None:
    assert "&#34;part&#34;: 0.5" in desk.text(address(event, "amend"))
    form = {"quantity": "3", "properties": '{"part": 0.50}', "timestamp": "", "metric": ""}

    answer = desk.post(address(event, "amend"), {**form, "reason": "Wrong"})

    assert made(session) == [("a/b", "amend", "Wrong", "a/b~2")]
    assert "a/b~2 counts in its place." in desk.text(answer.location)
    new = session.scalars(select(UsageEvent).where(UsageEvent.event_id == "a/b~2")).one()
    assert (new.quantity, new.occurred_at, new.properties) == (3, NOON, {"part": 0.5})


@pytest.mark.parametrize(
    ("filled", "message"),
    [
        ({}, "Give at least one of"),
        ({"quantity": "2.50"}, "nothing would change"),
        ({"quantity": "-1"}, "may not be negative"),
        ({"properties": "[1]"}, "Write an object in braces"),
        ({"properties": "{"}, "Write an object in braces"),
        ({"timestamp": "2001-01-01T00:00"}, "days old"),
    ],
)
def test_what_cannot_be_is_told_at_its_field(
    desk: Person, session: Session, event: UsageEvent, filled: dict[str, str], message: str
) -> None:
    form = {"properties": '{"part": 0.5}', "metric": "", "reason": "Wrong", **filled}
    answer = desk.post(address(event, "amend"), form)
    assert answer.status_code == 422
    assert message in answer.get_data(as_text=True)
    assert made(session) == []


def test_an_invoiced_period_and_a_wallet_are_told_of(
    desk: Person, session: Session, account: Account, metric: Metric
) -> None:
    factories.make_seller()
    factories.make_tax_rate("18")
    prepaid = factories.make_account(prepaid=True, external_id="globex")
    priced(factories.per_unit(metric, "1"), account=account)
    sent = {"metric": "bytes", "timestamp": NOON.isoformat()}
    batch = [{"event_id": "e", "account_id": name, **sent} for name in ("acme", "globex")]
    events.ingest(batch, source="api", actor=factories.ACTOR)
    use(account, metric, 5)
    invoice = issue_for(account)
    assert clock.now() > NOON
    assert invoice.created_at is not None
    assert IN_NOVEMBER > NOON
    told = {
        event.account_id: desk.text(address(event, "cancel"))
        for event in session.scalars(select(UsageEvent).where(UsageEvent.event_id == "e"))
    }
    assert f"Its period is invoiced already, on {invoice.number}" in told[account.id]
    assert "The wallet gets or pays the exact difference" in told[prepaid.id]


@pytest.mark.parametrize("role", [Role.finance_admin, Role.support])
def test_only_super_admins_are_offered_to_take_usage_back(
    at_desk: Desk, session: Session, event: UsageEvent, role: Role
) -> None:
    person = at_desk(role)
    record = person.text(f"/admin/usage-events/details/?id={key_of(event)}")
    assert "/operation/" not in record
    assert person.post(address(event, "cancel"), {"reason": "x"}).status_code == 403
    assert made(session) == []
