"""People call the API with their session, and prove by the token that the call is theirs."""

from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import ApiKey
from app.permissions import Role
from tests import factories
from tests.auth.people import csrf_token, make_user, sign_in

NEW_KEY = {"name": "mine", "scopes": ["events:write"]}


def post(client: FlaskClient, path: str, body: Any, **headers: str) -> Any:
    return client.post(f"/api/v1{path}", json=body, headers=headers)


def test_a_signed_in_person_reads_what_the_role_allows(client: FlaskClient) -> None:
    sign_in(client, make_user(Role.support))

    assert client.get("/api/v1/admin/dead-letters").status_code == 200
    assert client.get("/api/v1/admin/api-keys").status_code == 403


def test_an_unsafe_call_without_the_token_of_the_page_is_refused(
    client: FlaskClient, session: Session
) -> None:
    sign_in(client, make_user(Role.super_admin))

    response = post(client, "/admin/api-keys", NEW_KEY)

    assert (response.status_code, response.json["status"]) == (400, "error")
    assert session.scalars(select(ApiKey)).all() == []


def test_with_the_token_it_is_done_and_the_secret_is_shown_once(
    client: FlaskClient, session: Session
) -> None:
    sign_in(client, make_user(Role.super_admin))

    response = post(client, "/admin/api-keys", NEW_KEY, **{"X-CSRFToken": csrf_token(client)})

    assert response.status_code == 201
    secret = response.json["data"]["attributes"]["secret"]
    key = session.scalars(select(ApiKey)).one()
    assert secret.startswith(f"otpb_{key.prefix}_")
    listed = client.get("/api/v1/admin/api-keys").json["data"]
    assert "secret" not in listed[0]["attributes"]


def test_a_revoked_key_is_refused_at_once_where_it_was_revoked(client: FlaskClient, session: Session) -> None:
    sign_in(client, make_user(Role.super_admin))
    token = {"X-CSRFToken": csrf_token(client)}
    made = post(client, "/admin/api-keys", {**NEW_KEY, "scopes": ["usage:read"]}, **token).json["data"]
    bearer = {"Authorization": f"Bearer {made['attributes']['secret']}"}
    assert client.get("/api/v1/events", headers=bearer).status_code == 200

    revoked = post(client, f"/admin/api-keys/{made['id']}/revoke", None, **token)

    assert revoked.json["data"]["attributes"]["revoked_at"] is not None
    assert client.get("/api/v1/events", headers=bearer).status_code == 401


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"scopes": ["everything"]}, "/scopes"),
        ({"scopes": []}, "/scopes"),
        ({"name": " "}, "/name"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "/expires_at"),
        ({"kind": "basic"}, "/kind"),
        ({"allowed_ips": ["here"]}, "/allowed_ips/0"),
    ],
)
def test_a_key_that_makes_no_sense_is_not_made(
    change: dict[str, Any], pointer: str, client: FlaskClient, session: Session
) -> None:
    sign_in(client, make_user(Role.super_admin))

    response = post(client, "/admin/api-keys", {**NEW_KEY, **change}, **{"X-CSRFToken": csrf_token(client)})

    assert response.status_code == 400
    assert [field["pointer"] for field in response.json["error"]["fields"]] == [pointer]
    assert session.scalars(select(ApiKey)).all() == []


def test_a_customer_sees_the_events_of_the_own_accounts_only(client: FlaskClient) -> None:
    mine, theirs = factories.make_account(external_id="mine"), factories.make_account(external_id="theirs")
    sign_in(client, make_user(Role.customer, customer=mine.customer))

    assert client.get("/api/v1/events?account_id=mine").status_code == 200
    assert client.get(f"/api/v1/events?account_id={theirs.id}").status_code == 404
    assert post(client, "/events", {}, **{"X-CSRFToken": csrf_token(client)}).status_code == 403
