"""What the settings of signing in refuse before anything starts."""

from typing import Any

import pytest

from app.config import BadSettings, Settings
from app.embedded.accounts import CannotStart
from app.embedded.options import lets_choose_a_name
from app.factory import flask_config

KNOWN = {"DATABASE_URL": "postgresql://x/y", "SECRET_KEY": "x" * 32, "DATA_DIR": "/nonexistent"}
PRODUCTION = {
    "ENVIRONMENT": "production",
    "PUBLIC_URL": "https://billing.example.com",
    "TRUSTED_HOSTS": "billing.example.com",
}
TENANT = {"AUTH0_DOMAIN": "acme.eu.auth0.com", "AUTH0_CLIENT_ID": "abc", "AUTH0_CLIENT_SECRET": "def"}
OTHER = {"OIDC_ISSUER": "https://id.example.com/realms/acme", "AUTH0_CLIENT_ID": "abc"}


def test_the_issuer_of_a_tenant_is_its_address_with_a_slash() -> None:
    settings = Settings.from_env(KNOWN | PRODUCTION | TENANT)
    assert settings.issuer == "https://acme.eu.auth0.com/"
    assert settings.issuer_origin == "https://acme.eu.auth0.com"


def test_another_issuer_is_taken_as_it_is_written() -> None:
    settings = Settings.from_env(KNOWN | OTHER)
    assert settings.issuer == "https://id.example.com/realms/acme"
    assert settings.issuer_origin == "https://id.example.com"


def test_without_a_provider_there_is_no_issuer() -> None:
    settings = Settings.from_env(KNOWN)
    assert (settings.issuer, settings.issuer_origin) == ("", "")


@pytest.mark.parametrize(
    ("url", "is_secure"), [("https://billing.example.com", True), ("http://127.0.0.1:8000", False)]
)
def test_the_cookie_goes_over_https_alone_where_the_address_is_https(url: str, is_secure: bool) -> None:
    config = flask_config(Settings.from_env(KNOWN | {"PUBLIC_URL": url}))
    assert config["SESSION_COOKIE_SECURE"] is is_secure
    assert (config["SESSION_COOKIE_HTTPONLY"], config["SESSION_COOKIE_SAMESITE"]) == (True, "Lax")


REFUSED: dict[str, tuple[dict[str, str], str]] = {
    "in production": (PRODUCTION | {"DEVELOPMENT_SIGN_IN": "true"}, "must not be on in production"),
    "on another address": (
        {"DEVELOPMENT_SIGN_IN": "true", "PUBLIC_URL": "https://billing.example.com"},
        "PUBLIC_URL='https://billing.example.com' is another address",
    ),
    "two providers": (TENANT | {"OIDC_ISSUER": "https://id.example.com"}, "set one of them"),
    "no application": ({"AUTH0_DOMAIN": "acme.eu.auth0.com"}, "AUTH0_CLIENT_ID is not set"),
    "no secret": (
        PRODUCTION | TENANT | {"AUTH0_CLIENT_SECRET": ""},
        "AUTH0_CLIENT_SECRET is not set",
    ),
    "an open way": (OTHER | {"OIDC_ISSUER": "http://id.example.com"}, "OIDC_ISSUER must start with https://"),
    "an open way in production": (
        PRODUCTION | TENANT | {"AUTH0_DOMAIN": "", "OIDC_ISSUER": "http://127.0.0.1:9"},
        "OIDC_ISSUER must start with https://",
    ),
    "no address": (OTHER | {"OIDC_ISSUER": "id.example.com"}, "OIDC_ISSUER must start with https://"),
    "a question": (OTHER | {"OIDC_ISSUER": "https://id.example.com/?x=1"}, "OIDC_ISSUER must start with"),
    "no pool": ({"DATABASE_POOL_SIZE": "0"}, "DATABASE_POOL_SIZE must be from 1 to 500."),
    "no day": ({"BILLING_DAY": "29"}, "BILLING_DAY must be from 0 to 28."),
    "years without end": ({"EVENT_MAX_AGE_DAYS": "9999999"}, "EVENT_MAX_AGE_DAYS must be from 1 to 36500."),
    "no level": ({"LOG_LEVEL": "debug"}, "LOG_LEVEL='debug': choose DEBUG, INFO, WARNING or ERROR."),
    "no time": ({"STEP_UP_MINUTES": "0"}, "STEP_UP_MINUTES must be from 1 to 480"),
}


@pytest.mark.parametrize("why", REFUSED)
def test_settings_that_cannot_be_are_refused_in_a_sentence(why: str) -> None:
    environment, message = REFUSED[why]
    with pytest.raises(BadSettings, match=message.replace("?", r"\?")):
        Settings.from_env(KNOWN | environment)


@pytest.mark.parametrize(
    ("host", "environment", "expected"),
    [
        ("127.0.0.1", {}, True),
        ("::1", {}, True),
        ("localhost", {"PUBLIC_URL": "http://127.0.0.1:9000"}, True),
        ("0.0.0.0", {}, False),
        ("192.0.2.1", {}, False),
        ("127.0.0.1", {"PUBLIC_URL": "https://billing.example.com"}, False),
        ("127.0.0.1", {"ENVIRONMENT": "production"}, False),
        ("127.0.0.1", TENANT, False),
        ("127.0.0.1", OTHER, False),
    ],
)
def test_make_run_lets_people_choose_a_name_on_this_machine_alone(
    host: str, environment: dict[str, Any], expected: bool
) -> None:
    assert lets_choose_a_name(host, environment) is expected


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1"])
def test_make_run_refuses_to_open_it_to_others(host: str) -> None:
    with pytest.raises(CannotStart, match="works on this machine alone: --host"):
        lets_choose_a_name(host, {"DEVELOPMENT_SIGN_IN": "true"})
