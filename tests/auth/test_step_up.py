"""Refunds, approvals, API keys and roles ask for a fresh sign-in: who has to, how it is done, and who is not
asked.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, quote, urlsplit

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.models import ApiKey, AuditRecord, User
from app.permissions import Actor, Role
from app.services import approvals
from tests.auth.people import csrf_token, make_user, sign_in
from tests.auth.providing import ProviderProcess, Traveller
from tests.factories import make_wallet

ANANYA = "ananya@otpless.example"
STAFF = {"sub": "auth0|ananya", "amr": ["mfa"]}
KEYS = "/api/v1/admin/api-keys"
NEW_KEY = "/admin/api-keys/operation/make/"
LATER = timedelta(minutes=10, seconds=1)
SCREENS = {
    "api-keys": {"make", "rotate", "revoke"},
    "approvals": {"approve"},
    "invoices": {"credit", "void"},
    "payments": {"refund"},
    "users": {"create_view", "change_role", "end_sessions", "block", "let_in", "forget_identity"},
    "wallets": {"refund"},
}
ADDRESSES = {
    "POST /api/v1/admin/api-keys",
    "POST /api/v1/admin/api-keys/<uuid:key_id>/revoke",
    "POST /api/v1/admin/api-keys/<uuid:key_id>/rotate",
    "POST /api/v1/admin/users",
    "PATCH /api/v1/admin/users/<uuid:user_id>",
    "POST /api/v1/admin/users/<uuid:user_id>/end-sessions",
    "POST /api/v1/approvals/<uuid:approval_id>/approve",
    "POST /api/v1/invoices/<uuid:invoice_id>/credit-notes",
    "POST /api/v1/invoices/<uuid:invoice_id>/void",
    "POST /api/v1/payments/<uuid:payment_id>/refunds",
    "POST /api/v1/wallets/<uuid:wallet_id>/refunds",
}


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """The clock, standing still until a test moves it; at the true time, by which the provider goes."""
    with time_machine.travel(datetime.now(UTC), tick=False) as traveller:
        yield traveller


def keys(session: Session) -> int:
    return session.scalar(select(func.count()).select_from(ApiKey)) or 0


def test_these_operations_ask_and_no_others(app: Flask) -> None:
    found = {}
    for screen in app.extensions["admin_screens"].values():
        asking = {one.name for one in screen.operations if one.needs_recent_sign_in}
        if asking | screen.needs_recent_sign_in:
            found[screen.slug] = asking | screen.needs_recent_sign_in
    assert found == SCREENS


def test_these_addresses_ask_and_no_others(app: Flask) -> None:
    found = {
        f"{method} {rule.rule}"
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api/v1/")
        and getattr(app.view_functions[rule.endpoint], "__needs_recent_sign_in__", False)
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert found == ADDRESSES


def test_whoever_signed_in_just_now_is_not_asked(client: FlaskClient, clock: time_machine.Traveller) -> None:
    sign_in(client, make_user(Role.super_admin))
    clock.shift(timedelta(minutes=10))
    assert client.get(NEW_KEY).status_code == 200


def test_a_form_asks_whoever_signed_in_long_ago_and_they_come_back_to_it(
    client: FlaskClient, clock: time_machine.Traveller, session: Session
) -> None:
    user = make_user(Role.super_admin, name="Ananya Rao")
    make_user(Role.support, name="Rohit Verma")
    sign_in(client, user)
    clock.shift(LATER)
    answer = client.get(NEW_KEY)
    assert (answer.status_code, answer.location) == (303, f"/sign-in/again?next={NEW_KEY}?")
    page = client.get(answer.location).get_data(as_text=True)
    assert "at most 10 minutes old" in page
    assert "Ananya Rao" in page
    assert "Rohit Verma" not in page
    form = {"csrf_token": csrf_token(client), "user": str(user.id), "next": NEW_KEY}
    assert client.post("/sign-in", data=form).location == NEW_KEY
    assert client.get(NEW_KEY).status_code == 200
    actions = session.scalars(select(AuditRecord.action).where(AuditRecord.resource_id == str(user.id)))
    assert set(actions) == {"user.created", "user.signed_in", "user.signed_in_again"}


def test_a_form_that_is_sent_too_late_changes_nothing(
    client: FlaskClient, clock: time_machine.Traveller, session: Session
) -> None:
    sign_in(client, make_user(Role.super_admin))
    clock.shift(LATER)
    form = {"csrf_token": csrf_token(client), "name": "x", "kind": "bearer", "scopes": "all"}
    answer = client.post(NEW_KEY, data=form)
    assert (answer.status_code, answer.location) == (303, f"/sign-in/again?next={NEW_KEY}?")
    assert keys(session) == 0


def test_what_is_done_to_many_asks_and_leads_back_to_the_list(
    client: FlaskClient, clock: time_machine.Traveller
) -> None:
    sign_in(client, make_user(Role.super_admin))
    clock.shift(LATER)
    form = {"csrf_token": csrf_token(client), "action": "revoke", "rowid": "1"}
    answer = client.post("/admin/api-keys/action/", data=form)
    assert (answer.status_code, answer.location) == (303, "/sign-in/again?next=/admin/api-keys/")


def test_the_api_refuses_a_session_that_is_not_fresh(
    client: FlaskClient, clock: time_machine.Traveller, session: Session
) -> None:
    sign_in(client, make_user(Role.super_admin))
    clock.shift(LATER)
    headers = {"X-CSRFToken": csrf_token(client)}
    answer = client.post(KEYS, json={"name": "x", "scopes": ["all"]}, headers=headers)
    assert (answer.status_code, answer.json["error"]["code"]) == (403, "step_up_required")
    assert keys(session) == 0
    assert client.get(KEYS).status_code == 200


def test_an_approval_asks_the_second_person_too(
    client: FlaskClient, clock: time_machine.Traveller, session: Session
) -> None:
    wallet, meera = make_wallet("60000"), make_user(Role.finance_admin, name="Meera Iyer")
    asker = Actor(kind="user", id=str(meera.id), label=meera.name, role=Role.finance_admin)
    asked = approvals.ask("refund", wallet, "50001", at=datetime.now(UTC), actor=asker, reason="Asked for")
    session.flush()
    sign_in(client, make_user(Role.super_admin))
    clock.shift(LATER)
    token = csrf_token(client)
    path = f"/admin/approvals/operation/approve/?id={asked.id}"
    answer = client.post(path, data={"csrf_token": token})
    assert (answer.status_code, answer.location) == (303, f"/sign-in/again?next={quote(path, safe='/?')}")
    refused = client.post(f"/api/v1/approvals/{asked.id}/approve", headers={"X-CSRFToken": token})
    assert (refused.status_code, refused.json["error"]["code"]) == (403, "step_up_required")
    assert (asked.status, wallet.balance) == ("requested", 60_000)


def test_the_time_of_signing_in_again_does_not_lengthen_the_day(
    client: FlaskClient, clock: time_machine.Traveller
) -> None:
    user = make_user(Role.super_admin)
    sign_in(client, user)
    for _ in range(23):
        clock.shift(timedelta(minutes=20))
        form = {"csrf_token": csrf_token(client), "user": str(user.id)}
        assert client.post("/sign-in", data=form).location == "/admin/"
    clock.shift(timedelta(minutes=20))
    assert client.get("/").location == "/sign-in"


@pytest.fixture
def signed_in(traveller: Traveller, provider: ProviderProcess, session: Session) -> User:
    """A super admin who came by the provider."""
    user = make_user(Role.super_admin, email=ANANYA)
    provider.control(people={ANANYA: STAFF})
    assert traveller.sign_in(ANANYA).location == "/admin/"
    return user


def test_the_provider_is_asked_for_a_fresh_proof_and_leads_back(
    traveller: Traveller, signed_in: User, clock: time_machine.Traveller, session: Session
) -> None:
    assert traveller.client.get(NEW_KEY).status_code == 200
    with traveller.client.session_transaction() as kept:
        kept["proved_at"] = (datetime.now(UTC) - LATER).isoformat()
        before = kept["sid"], kept["begun_at"]
    again = traveller.client.get(NEW_KEY).location
    address = traveller.client.get(again).location
    asked = parse_qs(urlsplit(address).query)
    assert (asked["prompt"], asked["max_age"]) == (["login"], ["600"])
    assert asked["acr_values"] == ["http://schemas.openid.net/pape/policies/2007/06/multi-factor"]

    assert traveller.there.get(address, timeout=10).text.startswith("<!doctype html>")
    assert traveller.come_back(traveller.prove(address, ANANYA)).location == NEW_KEY
    assert traveller.client.get(NEW_KEY).status_code == 200
    with traveller.client.session_transaction() as kept:
        assert kept["sid"] != before[0]
        assert kept["begun_at"] == before[1]


def refused(traveller: Traveller, email: str = ANANYA) -> str:
    """Sign in again in vain; return the page."""
    with traveller.client.session_transaction() as kept:
        kept["proved_at"] = (datetime.now(UTC) - LATER).isoformat()
    answer = traveller.sign_in(email, path="/sign-in/again")
    assert answer.status_code == 403
    assert traveller.is_signed_in
    assert traveller.client.get(NEW_KEY).status_code == 303
    return answer.get_data(as_text=True)


@pytest.mark.parametrize(
    "controls", [{"keeps_session": True, "shift": {"auth_time": -601}}, {"claims": {"auth_time": None}}]
)
def test_a_provider_that_did_not_ask_again_is_not_believed(
    traveller: Traveller, provider: ProviderProcess, signed_in: User, controls: dict[str, object]
) -> None:
    provider.control(**controls)
    assert "did not ask you to sign in again" in refused(traveller)


@pytest.mark.parametrize("claims", [{"auth_time": "now"}, {"auth_time": 9_999_999_999}])
def test_a_time_that_cannot_be_proves_nothing(
    traveller: Traveller, provider: ProviderProcess, signed_in: User, claims: dict[str, object]
) -> None:
    provider.control(claims=claims)
    assert "did not ask you to sign in again" in refused(traveller)


def test_somebody_else_cannot_sign_in_again_for_whoever_is_here(
    traveller: Traveller, provider: ProviderProcess, signed_in: User
) -> None:
    make_user(Role.super_admin, email="other@otpless.example")
    provider.control(people={ANANYA: STAFF, "other@otpless.example": {"sub": "2", "amr": ["mfa"]}})
    assert "You signed in as somebody else." in refused(traveller, "other@otpless.example")


def test_signing_in_again_needs_the_second_factor_again(
    traveller: Traveller, provider: ProviderProcess, signed_in: User
) -> None:
    provider.control(claims={"amr": ["pwd"]})
    assert "Staff sign in with a second factor" in refused(traveller)


def test_a_provider_that_tells_no_time_lets_in_and_is_asked_again_before_it_matters(
    traveller: Traveller, provider: ProviderProcess
) -> None:
    make_user(Role.super_admin, email=ANANYA)
    provider.control(people={ANANYA: STAFF}, claims={"auth_time": None})
    assert traveller.sign_in(ANANYA).location == "/admin/"
    assert traveller.client.get(NEW_KEY).status_code == 303


def test_a_stranger_is_asked_to_sign_in_first(client: FlaskClient) -> None:
    assert client.get("/sign-in/again").location.startswith("/sign-in?next=")
