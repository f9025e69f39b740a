"""The screen of the people who sign in."""

import re

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import OutboxMessage, User
from app.permissions import Role
from app.services import outbox
from tests import factories
from tests.auth.people import csrf_token, make_user, sign_in


@pytest.fixture
def admin(client: FlaskClient) -> User:
    """Whoever is signed in."""
    user = make_user(Role.super_admin, name="Ananya Rao")
    sign_in(client, user)
    return user


def operate(client: FlaskClient, name: str, user: User, **values: str) -> int:
    form = {"csrf_token": csrf_token(client), **values}
    return client.post(f"/admin/users/operation/{name}/?id={user.id}", data=form).status_code


def test_somebody_is_invited_and_their_state_is_shown(
    client: FlaskClient, admin: User, session: Session
) -> None:
    form = {"csrf_token": csrf_token(client), "email": "Meera@OTPless.example", "name": "Meera Iyer"}
    form |= {"role": "finance_admin", "timezone": "Asia/Kolkata"}
    assert client.post("/admin/users/new/", data=form).status_code == 302
    user = session.scalars(select(User).where(User.email == "meera@otpless.example")).one()
    assert (user.role, user.active) == (Role.finance_admin, True)
    page = client.get("/admin/users/").get_data(as_text=True)
    assert "Invited" in page
    user.active = False
    session.flush()
    assert "Blocked" in client.get("/admin/users/").get_data(as_text=True)


def test_somebody_invited_is_mailed_and_their_page_says_so(
    client: FlaskClient, admin: User, session: Session
) -> None:
    form = {"csrf_token": csrf_token(client), "email": "meera@otpless.example", "name": "Meera Iyer"}
    form |= {"role": "finance_admin", "timezone": "Asia/Kolkata", "locale": "hi"}
    assert client.post("/admin/users/new/", data=form).status_code == 302
    user = session.scalars(select(User).where(User.email == "meera@otpless.example")).one()
    waiting = session.scalars(select(OutboxMessage)).one()
    assert (waiting.kind, waiting.payload) == (
        "user.invitation",
        {"user_id": str(user.id), "by": "Ananya Rao"},
    )
    path = f"/admin/users/details/?id={user.id}"
    assert "On its way since" in client.get(path).text
    outbox.deliver(10)
    page = client.get(path).text
    assert "Mailed <time" in page
    assert "हिन्दी" in page
    assert "No mail was sent" in client.get(f"/admin/users/details/?id={admin.id}").text


def test_the_language_is_one_of_four(client: FlaskClient, admin: User, session: Session) -> None:
    user = make_user(Role.support, name="Rohit")
    session.flush()
    path = f"/admin/users/edit/?id={user.id}"
    page = client.get(path).text
    choices = re.findall(
        r'<option[^>]* value="([^"]*)"', page.partition('name="locale"')[2].partition("</select")[0]
    )
    assert choices == ["", "en", "hi", "id", "ar"]
    form = {"csrf_token": csrf_token(client), "name": "Rohit", "timezone": "UTC"}
    assert client.post(path, data={**form, "locale": "fr"}).status_code == 422
    session.refresh(user)
    assert (user.locale, user.timezone) == (None, "Asia/Kolkata")
    assert client.post(path, data={**form, "locale": "ar"}).status_code == 302
    assert user.locale == "ar"
    assert client.post(path, data={**form, "locale": ""}).status_code == 302
    assert user.locale is None


def test_a_role_is_changed_with_its_customer(client: FlaskClient, admin: User) -> None:
    user, customer = make_user(Role.support), factories.make_customer()
    assert operate(client, "change_role", user, role="customer") == 422
    assert user.role is Role.support
    assert operate(client, "change_role", user, role="customer", customer=str(customer.id)) == 302
    assert (user.role, user.customer_id) == (Role.customer, customer.id)


def test_access_is_ended_and_given_back(client: FlaskClient, admin: User) -> None:
    user = make_user(Role.support)
    assert operate(client, "block", user) == 302
    assert user.active is False
    assert operate(client, "let_in", user) == 302
    assert user.active is True
    assert operate(client, "end_sessions", user) == 302
    assert user.session_epoch == 2


def test_the_own_page_offers_no_change_of_role_and_a_forged_one_is_refused(
    client: FlaskClient, admin: User
) -> None:
    page = client.get(f"/admin/users/details/?id={admin.id}").get_data(as_text=True)
    assert "Sign out everywhere" in page
    assert "Change role" not in page
    assert "End access" not in page
    for name, values in (("change_role", {"role": "support"}), ("block", {})):
        operate(client, name, admin, **values)
        assert (admin.role, admin.active) == (Role.super_admin, True)


def test_the_form_changes_neither_role_nor_access(client: FlaskClient, admin: User) -> None:
    user = make_user(Role.support, name="Rohit")
    form = {"csrf_token": csrf_token(client), "name": "Rohit Verma", "timezone": "UTC"}
    form |= {"role": "super_admin", "active": "", "email": "other@otpless.example"}
    assert client.post(f"/admin/users/edit/?id={user.id}", data=form).status_code == 302
    assert (user.name, user.timezone) == ("Rohit Verma", "UTC")
    assert (user.role, user.active, user.email) == (Role.support, True, "support@otpless.example")
