"""Signing in by an identity provider, over the real code flow: who comes in, and as what."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.models import AuditRecord, Customer, User
from app.permissions import Role
from tests.auth.people import csrf_token, make_user
from tests.auth.providing import CUSTOMER, ROLES, ProviderProcess, Traveller, forget_provider

MEERA = "meera@otpless.example"
STAFF = {"sub": "auth0|meera", "name": "Meera Iyer", "amr": ["pwd", "mfa"]}
CLIENT = {"sub": "auth0|vikram", "name": "Vikram Shah"}


def people(session: Session) -> int:
    return session.scalar(select(func.count()).select_from(User)) or 0


def actions(session: Session) -> list[str]:
    return list(session.scalars(select(AuditRecord.action).order_by(AuditRecord.at, AuditRecord.id)))


def test_the_page_leads_to_the_provider_and_lists_nobody(
    client: FlaskClient, provider: ProviderProcess
) -> None:
    make_user(Role.super_admin, name="Ananya Rao")
    page = client.get("/sign-in?next=/admin/invoices/").get_data(as_text=True)
    assert "Ananya Rao" not in page
    assert 'href="/sign-in/start?next=/admin/invoices/"' in page
    assert urlsplit(provider.issuer).netloc in page


def test_the_request_is_proved_by_pkce_and_answers_one_browser_once(
    traveller: Traveller, provider: ProviderProcess
) -> None:
    one, other = traveller.begin(), traveller.begin()
    asked, again = (parse_qs(urlsplit(address).query) for address in (one, other))
    assert (asked["response_type"], asked["code_challenge_method"]) == (["code"], ["S256"])
    assert (asked["client_id"], asked["scope"]) == (["billing"], ["openid profile email"])
    for name in ("state", "nonce", "code_challenge"):
        assert re.fullmatch(r"[A-Za-z0-9_-]{43}", asked[name][0])
        assert asked[name] != again[name]


def test_somebody_invited_comes_in_by_the_verified_address_and_later_by_subject(
    traveller: Traveller, provider: ProviderProcess, session: Session
) -> None:
    user = make_user(Role.finance_admin, email=MEERA)
    provider.control(people={MEERA: STAFF})
    answer = traveller.sign_in(MEERA, "/admin/invoices/")

    assert (answer.status_code, answer.location) == (303, "/admin/invoices/")
    assert (user.issuer, user.subject) == (provider.issuer, "auth0|meera")
    assert actions(session) == ["user.created", "user.linked", "user.signed_in"]
    traveller.client.post("/sign-out", data={"csrf_token": csrf_token(traveller.client)})
    provider.control(people={MEERA: {**STAFF, "email": "other@otpless.example", "email_verified": False}})
    assert traveller.sign_in(MEERA).location == "/admin/"
    assert (user.email, people(session)) == (MEERA, 1)


def test_a_role_of_the_claim_makes_somebody_new(
    traveller: Traveller, provider: ProviderProcess, session: Session
) -> None:
    provider.control(people={MEERA: {**STAFF, ROLES: ["viewer", "support", "finance_admin"]}})
    assert traveller.sign_in(MEERA).location == "/admin/"
    user = session.scalars(select(User)).one()
    assert (user.role, user.name, user.email) == (Role.finance_admin, "Meera Iyer", MEERA)
    records = session.scalars(select(AuditRecord).order_by(AuditRecord.at, AuditRecord.id)).all()
    assert [(one.action, one.actor_kind) for one in records] == [
        ("user.created", "identity_provider"),
        ("user.linked", "identity_provider"),
        ("user.signed_in", "user"),
    ]


def test_the_claim_replaces_the_role_that_somebody_had(
    traveller: Traveller, provider: ProviderProcess, session: Session
) -> None:
    user = make_user(Role.super_admin, email=MEERA)
    provider.control(people={MEERA: {**STAFF, ROLES: "support"}})
    assert traveller.sign_in(MEERA).location == "/admin/"
    assert user.role is Role.support
    record = session.scalars(select(AuditRecord).where(AuditRecord.action == "user.role_changed")).one()
    assert (record.before, record.after) == (
        {"role": "super_admin", "customer_id": None},
        {"role": "support", "customer_id": None},
    )


@pytest.mark.parametrize("named", ["cust-lotus", "id"])
def test_a_customers_person_belongs_to_the_customer_of_the_claim(
    traveller: Traveller, provider: ProviderProcess, session: Session, customer: Customer, named: str
) -> None:
    reference = str(customer.id) if named == "id" else named
    provider.control(people={"vikram@lotus.example": {**CLIENT, ROLES: ["customer"], CUSTOMER: reference}})
    assert traveller.sign_in("vikram@lotus.example").location == "/portal/"
    user = session.scalars(select(User)).one()
    assert (user.role, user.customer_id) == (Role.customer, customer.id)


def test_a_customers_person_needs_no_second_factor_and_keeps_the_customer_of_the_row(
    traveller: Traveller, provider: ProviderProcess, customer: Customer
) -> None:
    user = make_user(Role.customer, email="vikram@lotus.example", customer=customer)
    provider.control(people={user.email: CLIENT})
    assert traveller.sign_in(user.email).location == "/portal/"
    assert user.customer_id == customer.id


@pytest.mark.parametrize(
    ("told", "comes_in"),
    [
        ({"amr": ["mfa"]}, True),
        ({"acr": "http://schemas.openid.net/pape/policies/2007/06/multi-factor"}, True),
        ({"amr": ["pwd"]}, False),
        ({"amr": "mfa"}, False),
        ({"acr": "urn:acr:password"}, False),
        ({}, False),
    ],
)
def test_staff_need_a_second_factor(
    traveller: Traveller, provider: ProviderProcess, session: Session, told: dict[str, object], comes_in: bool
) -> None:
    user = make_user(Role.support, email=MEERA)
    provider.control(people={MEERA: {"sub": "1", **told}})
    answer = traveller.sign_in(MEERA)
    assert answer.status_code == (303 if comes_in else 403)
    assert traveller.is_signed_in is comes_in
    assert (user.subject is not None) is comes_in
    if not comes_in:
        assert "Staff sign in with a second factor. Set one up" in answer.get_data(as_text=True)
        assert actions(session) == ["user.created", "user.sign_in_refused"]


REFUSALS = {
    "nobody knows them": ({**STAFF}, "Nobody here knows you yet"),
    "the claim names no role": ({**STAFF, ROLES: ["viewer"]}, "Your account has no role here"),
    "the claim is empty": ({**STAFF, ROLES: []}, "Your account has no role here"),
    "the claim names a service": ({**STAFF, ROLES: ["service"]}, "Your account has no role here"),
    "the address is not verified": (
        {**STAFF, ROLES: "support", "email_verified": False},
        "address is not verified",
    ),
    "the address is verified in words": (
        {**STAFF, ROLES: "support", "email_verified": "true"},
        "address is not verified",
    ),
    "there is no address": ({**STAFF, ROLES: "support", "email": None}, "address is not verified"),
    "no customer is named": ({**CLIENT, ROLES: "customer"}, "which customer you belong to"),
    "an unknown customer is named": (
        {**CLIENT, ROLES: "customer", CUSTOMER: "cust-nobody"},
        "which customer you belong to",
    ),
}


@pytest.mark.parametrize("why", REFUSALS)
def test_who_is_not_let_in_reads_what_to_do(
    traveller: Traveller, provider: ProviderProcess, session: Session, why: str
) -> None:
    claims, message = REFUSALS[why]
    provider.control(people={MEERA: claims})
    answer = traveller.sign_in(MEERA)
    assert answer.status_code == 403
    assert message in answer.get_data(as_text=True)
    assert (traveller.is_signed_in, people(session)) == (False, 0)


def test_an_unverified_address_takes_over_nobody(traveller: Traveller, provider: ProviderProcess) -> None:
    user = make_user(Role.super_admin, email=MEERA)
    provider.control(people={MEERA: {**STAFF, "email_verified": False}})
    assert traveller.sign_in(MEERA).status_code == 403
    assert (traveller.is_signed_in, user.subject) == (False, None)


def test_a_second_account_with_the_same_address_takes_over_nobody(
    traveller: Traveller, provider: ProviderProcess, session: Session
) -> None:
    user = make_user(Role.super_admin, email=MEERA)
    user.issuer, user.subject = provider.issuer, "auth0|the first"
    session.flush()
    provider.control(people={MEERA: STAFF})
    answer = traveller.sign_in(MEERA)
    assert "belongs to somebody who signs in with another account" in answer.get_data(as_text=True)
    assert (traveller.is_signed_in, user.subject) == (False, "auth0|the first")


def test_somebody_blocked_stays_out_whatever_the_claim_says(
    traveller: Traveller, provider: ProviderProcess, session: Session
) -> None:
    user = make_user(Role.support, email=MEERA)
    user.active = False
    provider.control(people={MEERA: {**STAFF, ROLES: "super_admin"}})
    answer = traveller.sign_in(MEERA)
    assert "Your access was ended." in answer.get_data(as_text=True)
    assert (traveller.is_signed_in, user.role, user.active) == (False, Role.support, False)
    assert actions(session) == ["user.created", "user.sign_in_refused"]


def test_signing_out_ends_the_providers_session_too(traveller: Traveller, provider: ProviderProcess) -> None:
    make_user(Role.support, email=MEERA)
    provider.control(people={MEERA: STAFF})
    traveller.sign_in(MEERA)
    before = provider.control()
    answer = traveller.client.post("/sign-out", data={"csrf_token": csrf_token(traveller.client)})
    assert answer.location.startswith(f"{provider.issuer}oidc/logout?")
    assert "id_token_hint" in parse_qs(urlsplit(answer.location).query)
    back = traveller.there.get(answer.location, allow_redirects=False, timeout=10)
    assert urlsplit(back.headers["Location"]).path == "/sign-in"
    assert (provider.control(), traveller.is_signed_in) == (before - 1, False)


def test_where_discovery_names_no_place_to_sign_out_it_is_auth0s(
    traveller: Traveller, provider: ProviderProcess
) -> None:
    provider.control(people={MEERA: STAFF}, discovery={"end_session_endpoint": None})
    forget_provider()
    make_user(Role.support, email=MEERA)
    traveller.sign_in(MEERA)
    answer = traveller.client.post("/sign-out", data={"csrf_token": csrf_token(traveller.client)})
    assert answer.location.startswith(f"{provider.issuer}v2/logout?client_id=billing&returnTo=")
    back = traveller.there.get(answer.location, allow_redirects=False, timeout=10)
    assert urlsplit(back.headers["Location"]).path == "/sign-in"


def test_signing_out_works_while_the_provider_is_away(
    traveller: Traveller, provider: ProviderProcess
) -> None:
    make_user(Role.support, email=MEERA)
    provider.control(people={MEERA: STAFF})
    traveller.sign_in(MEERA)
    forget_provider()
    provider.control(down=True)
    answer = traveller.client.post("/sign-out", data={"csrf_token": csrf_token(traveller.client)})
    assert (answer.location, traveller.is_signed_in) == ("/sign-in", False)


def test_a_form_may_lead_to_the_provider_and_nowhere_else(
    app: Flask, client: FlaskClient, provider: ProviderProcess
) -> None:
    policy = client.get("/sign-in").headers["Content-Security-Policy"]
    assert f"form-action 'self' {provider.issuer.rstrip('/')};" in policy


def test_without_a_provider_its_pages_do_not_exist(client: FlaskClient) -> None:
    assert [client.get(f"/sign-in/{page}").status_code for page in ("start", "callback")] == [404, 404]
    assert "form-action 'self';" in client.get("/sign-in").headers["Content-Security-Policy"]


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "/\\evil.example", "/portal/"])
def test_no_other_site_and_no_closed_page_follows_the_providers_answer(
    traveller: Traveller, provider: ProviderProcess, target: str
) -> None:
    make_user(Role.support, email=MEERA)
    provider.control(people={MEERA: STAFF})
    assert traveller.sign_in(MEERA, target).location == "/admin/"
