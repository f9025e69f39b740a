"""Signing in and out, and how long a session lasts."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import AuditRecord, Customer
from app.permissions import Role
from tests.auth.people import csrf_token, make_user, sign_in

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def customer(session: Session) -> Customer:
    row = Customer(name="Lotus Retail", email="accounts@lotus.example", country="IN")
    session.add(row)
    session.flush()
    return row


@contextmanager
def settings_of(app: Flask, **changed: Any) -> Iterator[None]:
    """Run the application with other settings."""
    before = app.extensions["settings"]
    app.extensions["settings"] = replace(before, **changed)
    try:
        yield
    finally:
        app.extensions["settings"] = before


def test_the_front_door_leads_a_stranger_to_sign_in(client: FlaskClient) -> None:
    answer = client.get("/")
    assert (answer.status_code, answer.location) == (303, "/sign-in")


def test_the_front_door_leads_staff_to_the_back_office_and_customers_to_the_portal(
    client: FlaskClient, customer: Customer
) -> None:
    sign_in(client, make_user(Role.support))
    assert client.get("/").location == "/admin/"
    client.post("/sign-out", data={"csrf_token": csrf_token(client)})
    sign_in(client, make_user(Role.customer, customer=customer))
    assert client.get("/").location == "/portal/"


def test_the_page_lists_the_people_with_what_they_will_see(client: FlaskClient, customer: Customer) -> None:
    make_user(Role.super_admin, name="Ananya Rao")
    make_user(Role.customer, customer=customer, name="Vikram Shah")
    page = client.get("/sign-in").get_data(as_text=True)
    assert page.index("Ananya Rao") < page.index("Vikram Shah")
    assert "Everything, with people, keys and queues" in page
    assert "The portal of Lotus Retail" in page


def test_signing_in_is_audited_and_begins_a_new_session(client: FlaskClient, session: Session) -> None:
    user = make_user(Role.finance_admin, name="Meera Iyer")
    with client.session_transaction() as before:
        before["planted"] = "by somebody else"
    sign_in(client, user)
    with client.session_transaction() as after:
        assert "planted" not in after
    record = session.scalars(select(AuditRecord).where(AuditRecord.action == "user.signed_in")).one()
    assert (record.actor, record.role, record.ip) == ("Meera Iyer", "finance_admin", "127.0.0.1")
    assert user.last_sign_in_at == record.at


def test_the_wanted_page_follows_sign_in(client: FlaskClient) -> None:
    user = make_user(Role.super_admin)
    form = {"csrf_token": csrf_token(client), "user": str(user.id), "next": "/admin/invoices/"}
    assert client.post("/sign-in", data=form).location == "/admin/invoices/"


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "/\\evil.example", "/portal/", "/sign-in"]
)
def test_no_other_site_and_no_closed_page_follows_sign_in(client: FlaskClient, target: str) -> None:
    user = make_user(Role.super_admin)
    form = {"csrf_token": csrf_token(client), "user": str(user.id), "next": target}
    assert client.post("/sign-in", data=form).location == "/admin/"


def test_signing_in_without_a_token_is_refused(client: FlaskClient) -> None:
    user = make_user(Role.super_admin)
    assert client.post("/sign-in", data={"user": str(user.id)}).status_code == 400
    assert client.get("/").location == "/sign-in"


@pytest.mark.parametrize("who", ["", "not-an-id", "0190a0b0-0000-7000-8000-000000000000"])
def test_an_unknown_person_cannot_sign_in(client: FlaskClient, who: str) -> None:
    make_user(Role.super_admin)
    assert client.post("/sign-in", data={"csrf_token": csrf_token(client), "user": who}).status_code == 404


def test_somebody_whose_access_ended_cannot_sign_in_and_is_signed_out(client: FlaskClient) -> None:
    user = make_user(Role.super_admin)
    make_user(Role.support)
    sign_in(client, user)
    user.active = False
    assert client.get("/").location == "/sign-in"
    form = {"csrf_token": csrf_token(client), "user": str(user.id)}
    assert client.post("/sign-in", data=form).status_code == 404


def test_a_change_of_role_ends_the_session(client: FlaskClient) -> None:
    user = make_user(Role.super_admin)
    sign_in(client, user)
    user.role = Role.support
    assert client.get("/").location == "/sign-in"


@pytest.mark.parametrize(
    "changed",
    [
        {"development_sign_in": False},
        {"environment": "production"},
        {"public_url": "https://billing.example.com"},
        {"auth0_domain": "tenant.auth0.example", "auth0_client_id": "abc"},
    ],
)
def test_choosing_a_name_is_closed_unless_all_of_it_is_local(
    app: Flask, client: FlaskClient, changed: dict[str, Any]
) -> None:
    user = make_user(Role.super_admin, name="Ananya Rao")
    token = csrf_token(client)
    with settings_of(app, **changed):
        assert "Ananya Rao" not in client.get("/sign-in").get_data(as_text=True)
        answer = client.post("/sign-in", data={"csrf_token": token, "user": str(user.id)})
    assert answer.status_code == 404
    assert client.get("/").location == "/sign-in"


ELSEWHERE: dict[str, dict[str, str]] = {
    "a peer on another machine": {"REMOTE_ADDR": "192.0.2.7"},
    "a server that listens everywhere": {"SERVER_NAME": "0.0.0.0"},
    "a server on the network": {"SERVER_NAME": "192.0.2.1"},
    "a name of another site that leads here": {"HTTP_HOST": "evil.example:8000"},
    "a proxy on this machine": {"HTTP_X_FORWARDED_FOR": "192.0.2.7"},
    "a proxy that speaks the standard": {"HTTP_FORWARDED": "for=192.0.2.7"},
}


@pytest.mark.parametrize("where", ELSEWHERE)
def test_choosing_a_name_is_closed_to_other_machines(client: FlaskClient, where: str) -> None:
    user = make_user(Role.super_admin, name="Ananya Rao")
    form = {"csrf_token": csrf_token(client), "user": str(user.id)}
    page = client.get("/sign-in", environ_overrides=ELSEWHERE[where]).get_data(as_text=True)
    answer = client.post("/sign-in", data=form, environ_overrides=ELSEWHERE[where])
    # A browser sends no cookie to another name, so the form's token fails before anything else.
    assert answer.status_code == (400 if "HTTP_HOST" in ELSEWHERE[where] else 404)
    assert "Ananya Rao" not in page
    assert client.get("/").location == "/sign-in"


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1:9000", "[::1]:8000"])
def test_choosing_a_name_is_open_by_every_name_of_this_machine(client: FlaskClient, host: str) -> None:
    make_user(Role.super_admin, name="Ananya Rao")
    page = client.get("/sign-in", environ_overrides={"HTTP_HOST": host}).get_data(as_text=True)
    assert "Ananya Rao" in page


def test_a_session_ends_after_thirty_idle_minutes(client: FlaskClient) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        sign_in(client, make_user(Role.super_admin))
        clock.shift(timedelta(minutes=29, seconds=59))
        assert client.get("/").location == "/admin/"
        clock.shift(timedelta(minutes=30))
        assert client.get("/").location == "/sign-in"


def test_a_session_ends_after_eight_hours_however_busy(client: FlaskClient) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        sign_in(client, make_user(Role.super_admin))
        for _ in range(23):
            clock.shift(timedelta(minutes=20))
            assert client.get("/").location == "/admin/"
        clock.shift(timedelta(minutes=20))
        assert client.get("/").location == "/sign-in"


def test_signing_out_ends_the_session_and_is_audited(client: FlaskClient, session: Session) -> None:
    sign_in(client, make_user(Role.super_admin))
    answer = client.post("/sign-out", data={"csrf_token": csrf_token(client)})
    assert answer.location == "/sign-in"
    assert client.get("/").location == "/sign-in"
    actions = session.scalars(select(AuditRecord.action).order_by(AuditRecord.at)).all()
    assert actions == ["user.created", "user.signed_in", "user.signed_out"]


def test_a_get_does_not_sign_out(client: FlaskClient) -> None:
    sign_in(client, make_user(Role.super_admin))
    assert client.get("/sign-out").status_code == 405
    assert client.get("/").location == "/admin/"
