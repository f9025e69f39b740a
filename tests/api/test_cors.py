"""Cross-origin calls: allowed origins by name, everybody else not at all."""

from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.config import BadSettings, Settings
from tests.api.conftest import Caller

OURS, THEIRS = "https://app.example.com", "https://evil.example"
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}


@pytest.fixture
def allow_ours(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one allowed origin is OURS."""
    settings = replace(app.extensions["settings"], cors_origins=(OURS, "http://localhost:3000"))
    monkeypatch.setitem(app.extensions, "settings", settings)


@pytest.mark.usefixtures("allow_ours")
def test_an_allowed_origin_reads_answers_and_their_headers(caller: Caller) -> None:
    response = caller.client.get("/api/v1/customers", headers={**caller.headers, "Origin": OURS})

    assert response.status_code == 200
    assert response.headers["Access-Control-Allow-Origin"] == OURS
    assert "Origin" in response.vary
    shown = response.headers["Access-Control-Expose-Headers"].split(", ")
    assert {"RateLimit-Remaining", "Retry-After", "X-Request-Id"} <= set(shown)
    assert "Access-Control-Allow-Credentials" not in response.headers


@pytest.mark.usefixtures("allow_ours")
def test_an_allowed_origin_reads_refusals_too(client: FlaskClient) -> None:
    for path, status in (("/api/v1/customers", 401), ("/api/v1/nowhere", 404)):
        response = client.get(path, headers={"Origin": OURS})

        assert (response.status_code, response.headers["Access-Control-Allow-Origin"]) == (status, OURS)


@pytest.mark.usefixtures("allow_ours")
def test_a_preflight_needs_no_key_and_learns_methods_and_headers(client: FlaskClient) -> None:
    response = client.options("/api/v1/events", headers={"Origin": OURS, **PREFLIGHT})

    assert response.status_code == 200
    assert response.headers["Access-Control-Allow-Origin"] == OURS
    assert set(response.headers["Access-Control-Allow-Methods"].split(", ")) >= {"GET", "POST"}
    taken = response.headers["Access-Control-Allow-Headers"].split(", ")
    assert {"Authorization", "Content-Type", "Idempotency-Key", "X-Signature"} <= set(taken)
    assert response.headers["Access-Control-Max-Age"] == "600"
    assert "RateLimit-Limit" not in response.headers


@pytest.mark.usefixtures("allow_ours")
@pytest.mark.parametrize(
    "origin", [THEIRS, "null", f"{OURS}.evil.example", f"{OURS}:8443", "http://app.example.com", OURS.upper()]
)
def test_other_origins_get_no_word(client: FlaskClient, origin: str) -> None:
    answers = [
        client.options("/api/v1/events", headers={"Origin": origin, **PREFLIGHT}),
        client.get("/api/v1/openapi.json", headers={"Origin": origin}),
    ]

    for response in answers:
        assert [name for name, _ in response.headers if name.startswith("Access-Control")] == []
        assert "Origin" in response.vary


@pytest.mark.usefixtures("allow_ours")
@pytest.mark.parametrize("path", ["/sign-in", "/healthz", "/webhooks/stripe"])
def test_pages_are_for_no_other_origin(client: FlaskClient, path: str) -> None:
    response = client.options(path, headers={"Origin": OURS, **PREFLIGHT})

    assert [name for name, _ in response.headers if name.startswith("Access-Control")] == []


def test_by_default_no_origin_is_allowed(client: FlaskClient) -> None:
    response = client.options("/api/v1/events", headers={"Origin": OURS, **PREFLIGHT})

    assert [name for name, _ in response.headers if name.startswith("Access-Control")] == []
    assert "Origin" not in response.vary


@pytest.mark.parametrize(
    "origin", ["*", "app.example.com", "https://app.example.com/", "https://*.example.com"]
)
def test_what_is_no_origin_is_refused_at_the_start(origin: str) -> None:
    environment = {
        "DATABASE_URL": "postgresql:///x",
        "SECRET_KEY": "s" * 32,
        "CORS_ORIGINS": f"{OURS},{origin}",
    }

    with pytest.raises(BadSettings) as caught:
        Settings.from_env(environment)

    assert str(caught.value).splitlines()[1:] == [
        f"  CORS_ORIGINS: {origin!r} is no origin; write https://app.example.com."
    ]


def test_a_limit_that_cannot_be_read_is_told_at_the_start() -> None:
    environment = {"DATABASE_URL": "postgresql:///x", "SECRET_KEY": "s" * 32, "RATE_LIMITS": "invoices=many"}

    with pytest.raises(BadSettings) as caught:
        Settings.from_env(environment)

    assert str(caught.value).splitlines()[1:] == [
        "  RATE_LIMITS: write 'invoices=many' as NAME=100/min, NAME=100/s:500 or NAME=off."
    ]
