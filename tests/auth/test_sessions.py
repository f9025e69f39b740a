"""What ends a session, everywhere, and what a copy of its cookie is worth."""

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock
from app.models import EndedSession, User
from app.permissions import Role
from app.services import user_changes
from tests.auth.people import SYSTEM, csrf_token, make_user, sign_in

COOKIE = "otpless_billing"


def cookie_of(client: FlaskClient) -> str:
    cookie = client.get_cookie(COOKIE)
    assert cookie is not None
    return cookie.value


def test_a_copy_of_the_cookie_opens_nothing_after_signing_out(
    app: Flask, client: FlaskClient, session: Session
) -> None:
    sign_in(client, make_user(Role.super_admin))
    thief = app.test_client()
    thief.set_cookie(COOKIE, cookie_of(client))
    assert thief.get("/").location == "/admin/"
    client.post("/sign-out", data={"csrf_token": csrf_token(client)})
    assert thief.get("/").location == "/sign-in"
    assert len(session.scalars(select(EndedSession)).all()) == 1


def test_a_new_session_ends_the_one_before(app: Flask, client: FlaskClient) -> None:
    user, other = make_user(Role.super_admin), make_user(Role.support)
    sign_in(client, user)
    before = cookie_of(client)
    client.post("/sign-in", data={"csrf_token": csrf_token(client), "user": str(other.id)})
    copy = app.test_client()
    copy.set_cookie(COOKIE, before)
    assert (copy.get("/").location, client.get("/").location) == ("/sign-in", "/admin/")


def test_signing_out_leaves_the_same_persons_other_browser_alone(app: Flask, client: FlaskClient) -> None:
    user, other = make_user(Role.super_admin), app.test_client()
    sign_in(client, user)
    sign_in(other, user)
    client.post("/sign-out", data={"csrf_token": csrf_token(client)})
    assert (client.get("/").location, other.get("/").location) == ("/sign-in", "/admin/")


ENDS: dict[str, Callable[[User], object]] = {
    "signed out everywhere": lambda user: user_changes.end_sessions(user, at=clock.now(), actor=SYSTEM),
    "blocked": lambda user: user_changes.block(user, at=clock.now(), actor=SYSTEM),
    "another role": lambda user: user_changes.change_role(user, Role.support, actor=SYSTEM),
    "begins anew": lambda user: user_changes.forget_identity(user, at=clock.now(), actor=SYSTEM),
}


@pytest.mark.parametrize("how", ENDS)
def test_all_sessions_of_a_person_end_with_the_next_click(app: Flask, client: FlaskClient, how: str) -> None:
    make_user(Role.super_admin)
    user, other = make_user(Role.finance_admin), app.test_client()
    sign_in(client, user)
    sign_in(other, user)
    ENDS[how](user)
    assert (client.get("/").location, other.get("/").location) == ("/sign-in", "/sign-in")


def test_a_session_without_its_own_id_is_none_of_ours(client: FlaskClient) -> None:
    sign_in(client, make_user(Role.super_admin))
    with client.session_transaction() as kept:
        del kept["sid"]
    assert client.get("/").location == "/sign-in"


def test_the_cookie_is_kept_from_scripts_and_other_sites(client: FlaskClient) -> None:
    token = csrf_token(client)
    user = make_user(Role.super_admin)
    answer = client.post("/sign-in", data={"csrf_token": token, "user": str(user.id)})
    (cookie,) = [one for one in answer.headers.getlist("Set-Cookie") if one.startswith(f"{COOKIE}=")]
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
