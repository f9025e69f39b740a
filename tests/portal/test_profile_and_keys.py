"""The customer's profile, keys and vouchers: one's own, and nothing of anybody else's."""

import re
from typing import Any
from uuid import uuid4

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from app import clock
from app.models import ApiKey, AuditRecord, Customer, Notification
from app.services import keys
from tests.auth.people import csrf_token
from tests.factories import ACTOR
from tests.portal.world import World, make_world

CONTACTS = {
    "email": "accounts@lotus.example",
    "billing_emails": "a@lotus.example\nb@lotus.example",
    "phone": "+919876543210",
    "address_line1": "12 MG Road",
    "address_line2": "",
    "city": "Bengaluru",
    "postal_code": "560001",
}


@pytest.fixture
def world(client: FlaskClient) -> World:
    return make_world(client)


def post(client: FlaskClient, path: str, **fields: Any) -> TestResponse:
    return client.post(path, data={"csrf_token": csrf_token(client), **fields})


def actions(session: Session, prefix: str) -> list[str]:
    query = select(AuditRecord.action).where(AuditRecord.action.startswith(prefix)).order_by(AuditRecord.id)
    return list(session.scalars(query))


def make(client: FlaskClient, world: World, **fields: Any) -> TestResponse:
    form = {"name": "Reports", "account": str(world.own.prepaid.id), "scopes": ["usage:read"], **fields}
    return post(client, "/portal/keys/new", **form)


def secret_of(answer: TestResponse) -> str:
    (secret,) = re.findall(r'id="secret" value="([^"]+)"', answer.text)
    return str(secret)


def test_contacts_are_changed_and_audited_and_the_tax_identity_is_not(
    client: FlaskClient, session: Session, world: World
) -> None:
    answer = post(client, "/portal/profile", **CONTACTS, name="Other Ltd", gstin="29ABCDE1234F1Z5")
    assert answer.status_code == 303
    customer = session.get_one(Customer, world.own.customer.id, populate_existing=True)
    assert (customer.email, customer.phone, customer.city) == (
        "accounts@lotus.example",
        "+919876543210",
        "Bengaluru",
    )
    assert customer.billing_emails == ["a@lotus.example", "b@lotus.example"]
    assert (customer.name, customer.gstin) == ("Lotus Retail", None)
    assert actions(session, "customer.updated") == ["customer.updated"]


def test_a_contact_that_cannot_be_is_told_at_its_field_and_nothing_is_stored(
    client: FlaskClient, session: Session, world: World
) -> None:
    before = world.own.customer.email
    answer = post(client, "/portal/profile", **{**CONTACTS, "phone": "12", "billing_emails": "nobody"})
    assert answer.status_code == 400
    assert 'id="phone-error"' in answer.text
    assert 'id="billing_emails-error"' in answer.text
    customer = session.get_one(Customer, world.own.customer.id, populate_existing=True)
    assert (customer.email, customer.phone, customer.billing_emails) == (before, None, [])
    assert actions(session, "customer.updated") == []


def test_a_key_is_made_shown_once_and_reads_the_account_only(
    client: FlaskClient, session: Session, world: World
) -> None:
    secret = secret_of(make(client, world))
    (key,) = session.scalars(select(ApiKey).where(ApiKey.name == "Reports"))
    assert (key.account_id, key.scopes) == (world.own.prepaid.id, ["usage:read"])
    assert secret not in client.get("/portal/keys").text
    caller = client.application.test_client()
    headers = {"Authorization": f"Bearer {secret}"}
    accounts = [world.own.prepaid.external_id, world.foreign.prepaid.external_id]
    found = [caller.get(f"/api/v1/usage?account_id={one}", headers=headers).status_code for one in accounts]
    assert found == [200, 404]
    assert caller.get("/api/v1/wallets", headers=headers).status_code == 403
    assert actions(session, "api_key.") == ["api_key.created"]
    told = session.scalars(select(Notification).where(Notification.kind == "security")).one()
    assert told.title == f"{world.own.prepaid.name}: the API key Reports was made"
    assert (told.customer_id, told.facts) == (world.own.customer.id, [["By", "Asha Rao"]])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("account", ""),
        ("account", "foreign"),
        ("scopes", []),
        ("scopes", ["events:write"]),
        ("scopes", ["usage:read", "all"]),
    ],
)
def test_a_key_beyond_ones_own_is_refused_and_none_is_made(
    client: FlaskClient, session: Session, world: World, field: str, value: Any
) -> None:
    given = str(world.foreign.prepaid.id) if value == "foreign" else value
    answer = make(client, world, **{field: given})
    assert answer.status_code == 400
    assert f'id="{field}-error"' in answer.text
    assert list(session.scalars(select(ApiKey))) == []


def test_a_key_is_rotated_and_revoked(client: FlaskClient, session: Session, world: World) -> None:
    first = secret_of(make(client, world))
    (key,) = session.scalars(select(ApiKey))
    second = secret_of(post(client, f"/portal/keys/{key.id}/rotate"))
    assert first != second
    assert post(client, f"/portal/keys/{key.id}/rotate").status_code == 303
    for _ in range(2):
        assert post(client, f"/portal/keys/{key.id}/revoke").status_code == 303
    session.refresh(key)
    assert keys.state_of(key, clock.now()) == "revoked"
    assert actions(session, "api_key.") == ["api_key.created", "api_key.rotated", "api_key.revoked"]


def test_keys_of_our_services_are_shown_and_cannot_be_touched(
    client: FlaskClient, session: Session, world: World
) -> None:
    at = clock.now()
    key, _ = keys.create("Metering", scopes=["events:write"], account=world.own.prepaid, actor=ACTOR, at=at)
    page = client.get("/portal/keys").text
    assert "Metering" in page
    assert f"/portal/keys/{key.id}/" not in page
    assert post(client, f"/portal/keys/{key.id}/revoke").status_code == 403
    assert post(client, f"/portal/keys/{key.id}/rotate").status_code == 303
    session.refresh(key)
    assert (key.revoked_at, len(key.secrets)) == (None, 1)


def test_somebody_elses_key_is_not_there(client: FlaskClient, session: Session, world: World) -> None:
    at = clock.now()
    foreign, _ = keys.create(
        "Foreign", scopes=["usage:read"], account=world.foreign.prepaid, actor=ACTOR, at=at
    )
    ours, _ = keys.create("Ours", scopes=["usage:read"], actor=ACTOR, at=at)
    page = client.get("/portal/keys").text
    assert "Foreign" not in page
    assert "Ours" not in page
    for key_id in (foreign.id, ours.id, uuid4()):
        for what in ("rotate", "revoke"):
            assert post(client, f"/portal/keys/{key_id}/{what}").status_code == 404
    session.refresh(foreign)
    assert foreign.revoked_at is None


def test_the_statement_of_a_currency_has_its_form_below_the_invoices(
    client: FlaskClient, world: World
) -> None:
    page = client.get("/portal/invoices").text
    assert 'action="/portal/statement"' in page
    assert '<input type="hidden" name="currency" value="INR">' in page


def test_there_is_no_voucher_of_anybody_else(client: FlaskClient, world: World) -> None:
    assert client.get("/portal/vouchers").status_code == 200
    assert client.get(f"/portal/vouchers/{uuid4()}/pdf").status_code == 404
