"""The people who sign in, over HTTP: by a super admin's session and by keys."""

from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.models import AuditRecord, OutboxMessage, User
from app.permissions import Role
from tests import factories
from tests.api.conftest import NewCaller
from tests.auth.people import csrf_token, make_user, sign_in

USERS = "/api/v1/admin/users"


class Admin:
    """A super admin who calls with a session."""

    def __init__(self, client: FlaskClient) -> None:
        self.client, self.user = client, make_user(Role.super_admin)
        sign_in(client, self.user)
        self.headers = {"X-CSRFToken": csrf_token(client)}

    def change(self, user: User, **body: Any) -> Any:
        return self.client.patch(f"{USERS}/{user.id}", json=body, headers=self.headers)


@pytest.fixture
def admin(client: FlaskClient) -> Admin:
    return Admin(client)


def test_a_person_is_changed_in_one_go(admin: Admin, session: Session) -> None:
    user, customer = make_user(Role.support), factories.make_customer(external_id="cust-1")
    answer = admin.change(
        user, name="Nandini", locale="hi", role="customer", customer_id="cust-1", active=False
    )
    assert answer.status_code == 200
    attributes = answer.json["data"]["attributes"]
    told = {name: attributes[name] for name in ("name", "locale", "role", "active")}
    assert told == {"name": "Nandini", "locale": "hi", "role": "customer", "active": False}
    assert answer.json["data"]["relationships"]["customer"]["id"] == str(customer.id)
    assert admin.client.get(f"{USERS}/{user.id}").json["data"] == answer.json["data"]
    assert admin.change(user, active=True).json["data"]["attributes"]["active"] is True
    assert admin.change(user, role="finance_admin").json["data"]["relationships"] == {"customer": None}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"role": "service"}, 400),
        ({"role": "customer"}, 400),
        ({"role": "owner"}, 400),
        ({"customer_id": "cust-nobody"}, 404),
        ({"name": ""}, 400),
        ({"timezone": "Mars/Base"}, 400),
        ({"locale": "xx"}, 400),
        ({"email": "new@otpless.example"}, 400),
        ({"active": "no"}, 400),
        ({"session_epoch": 0}, 400),
    ],
)
def test_a_change_that_cannot_be_changes_nothing(
    admin: Admin, session: Session, body: dict[str, Any], status: int
) -> None:
    user = make_user(Role.support, name="Rohit")
    session.flush()
    before = session.scalar(select(func.count()).select_from(AuditRecord))
    answer = admin.change(user, **{"name": "Somebody", **body})
    session.expire(user)
    assert answer.status_code == status
    assert (user.name, user.role, user.active) == ("Rohit", Role.support, True)
    assert session.scalar(select(func.count()).select_from(AuditRecord)) == before


def test_the_own_role_and_access_stay(admin: Admin) -> None:
    make_user(Role.super_admin, email="second@otpless.example")
    assert admin.change(admin.user, role="support").status_code == 403
    assert admin.change(admin.user, active=False).status_code == 403
    assert (admin.user.role, admin.user.active) == (Role.super_admin, True)


def test_a_key_changes_no_super_admin(new_caller: NewCaller, session: Session) -> None:
    user, caller = make_user(Role.super_admin), new_caller("users:write")
    answer = caller.client.patch(f"{USERS}/{user.id}", json={"role": "support"}, headers=caller.headers)
    assert answer.status_code == 403
    assert user.role is Role.super_admin


def test_sessions_are_ended(admin: Admin) -> None:
    user = make_user(Role.support)
    other = admin.client.application.test_client()
    sign_in(other, user)
    answer = admin.client.post(f"{USERS}/{user.id}/end-sessions", headers=admin.headers)
    assert (answer.status_code, other.get("/").location) == (200, "/sign-in")


def test_keys_invite_staff_and_customers_and_never_a_super_admin(
    new_caller: NewCaller, session: Session
) -> None:
    caller = new_caller("users:write")
    made = caller.post("/admin/users", {"email": "k@otpless.example", "role": "support"})
    refused = caller.post("/admin/users", {"email": "s@otpless.example", "role": "super_admin"})
    assert (made.status_code, refused.status_code) == (201, 403)
    assert session.scalars(select(User.email)).all() == ["k@otpless.example"]


def test_whoever_is_invited_is_mailed_in_the_language_given(new_caller: NewCaller, session: Session) -> None:
    caller = new_caller("users:write")
    body = {"email": "k@otpless.example", "role": "support", "locale": "id"}
    made = caller.post("/admin/users", body).json["data"]
    waiting = session.scalars(select(OutboxMessage)).one()
    assert (made["attributes"]["locale"], waiting.kind, waiting.key) == ("id", "user.invitation", made["id"])
    refused = caller.post("/admin/users", {**body, "email": "l@otpless.example", "locale": "fr"})
    assert refused.status_code == 400
    assert session.scalars(select(User.email)).all() == ["k@otpless.example"]


def test_a_key_is_never_asked_to_sign_in_again(new_caller: NewCaller, session: Session) -> None:
    caller = new_caller("api_keys:write", "usage:read")
    body = {"name": "x", "scopes": ["usage:read"]}
    assert caller.post("/admin/api-keys", body).status_code == 201


@pytest.mark.parametrize("role", [Role.finance_admin, Role.support])
def test_other_staff_neither_see_nor_change_people(client: FlaskClient, session: Session, role: Role) -> None:
    user = make_user(role)
    sign_in(client, user)
    headers = {"X-CSRFToken": csrf_token(client)}
    assert client.get(USERS).status_code == 403
    assert client.get(f"{USERS}/{user.id}").status_code == 403
    assert (
        client.patch(f"{USERS}/{user.id}", json={"role": "super_admin"}, headers=headers).status_code == 403
    )
    assert user.role is role
