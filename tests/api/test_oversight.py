"""What staff look over by the API: the audit trail, people, the books."""

from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.models import User
from app.permissions import Role
from tests import factories as make
from tests.api.conftest import Caller, NewCaller
from tests.auth.people import csrf_token, make_user, sign_in


def test_the_audit_trail_tells_who_did_what(session: Session, caller: Caller) -> None:
    body = {"name": "Asha Traders", "email": "accounts@asha.example.in"}
    customer = caller.post("/customers", body).json["data"]
    (record,) = caller.get("/admin/audit", resource_type="Customer", resource_id=customer["id"]).json["data"]
    told = record["attributes"]
    assert (told["action"], told["role"], told["actor"]) == ("customer.created", "service", "test")
    assert (told["after"], told["before"]) == (body, None)
    assert caller.get("/admin/audit", action="customer.deleted").json["data"] == []


def test_the_audit_trail_is_asked_like_its_screen(session: Session, caller: Caller) -> None:
    headers = {"X_Request_Id": "from-crm"}
    made = caller.post("/customers", {"name": "Asha Traders", "email": "a@asha.example.in"}, **headers).json
    asked = [
        {"request_id": "from-crm"},
        {"actor": "test", "action": "customer.created", "ip": "127.0.0.1"},
        {"actor_kind": "api_key", "role": "service", "resource_id": made["data"]["id"]},
    ]
    for query in asked:
        (record,) = caller.get("/admin/audit", **query).json["data"]
        told = record["attributes"]
        assert (told["resource_id"], told["request_id"]) == (made["data"]["id"], "from-crm")
        assert len(told["sha256"]) == 64
    assert caller.get("/admin/audit", ip="10.0.0.1").json["data"] == []


def test_the_audit_trail_has_pages(session: Session, caller: Caller) -> None:
    for _ in range(3):
        make.make_customer()
    first = caller.get("/admin/audit", action="customer.created", limit=2).json
    rest = caller.get(
        "/admin/audit", action="customer.created", limit=2, cursor=first["meta"]["next_cursor"]
    ).json
    assert (len(first["data"]), len(rest["data"]), rest["meta"]["next_cursor"]) == (2, 1, None)


def test_a_key_looks_over_nothing_it_has_no_scope_for(session: Session, new_caller: NewCaller) -> None:
    bound, sender = new_caller("all", account=make.make_account()), new_caller("events:write")
    for path in ("/admin/audit", "/admin/verify", "/admin/users"):
        assert bound.get(path).status_code == 403, path
        assert sender.get(path).status_code == 403, path


def test_people_are_made_by_super_admins_and_keys_of_that_scope(
    session: Session, client: FlaskClient, new_caller: NewCaller
) -> None:
    body = {"email": "new@otpless.example", "role": "support"}
    assert new_caller("admin:write").post("/admin/users", body).status_code == 403
    by_key = new_caller("users:write").post("/admin/users", {"email": "k@otpless.example", "role": "support"})
    assert by_key.status_code == 201
    sign_in(client, make_user(Role.super_admin))
    before = session.scalar(select(func.count()).select_from(User))
    headers = {"X-CSRFToken": csrf_token(client)}
    made = client.post("/api/v1/admin/users", json=body, headers=headers)
    assert made.status_code == 201
    assert made.json["data"]["attributes"]["role"] == "support"
    assert client.get("/api/v1/admin/users").json["data"][0] == made.json["data"]
    again = client.post("/api/v1/admin/users", json=body, headers=headers)
    robot = client.post(
        "/api/v1/admin/users", json={"email": "x@otpless.example", "role": "service"}, headers=headers
    )
    assert (again.status_code, robot.status_code) == (409, 400)
    assert session.scalar(select(func.count()).select_from(User)) == (before or 0) + 1
