"""What every answer shares: its request id, its headers, and a session only for people."""

import re

import pytest
from flask import Flask, Response, render_template_string, session
from flask.testing import FlaskClient

from app import clock
from app.services import keys
from tests.api.conftest import TEST

SHARED = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
}


@pytest.fixture
def by_key(app: Flask) -> dict[str, str]:
    secret = keys.create("reader", scopes=["usage:read"], actor=TEST, at=clock.now())[1]
    return {"Authorization": f"Bearer {secret}"}


@pytest.mark.parametrize("path", ["/sign-in", "/healthz", "/api/v1/nothing"])
def test_every_answer_has_the_headers_once(client: FlaskClient, path: str) -> None:
    headers = client.get(path).headers
    assert {name: headers.getlist(name) for name in SHARED} == {name: [SHARED[name]] for name in SHARED}
    assert re.fullmatch(r"[0-9a-f]{32}", headers["X-Request-Id"])


def test_a_request_id_that_can_be_logged_is_kept(client: FlaskClient) -> None:
    given = [client.get("/healthz", headers={"X-Request-Id": each}) for each in ("abc-1", "a b", "x" * 101)]
    assert [answer.headers["X-Request-Id"] == "abc-1" for answer in given] == [True, False, False]


def test_a_page_has_a_policy_with_a_nonce_of_its_own(app: Flask, client: FlaskClient) -> None:
    policies = [client.get("/sign-in").headers["Content-Security-Policy"] for _ in range(2)]
    nonces = {nonce for policy in policies for nonce in re.findall(r"'nonce-([\w-]{22})'", policy)}
    assert len(nonces) == 2
    assert "Content-Security-Policy" not in client.get("/healthz").headers


def test_the_nonce_of_the_policy_is_the_one_that_the_page_names(app: Flask) -> None:
    with app.test_request_context("/sign-in"):
        page = Response(render_template_string("{{ csp_nonce }}"), mimetype="text/html")
        answer = app.process_response(page)
        assert f"'nonce-{answer.get_data(as_text=True)}'" in answer.headers["Content-Security-Policy"]


def test_a_call_with_a_key_opens_no_session(client: FlaskClient, by_key: dict[str, str]) -> None:
    client.set_cookie("otpless_billing", "whatever")
    answer = client.get("/api/v1/events", headers=by_key)
    assert answer.status_code == 200
    assert ("Set-Cookie" in answer.headers, "Vary" in answer.headers) == (False, False)


@pytest.mark.parametrize("header", ["Authorization", "X-Api-Key"])
def test_a_session_cannot_be_written_in_a_call_with_a_key(app: Flask, header: str) -> None:
    with app.test_request_context("/api/v1/events", headers={header: "k"}), pytest.raises(RuntimeError):
        session["user"] = "somebody"
    with app.test_request_context("/sign-in", headers={header: "k"}):
        session["user"] = "somebody"
        assert session["user"] == "somebody"
