"""What a provider, or somebody between it and us, must not get away with: each is refused for its own reason,
and nobody is signed in.
"""

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.auth import attempts
from app.gateways import identity, jwks
from app.models import User
from app.permissions import Role
from tests.auth.people import make_user
from tests.auth.providing import ProviderProcess, Traveller, forget_provider

MEERA = "meera@otpless.example"
STAFF = {"sub": "auth0|meera", "amr": ["mfa"]}
HOUR = 3_600
FORGED = {
    "alg_none": "id_token: header",
    "hs256_public": "id_token: header",
    "hs256_secret": "id_token: header",
    "embedded_key": "id_token: header",
    "no_kid": "id_token: header",
    "no_token": "id_token: header",
    "unknown_kid": "id_token: key",
    "foreign_key": "id_token: signature",
    "broken": "id_token: signature",
    "missing": "token: no ID token",
}
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "another sign-in's nonce": ({"claims": {"nonce": "of another"}}, "nonce"),
    "no nonce": ({"claims": {"nonce": None}}, "nonce"),
    "another issuer": ({"claims": {"iss": "https://evil.example/"}}, "iss"),
    "the issuer without its slash": ({"claims": {"iss": "http://127.0.0.1"}}, "iss"),
    "another application": ({"claims": {"aud": "another"}}, "aud"),
    "no application": ({"claims": {"aud": None}}, "aud"),
    "several applications": ({"claims": {"aud": ["billing", "another"]}}, "azp"),
    "for another party": ({"claims": {"azp": "another"}}, "azp"),
    "expired": ({"shift": {"exp": -HOUR}}, "exp"),
    "no end": ({"claims": {"exp": None}}, "exp"),
    "an end in words": ({"claims": {"exp": "9999999999"}}, "exp"),
    "of the future": ({"shift": {"iat": HOUR}}, "iat"),
    "from before it was asked for": ({"shift": {"iat": -HOUR}}, "iat"),
    "not yet": ({"shift": {"nbf": HOUR}}, "nbf"),
    "nobody": ({"claims": {"sub": None}}, "sub"),
    "an empty subject": ({"claims": {"sub": ""}}, "sub"),
}


@pytest.fixture
def user(session: Session, provider: ProviderProcess) -> User:
    """Somebody who could come in, if the answer were honest."""
    provider.control(people={MEERA: STAFF})
    return make_user(Role.super_admin, email=MEERA)


def reasons(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.__dict__["reason"] for record in caplog.records if record.name == "app.auth.provider"]


def assert_outside(traveller: Traveller, user: User, status: int, answer: Any) -> None:
    assert answer.status_code == status, answer.get_data(as_text=True)
    assert traveller.is_signed_in is False
    assert (user.subject, user.last_sign_in_at) == (None, None)


@pytest.mark.parametrize("how", FORGED)
def test_a_forged_token_lets_nobody_in(
    traveller: Traveller, provider: ProviderProcess, user: User, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    provider.control(forge=how)
    answer = traveller.sign_in(MEERA)
    assert_outside(traveller, user, 403, answer)
    assert reasons(caplog) == [FORGED[how]]
    assert "proves nothing. Sign in again." in answer.get_data(as_text=True)


@pytest.mark.parametrize("what", WRONG)
def test_a_token_with_one_wrong_claim_lets_nobody_in(
    traveller: Traveller, provider: ProviderProcess, user: User, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    controls, claim = WRONG[what]
    provider.control(**controls)
    assert_outside(traveller, user, 403, traveller.sign_in(MEERA))
    assert reasons(caplog) == [f"id_token: {claim}"]


def test_an_honest_token_with_all_optional_claims_lets_them_in(
    traveller: Traveller, provider: ProviderProcess, user: User
) -> None:
    provider.control(
        claims={"aud": ["billing", "another"], "azp": "billing"}, shift={"nbf": -HOUR, "iat": -60}
    )
    assert traveller.sign_in(MEERA).location == "/admin/"


def test_a_key_that_was_changed_is_fetched_once_and_then_known(
    traveller: Traveller, provider: ProviderProcess, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert traveller.sign_in(MEERA).status_code == 303
    monkeypatch.setattr(jwks, "ASKED_AT_MOST_EVERY_SECONDS", 0)
    provider.control(rotate=True)
    assert traveller.sign_in(MEERA).status_code == 303
    monkeypatch.setattr(jwks, "read_document", lambda url: pytest.fail("asked again"))
    assert traveller.sign_in(MEERA).status_code == 303


def change(address: str, **changed: str | None) -> str:
    """Return an address with other parameters; None takes one out."""
    parts = urlsplit(address)
    asked: dict[str, Any] = {name: values[0] for name, values in parse_qs(parts.query).items()} | changed
    left = {name: value for name, value in asked.items() if value is not None}
    return parts._replace(query=urlencode(left)).geturl()


@pytest.mark.parametrize("state", [None, "", "of another browser"])
def test_an_answer_to_no_sign_in_of_this_browser_lets_nobody_in(
    traveller: Traveller, user: User, state: str | None
) -> None:
    back = traveller.prove(traveller.begin(), MEERA)
    answer = traveller.come_back(change(back, state=state))
    assert_outside(traveller, user, 403, answer)
    assert "begun in another browser or too long ago" in answer.get_data(as_text=True)


def test_an_answer_that_somebody_else_began_signs_this_browser_in_as_nobody(
    traveller: Traveller, app: Flask, user: User
) -> None:
    back = traveller.prove(traveller.begin(), MEERA)
    victim = Traveller(app.test_client(), requests.Session(), traveller.provider)
    assert_outside(victim, user, 403, victim.come_back(back))


def test_an_answer_is_good_once(traveller: Traveller, user: User) -> None:
    back = traveller.prove(traveller.begin(), MEERA)
    assert traveller.come_back(back).status_code == 303
    again = traveller.come_back(back)
    assert again.status_code == 403
    assert traveller.is_signed_in


def test_a_stolen_code_is_nothing_without_the_verifier(
    traveller: Traveller, app: Flask, user: User, caplog: pytest.LogCaptureFixture
) -> None:
    stolen = parse_qs(urlsplit(traveller.prove(traveller.begin(), MEERA)).query)["code"][0]
    thief = Traveller(app.test_client(), requests.Session(), traveller.provider)
    state = parse_qs(urlsplit(thief.begin()).query)["state"][0]
    answer = thief.come_back(
        f"http://127.0.0.1/sign-in/callback?{urlencode({'code': stolen, 'state': state})}"
    )
    assert_outside(thief, user, 403, answer)
    assert reasons(caplog) == ["token: invalid_grant: "]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"iss": "https://evil.example/"}, "iss of the answer"),
        ({"code": "guessed"}, "token: invalid_grant: "),
        ({"error": "access_denied", "code": None}, "the provider says access_denied"),
    ],
)
def test_an_answer_that_is_none_lets_nobody_in(
    traveller: Traveller,
    user: User,
    caplog: pytest.LogCaptureFixture,
    changed: dict[str, str | None],
    reason: str,
) -> None:
    back = traveller.prove(traveller.begin(), MEERA)
    assert_outside(traveller, user, 403, traveller.come_back(change(back, **changed)))
    assert reasons(caplog) == [reason]


