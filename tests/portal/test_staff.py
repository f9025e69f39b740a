"""Staff who follow a link into the portal: led to the same in the back office, or told who can open it."""

from html import unescape

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.models import Payment
from app.permissions import Role
from tests.auth.people import csrf_token, make_user, sign_in
from tests.portal.world import World, make_world

WHO_CAN = "In the portal this page is for the people of the customer, in the back office for super admins."


@pytest.fixture
def world(client: FlaskClient) -> World:
    return make_world(client.application.test_client())


@pytest.mark.parametrize("role", [Role.super_admin, Role.finance_admin, Role.support])
def test_a_link_to_a_record_leads_to_its_page_in_the_back_office(
    client: FlaskClient, world: World, role: Role
) -> None:
    sign_in(client, make_user(role))
    invoice, wallet = world.own.invoice, world.own.wallet
    for path, screen, key in (
        (f"/portal/invoices/{invoice.id}", "invoices", invoice.id),
        (f"/portal/invoices/{invoice.id}/pdf", "invoices", invoice.id),
        (f"/portal/wallets/{wallet.id}/top-up", "wallets", wallet.id),
    ):
        answer = client.get(path)
        assert (answer.status_code, answer.location) == (303, f"/admin/{screen}/details/?id={key}")
        assert client.get(answer.location).status_code == 200
    assert client.get("/portal/").location == "/admin/"


def test_a_link_that_staff_open_before_they_signed_in_leads_there_too(
    client: FlaskClient, world: World
) -> None:
    path = f"/portal/invoices/{world.own.invoice.id}"
    asked = client.get(path)
    assert asked.location == f"/sign-in?next={path}?"
    user = make_user(Role.finance_admin)
    form = {"csrf_token": csrf_token(client), "user": str(user.id), "next": f"{path}?"}
    answer = client.post("/sign-in", data=form)
    assert (answer.status_code, answer.location) == (303, path)
    assert client.get(path).location == f"/admin/invoices/details/?id={world.own.invoice.id}"


def test_who_may_not_open_it_there_reads_who_can(client: FlaskClient, world: World) -> None:
    sign_in(client, make_user(Role.support))
    answer = client.get("/portal/keys")
    assert answer.status_code == 403
    assert WHO_CAN in unescape(answer.text)


def test_a_form_of_the_portal_is_for_customers_alone(
    client: FlaskClient, world: World, session: Session
) -> None:
    sign_in(client, make_user(Role.super_admin))
    form = {"csrf_token": csrf_token(client), "amount": "100", "gateway": "stripe"}
    answer = client.post(f"/portal/wallets/{world.own.wallet.id}/top-up", data=form)
    assert answer.status_code == 403
    assert "The portal is for customers." in answer.text
    assert session.scalar(select(func.count()).select_from(Payment)) == 0


def test_a_page_of_the_portal_that_is_none_is_not_found(client: FlaskClient, world: World) -> None:
    sign_in(client, make_user(Role.super_admin))
    assert client.get("/portal/nothing").status_code == 404
