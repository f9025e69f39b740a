"""What was refused and who looked at what is sensitive: one record each, once a minute, whoever answered."""

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from redis import Redis
from redis.exceptions import ConnectionError as Away
from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from app import clock, watching
from app.models import AuditRecord
from app.permissions import Role
from app.services import audit_throttle, keys
from tests.admin.conftest import Desk
from tests.admin.world import World
from tests.api.conftest import TEST, Caller
from tests.factories import make_customer


def told(session: Session, *actions: str) -> list[AuditRecord]:
    wanted = actions or (
        "access.denied",
        "customer.viewed",
        "document.opened",
        "list.exported",
        "user.viewed",
    )
    return list(session.scalars(select(AuditRecord).where(AuditRecord.action.in_(wanted))))


def call(app: Flask, *scopes: str) -> Caller:
    _, secret = keys.create("crm", scopes=list(scopes), actor=TEST, at=clock.now())
    return Caller(app.test_client(), secret)


def test_every_look_is_at_a_route_that_there_is(app: Flask) -> None:
    assert watching.LOOKS.keys() - app.view_functions.keys() == set()
    assert {one.action.partition(".")[2] for one in watching.LOOKS.values()} == watching.DONE.keys()


def test_a_page_that_a_role_may_not_open_leaves_one_record(session: Session, at_desk: Desk) -> None:
    support = at_desk(Role.support, name="Rohit")
    answers = [support.get("/admin/users/", headers={"X-Request-Id": f"r{n}"}).status_code for n in range(3)]
    assert answers == [403, 403, 403]
    (one,) = told(session)
    assert (one.action, one.resource_type, one.resource_id) == (
        "access.denied",
        "Route",
        "admin_users.index_view",
    )
    assert (one.actor, one.role, one.ip, one.request_id) == ("Rohit", "support", "127.0.0.1", "r0")
    assert one.after == {"status": 403, "method": "GET", "path": "/admin/users/"}
    assert support.post("/admin/users/new/").status_code == 403
    assert [each.resource_id for each in told(session)] == [
        "admin_users.index_view",
        "admin_users.create_view",
    ]


def test_a_key_without_the_scope_leaves_a_record_and_changes_nothing(app: Flask, session: Session) -> None:
    reader = call(app, "usage:read")
    assert reader.post("/customers", {"name": "Acme", "country": "IN"}).status_code == 403
    (one,) = told(session)
    assert (one.actor_kind, one.role, one.resource_id) == (
        "api_key",
        "service",
        "api.customers.create_customer",
    )


@pytest.mark.parametrize("why", ["revoked", "elsewhere"])
def test_a_key_that_is_known_and_turned_away_is_named(app: Flask, session: Session, why: str) -> None:
    networks = ["10.0.0.0/8"] if why == "elsewhere" else []
    key, secret = keys.create("crm", scopes=["all"], allowed_ips=networks, actor=TEST, at=clock.now())
    if why != "elsewhere":
        keys.revoke(key, actor=TEST, at=clock.now())
    assert Caller(app.test_client(), secret).get("/customers").status_code == 401
    (one,) = told(session)
    assert (one.actor, one.actor_id, one.after) == (
        "crm",
        str(key.id),
        {"status": 401, "method": "GET", "path": "/api/v1/customers"},
    )


def test_a_stranger_leaves_no_record(app: Flask, session: Session) -> None:
    assert Caller(app.test_client(), "otpb_nobody_nothing").get("/customers").status_code == 401
    assert app.test_client().get("/admin/users/").status_code == 302
    assert told(session) == []


def test_whoever_looks_at_a_customer_or_opens_a_document_is_noted(
    session: Session,
    at_desk: Desk,
    world: World,
) -> None:
    support = at_desk(Role.support, name="Rohit")
    for _ in range(2):
        support.text(f"/admin/customers/details/?id={world.customer.id}")
    assert support.get("/admin/customers/export/csv/?search=acme").status_code == 200
    noted = [(one.action, one.resource_type, one.resource_id, one.after) for one in told(session)]
    assert noted == [
        ("customer.viewed", "Customer", str(world.customer.id), None),
        ("list.exported", "List", "customers", {"search": "acme"}),
    ]


def test_a_key_that_reads_a_customer_is_noted_by_the_id_of_the_row(app: Flask, session: Session) -> None:
    customer = make_customer(external_id="crm-1")
    assert call(app, "all").get("/customers/crm-1").status_code == 200
    assert [(one.resource_id, one.actor_kind) for one in told(session)] == [(str(customer.id), "api_key")]


def test_customers_who_read_their_own_are_not_noted(session: Session, at_desk: Desk, world: World) -> None:
    person = at_desk(Role.customer, customer=world.customer)
    assert person.get(f"/api/v1/customers/{world.customer.id}").status_code == 200
    assert told(session) == []
    assert person.get("/admin/customers/").status_code == 403
    assert [one.role for one in told(session)] == ["customer"]


@pytest.fixture
def redis_away(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No mark can be kept in Redis."""

    def away() -> Redis:
        raise Away("away")

    monkeypatch.setattr(audit_throttle, "connection", away)
    audit_throttle._marks.clear()
    yield
    audit_throttle._marks.clear()


def test_without_redis_each_process_counts_the_minute_itself(redis_away: None) -> None:
    asked = [audit_throttle.is_first(*parts) for parts in (("a", "b"), ("a", "b"), ("a", "c"))]
    assert asked == [True, False, True]
    assert [audit_throttle._is_first_here("x", now) for now in (100.0, 159.0, 160.0, 219.9)] == [
        True,
        False,
        True,
        False,
    ]


def test_where_the_trail_cannot_be_written_the_answer_leaves(
    session: Session,
    at_desk: Desk,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OperationalError("INSERT", {}, Exception("away"))

    support = at_desk(Role.support)
    monkeypatch.setattr("app.watching.audit.note", fail)
    assert support.get("/admin/users/").status_code == 403
    assert [record.message for record in caplog.records if record.name == "app.watching"] == ["not audited"]
    assert told(session) == []
