"""API keys over HTTP, by a super admin's session."""

from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import ApiKey, AuditRecord
from app.permissions import Role
from tests import factories
from tests.api.signing import Sender
from tests.auth.people import csrf_token, make_user, sign_in

KEYS = "/api/v1/admin/api-keys"
EVENTS = "/api/v1/events"


class Admin:
    """A super admin who calls with a session."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client
        sign_in(client, make_user(Role.super_admin))
        self.token = {"X-CSRFToken": csrf_token(client)}

    def post(self, path: str, body: Any) -> Any:
        return self.client.post(f"{KEYS}{path}", json=body, headers=self.token)


@pytest.fixture
def admin(client: FlaskClient) -> Admin:
    return Admin(client)


def test_a_signed_key_is_made_with_all_that_it_can_have(admin: Admin, client: FlaskClient) -> None:
    account = factories.make_account(external_id="acct-1")
    body = {
        "name": "OTP gateway",
        "kind": "hmac",
        "scopes": ["usage:read", "events:write"],
        "account_id": "acct-1",
        "expires_at": "2040-01-01T00:00:00+05:30",
        "allowed_ips": ["127.0.0.0/8", "2001:db8::7"],
    }
    answer = admin.post("", body)
    made = answer.json["data"]
    attributes = made["attributes"]
    secret = attributes.pop("secret")

    assert answer.status_code == 201
    assert made["relationships"] == {"account": {"id": str(account.id), "type": "account"}}
    assert attributes.pop("secrets")[0].keys() == {"created_at", "expires_at"}
    del attributes["created_at"]
    assert attributes == {
        "name": "OTP gateway",
        "kind": "hmac",
        "prefix": secret.split("_")[1],
        "scopes": ["events:write", "usage:read"],
        "allowed_ips": ["127.0.0.0/8", "2001:db8::7/128"],
        "state": "active",
        "expires_at": "2039-12-31T18:30:00Z",
        "revoked_at": None,
        "last_used_at": None,
    }
    assert Sender(made["id"], secret).send(client, "GET", EVENTS).status_code == 200
    shown = client.get(f"{KEYS}/{made['id']}").json["data"]
    assert "secret" not in shown["attributes"]
    assert shown["attributes"]["last_used_at"] is not None


def test_a_key_is_rotated_and_a_third_secret_is_a_conflict(admin: Admin, client: FlaskClient) -> None:
    made = admin.post("", {"name": "x", "kind": "hmac", "scopes": ["all"]}).json["data"]
    path = f"/{made['id']}/rotate"
    rotated = admin.post(path, {"overlap_hours": 1})
    third = admin.post(path, {})

    assert rotated.status_code == 200
    assert [one["expires_at"] is None for one in rotated.json["data"]["attributes"]["secrets"]] == [
        False,
        True,
    ]
    secrets = [one["attributes"]["secret"] for one in (made, rotated.json["data"])]
    assert len(set(secrets)) == 2
    for secret in secrets:
        assert Sender(made["id"], secret).send(client, "GET", EVENTS).status_code == 200
    assert (third.status_code, third.json["error"]["code"]) == (409, "conflict")
    assert len(client.get(f"{KEYS}/{made['id']}").json["data"]["attributes"]["secrets"]) == 2


@pytest.mark.parametrize("hours", [-1, 721, "1"])
def test_an_overlap_that_cannot_be_is_refused(admin: Admin, session: Session, hours: Any) -> None:
    made = admin.post("", {"name": "x", "scopes": ["all"]}).json["data"]
    assert admin.post(f"/{made['id']}/rotate", {"overlap_hours": hours}).status_code == 400
    assert len(session.scalars(select(ApiKey)).one().secrets) == 1


def test_a_revoked_key_says_so_and_every_step_is_in_the_audit(admin: Admin, session: Session) -> None:
    made = admin.post("", {"name": "x", "scopes": ["all"]}).json["data"]
    admin.post(f"/{made['id']}/rotate", {})
    revoked = admin.post(f"/{made['id']}/revoke", None).json["data"]["attributes"]
    again = admin.post(f"/{made['id']}/rotate", {})

    assert (revoked["state"], again.status_code) == ("revoked", 409)
    found = session.execute(
        select(AuditRecord.action, AuditRecord.ip)
        .where(AuditRecord.resource_id == made["id"])
        .order_by(AuditRecord.at, AuditRecord.id)
    ).all()
    assert [tuple(one) for one in found] == [
        ("api_key.created", "127.0.0.1"),
        ("api_key.rotated", "127.0.0.1"),
        ("api_key.revoked", "127.0.0.1"),
    ]


@pytest.mark.parametrize("role", [Role.finance_admin, Role.support])
def test_other_staff_neither_see_nor_make_keys(client: FlaskClient, session: Session, role: Role) -> None:
    sign_in(client, make_user(role))
    token = {"X-CSRFToken": csrf_token(client)}
    assert client.get(KEYS).status_code == 403
    assert client.post(KEYS, json={"name": "x", "scopes": ["all"]}, headers=token).status_code == 403
    assert session.scalars(select(ApiKey)).all() == []
