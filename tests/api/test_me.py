"""One's own preferences by the API: for people, with the token of their session, and for no key."""

from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock
from app.models import AuditRecord, User
from app.permissions import Role
from app.services import keys
from tests.auth.people import csrf_token, make_user, sign_in
from tests.factories import ACTOR, make_customer


@pytest.fixture
def asha(client: FlaskClient, session: Session) -> User:
    user = make_user(Role.customer, email="asha@example.com", customer=make_customer(), name="Asha")
    sign_in(client, user)
    return user


def patch(client: FlaskClient, body: Any, **headers: str) -> Any:
    sent = {"X-CSRFToken": csrf_token(client), "Referer": "http://localhost/", **headers}
    answer = client.patch("/api/v1/me", json=body, headers=sent)
    return answer.status_code, answer.get_json()


def test_one_reads_and_changes_ones_own_preferences(client: FlaskClient, asha: User) -> None:
    read = client.get("/api/v1/me").get_json()["data"]
    assert (read["type"], read["id"]) == ("person", str(asha.id))
    body = {
        "language": "id",
        "timezone": "Asia/Jakarta",
        "theme": "dark",
        "notifications": {"low_balance": {"mail": False}, "spending_cap": {"in_product": False}},
    }
    status, answer = patch(client, body)
    found = answer["data"]["attributes"]
    told = {one["kind"]: (one["in_product"], one["mail"]) for one in found.pop("notifications")}
    assert (status, found) == (
        200,
        {
            "name": "Asha",
            "email": "asha@example.com",
            "role": "customer",
            "language": "id",
            "timezone": "Asia/Jakarta",
            "theme": "dark",
        },
    )
    assert told == {
        "low_balance": (True, False),
        "spending_cap": (False, True),
        "payment_reminder": (True, True),
        "auto_top_up": (True, True),
        "security": (True, True),
    }


def test_a_change_of_everything_leaves_one_record(client: FlaskClient, session: Session, asha: User) -> None:
    body = {"theme": "dark", "notifications": {"low_balance": {"mail": False}}}
    assert patch(client, body)[0] == 200
    chosen = AuditRecord.action.like("user.%changed"), AuditRecord.resource_id == str(asha.id)
    (record,) = session.scalars(select(AuditRecord).where(*chosen))
    assert (record.action, record.after) == (
        "user.preferences_changed",
        {"theme": "dark", "low_balance mail": False},
    )


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"theme": "pink"}, "/theme"),
        ({"language": "fr"}, "/language"),
        ({"role": "super_admin"}, "/role"),
        ({"timezone": "UTC", "notifications": {"security": {"mail": False}}}, "/notifications/security/mail"),
    ],
)
def test_a_refusal_names_the_field_and_changes_nothing(
    client: FlaskClient, session: Session, asha: User, body: Any, pointer: str
) -> None:
    status, answer = patch(client, body)
    assert (status, [field["pointer"] for field in answer["error"]["fields"]]) == (400, [pointer])
    user = session.scalars(select(User).execution_options(populate_existing=True)).one()
    assert (user.timezone, user.theme, user.locale, user.role) == ("Asia/Kolkata", None, None, Role.customer)


def test_a_change_without_the_token_of_the_session_is_refused(client: FlaskClient, asha: User) -> None:
    assert client.patch("/api/v1/me", json={"theme": "dark"}).status_code == 400


def test_a_key_is_nobody(client: FlaskClient, session: Session) -> None:
    secret = keys.create("all", scopes=["all"], actor=ACTOR, at=clock.now())[1]
    answer = client.get("/api/v1/me", headers={"Authorization": f"Bearer {secret}"})
    assert answer.status_code == 403