def test_a_sign_in_that_took_too_long_is_begun_again(traveller: Traveller, user: User) -> None:
    with time_machine.travel(datetime.now(UTC), tick=False) as clock:
        back = traveller.prove(traveller.begin(), MEERA)
        clock.shift(timedelta(minutes=10, seconds=1))
        assert_outside(traveller, user, 403, traveller.come_back(back))


def test_three_tabs_may_be_on_their_way_and_the_cookie_stays_small(
    traveller: Traveller, client: FlaskClient, user: User
) -> None:
    first, *others = [traveller.begin(next_page="/admin/" + "x" * 280) for _ in range(4)]
    cookie = client.get_cookie("otpless_billing")
    assert cookie is not None
    assert len(cookie.value) < 4_000
    with client.session_transaction() as kept:
        assert len(kept[attempts.KEY]) == attempts.MOST == len(others)
    assert traveller.come_back(traveller.prove(first, MEERA)).status_code == 403
    assert traveller.come_back(traveller.prove(others[-1], MEERA)).status_code == 303


@pytest.mark.parametrize(
    "told",
    [
        {"issuer": "https://evil.example/"},
        {"issuer": None},
        {"token_endpoint": "ftp://127.0.0.1/token"},
        {"jwks_uri": None},
        {"authorization_endpoint": ["http://127.0.0.1/"]},
    ],
)
def test_a_document_that_is_not_the_issuers_own_is_not_used(
    client: FlaskClient, provider: ProviderProcess, told: dict[str, Any]
) -> None:
    provider.control(discovery=told)
    answer = client.get("/sign-in/start")
    assert answer.status_code == 503
    assert "The identity provider does not answer." in answer.get_data(as_text=True)


def test_a_provider_that_is_away_is_told_and_asked_again_later(
    traveller: Traveller, provider: ProviderProcess, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.control(down=True)
    assert traveller.client.get("/sign-in/start").status_code == 503
    provider.control(down=False)
    monkeypatch.setattr(identity, "ASKED_AT_MOST_EVERY_SECONDS", 0)
    back = traveller.prove(traveller.begin(), MEERA)
    provider.control(down=True)
    assert_outside(traveller, user, 503, traveller.come_back(back))
    provider.control(down=False)
    assert traveller.sign_in(MEERA).status_code == 303


def test_what_was_discovered_holds_while_the_provider_is_away(
    traveller: Traveller, provider: ProviderProcess, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    traveller.begin()
    provider.control(down=True)
    monkeypatch.setattr(identity, "FRESH_SECONDS", -1)
    monkeypatch.setattr(identity, "ASKED_AT_MOST_EVERY_SECONDS", -1)
    assert traveller.begin().startswith(provider.issuer)
    monkeypatch.setattr(identity, "KEPT_SECONDS", -1)
    assert traveller.client.get("/sign-in/start").status_code == 503


def test_a_provider_may_want_the_secret_in_the_header(
    traveller: Traveller, provider: ProviderProcess, user: User
) -> None:
    provider.control(discovery={"token_endpoint_auth_methods_supported": None})
    forget_provider()
    assert traveller.sign_in(MEERA).status_code == 303


def test_a_secret_that_is_wrong_lets_nobody_in(
    traveller: Traveller, app: Flask, user: User, caplog: pytest.LogCaptureFixture
) -> None:
    app.extensions["settings"] = replace(app.extensions["settings"], auth0_client_secret="guessed")
    assert_outside(traveller, user, 403, traveller.sign_in(MEERA))
    assert reasons(caplog) == ["token: invalid_client: "]


def test_no_token_and_no_code_is_ever_in_the_log(
    traveller: Traveller, provider: ProviderProcess, user: User, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    provider.control(claims={"nonce": "wrong"})
    back = traveller.prove(traveller.begin(), MEERA)
    traveller.come_back(back)
    code = parse_qs(urlsplit(back).query)["code"][0]
    told = [record for record in caplog.records if record.name.startswith("app.")]
    assert told
    assert not any(code in str(record.__dict__) or "eyJ" in str(record.__dict__) for record in told)
