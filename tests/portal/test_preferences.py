"""The preferences page: kept on the person and in the browser, and what the next page looks like."""

from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from app.models import User
from app.permissions import Role
from app.services import notifications, preferences
from tests.auth.people import csrf_token, make_user, sign_in
from tests.portal.world import World, make_world

KINDS = ("low_balance", "spending_cap", "payment_reminder")
STAFF_PAGE, PAGE = "/admin/preferences/", "/portal/preferences"


@pytest.fixture
def world(client: FlaskClient) -> World:
    return make_world(client)


def save(client: FlaskClient, path: str = PAGE, **fields: Any) -> TestResponse:
    form = {"name": "Asha Rao", "language": "", "timezone": "Asia/Kolkata", "theme": "system", **fields}
    return client.post(path, data={"csrf_token": csrf_token(client), **form})


def person(session: Session, email: str = "asha@lotus.example") -> User:
    return session.scalars(
        select(User).where(User.email == email).execution_options(populate_existing=True)
    ).one()


def test_the_choices_are_stored_and_the_next_page_follows_them(
    client: FlaskClient, session: Session, world: World
) -> None:
    answer = save(client, language="ar", timezone="Asia/Jakarta", theme="dark", mail=["low_balance"])
    assert (answer.status_code, answer.location) == (303, PAGE)
    asha = person(session)
    assert (asha.locale, asha.timezone, asha.theme) == ("ar", "Asia/Jakarta", "dark")
    cookies = {name: client.get_cookie(name) for name in ("language", "theme")}
    assert {name: (kept.value, kept.http_only) for name, kept in cookies.items() if kept} == {
        "language": ("ar", True),
        "theme": ("dark", False),
    }
    page = client.get(PAGE).text
    assert '<html lang="ar" dir="rtl" data-theme="dark" data-bs-theme="dark">' in page
    assert "vendor/tabler/tabler.rtl.min.css" in page
    assert "تم الحفظ." in page
    held = {one.kind: (one.in_product, one.mail) for one in preferences.choices(asha)}
    assert held == {
        "low_balance": (False, True),
        "spending_cap": (False, False),
        "payment_reminder": (False, False),
        "auto_top_up": (True, True),
        "security": (True, True),
    }


def test_another_browser_of_the_same_person_looks_the_same(client: FlaskClient, world: World) -> None:
    save(client, language="id", theme="dark")
    client.delete_cookie("theme")
    client.delete_cookie("language")
    assert '<html lang="id" dir="ltr" data-theme="dark" data-bs-theme="dark">' in client.get(PAGE).text


def test_a_value_that_cannot_be_is_told_at_its_field_and_nothing_is_stored(
    client: FlaskClient, session: Session, world: World
) -> None:
    answer = save(client, name="", timezone="Nowhere/Land", language="hi", mail=["low_balance"])
    assert answer.status_code == 400
    assert 'id="name-error"' in answer.text
    assert 'id="timezone-error"' in answer.text
    assert 'value="Nowhere/Land"' in answer.text
    asha = person(session)
    assert (asha.name, asha.locale, asha.timezone) == ("Asha Rao", None, "Asia/Kolkata")
    assert all(notifications.preferences(world.own.customer).values())


def test_staff_have_the_same_page_behind_their_account_menu(client: FlaskClient, session: Session) -> None:
    sign_in(client, make_user(Role.support, email="rohit@example.com", name="Rohit"))
    assert f'href="{STAFF_PAGE}"' in client.get("/admin/").text
    answer = save(client, f"{STAFF_PAGE}save", name="Rohit Iyer", language="hi", in_product=list(KINDS))
    assert answer.status_code == 303
    rohit = person(session, "rohit@example.com")
    assert (rohit.name, rohit.locale) == ("Rohit Iyer", "hi")
    page = client.get(STAFF_PAGE).text
    assert '<html lang="hi" dir="ltr"' in page
    assert "ग्राहक" in page
    assert "सहेजा गया।" in page


def test_notifications_are_behind_the_bell_and_not_in_the_sidebar(client: FlaskClient) -> None:
    sign_in(client, make_user(Role.super_admin, email="ananya@example.com"))
    sidebar = client.get("/admin/").text.partition('class="sidebar-nav"')[2].partition("</nav>")[0]
    assert "/admin/customers/" in sidebar
    assert "/admin/inbox/" not in sidebar
    assert STAFF_PAGE not in sidebar


@pytest.mark.parametrize(
    ("language", "balance", "day"),
    [
        ("en", "₹900.00", "Wallet balance"),
        ("hi", "₹900.00", "वॉलेट का शेष"),
        ("id", "Rs 900,00", "Saldo dompet"),
        ("ar", "₹900.00", "رصيد المحفظة"),
    ],
)
def test_amounts_are_written_as_the_reader_does(
    client: FlaskClient, session: Session, world: World, language: str, balance: str, day: str
) -> None:
    person(session).locale = language
    session.flush()
    page = client.get("/portal/").text.replace("\N{NO-BREAK SPACE}", " ")
    assert f'<span class="money">{balance}</span>' in page
    assert day in page
