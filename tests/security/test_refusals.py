"""What is refused whoever asks: forms without their token, pages for another host, ways out to other sites,
formulas in files; and what every page says to the browser."""

import csv
import io
import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.permissions import Role
from app.web import is_local
from tests.admin.conftest import Desk
from tests.admin.test_access import fingerprint
from tests.admin.world import make_world
from tests.auth.people import csrf_token, make_user, sign_in
from tests.security.test_matrix import QUEUE_ARGUMENTS, cells

EVIL = "evil.example"
ELSEWHERE = (
    f"https://{EVIL}/",
    f"//{EVIL}/",
    f"///{EVIL}/",
    f"/\\{EVIL}/",
    f"\\\\{EVIL}/",
    f"/\t/{EVIL}/",
    f"/\r\n/{EVIL}",
    f"\t//{EVIL}/",
    f" //{EVIL}/",
    f"https:{EVIL}",
    f"http:/\\{EVIL}",
    f"https://localhost@{EVIL}/",
    f"@{EVIL}",
    f"javascript:alert('{EVIL}')",
    f"data:text/html,{EVIL}",
)
POLICY = {
    "default-src": "'self'",
    "object-src": "'none'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
}
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def addresses(app: Flask, method: str, *starts: str) -> list[str]:
    """Return the addresses that take a method, with something for each argument."""
    found = []
    for rule, verb in cells(app, *starts):
        if verb == method and not rule.endpoint.endswith("static"):
            values = dict.fromkeys(rule.arguments, "00000000-0000-7000-8000-000000000000")
            more = {name: value for name, value in QUEUE_ARGUMENTS.items() if name in values}
            counted = {name: "1" for name in ("n",) if name in values}
            kind = {"export_type": "csv"} if "export_type" in values else {}
            found.append(
                app.url_map.bind("localhost").build(
                    rule.endpoint, {**values, **more, **counted, **kind}, verb
                )
            )
    return found


@pytest.fixture
def customer(app: Flask, client: FlaskClient) -> FlaskClient:
    """The browser of a customer's person."""
    sign_in(client, make_user(Role.customer, customer=make_world().customer))
    return client


def test_every_form_needs_its_token(app: Flask, customer: FlaskClient, at_desk: Desk) -> None:
    """Those of the back office are held to it by `tests/admin/test_access`."""
    staff = at_desk(Role.super_admin).client
    before = fingerprint()
    forms = {
        path: client
        for client, starts in ((customer, ("/portal", "/sign-", "/language")), (staff, ("/rq",)))
        for path in addresses(app, "POST", *starts)
    }
    assert len(forms) > 10
    for token in ({}, {"csrf_token": ""}, {"csrf_token": "forged"}, {"csrf_token": csrf_token(staff)[:-1]}):
        answers = {path: client.post(path, data=token).status_code for path, client in forms.items()}
        assert {path: status for path, status in answers.items() if status != 400} == {}
    assert fingerprint() == before


def test_a_session_calls_the_api_with_its_token_only(app: Flask, customer: FlaskClient) -> None:
    before = fingerprint()
    for token in ({}, {"X-CSRFToken": "forged"}):
        for path in ("/api/v1/exports", "/api/v1/payments", "/api/v1/notifications/read"):
            assert customer.post(path, json={}, headers=token).status_code == 400, path
    assert fingerprint() == before


def policy_of(answer: object) -> dict[str, str]:
    """Return the content policy of an answer by directive."""
    text: str = answer.headers["Content-Security-Policy"]  # type: ignore[attr-defined]
    return {part.split()[0]: " ".join(part.split()[1:]) for part in text.split(";") if part.strip()}


def test_every_page_says_what_a_browser_may_do_with_it(
    app: Flask, customer: FlaskClient, at_desk: Desk
) -> None:
    staff, stranger = at_desk(Role.super_admin).client, app.test_client()
    pages = [
        *((staff, path) for path in addresses(app, "GET", "/admin")),
        *((customer, path) for path in addresses(app, "GET", "/portal")),
        *((stranger, path) for path in ("/sign-in", "/api/docs", "/nothing")),
    ]
    nonces, wrong = [], []
    for client, path in pages:
        answer = client.get(path)
        if answer.mimetype != "text/html" or answer.status_code in {302, 303}:
            continue
        policy = policy_of(answer)
        nonces += re.findall(r"'nonce-([\w-]+)'", policy["script-src"])
        wrong += [f"{path}: {name}" for name, value in POLICY.items() if policy.get(name) != value]
        wrong += [f"{path}: {name}" for name, value in HEADERS.items() if answer.headers.get(name) != value]
        wrong += [f"{path}: {word}" for word in ("unsafe", "*", "http:") if word in str(policy.values())]
    assert wrong == []
    assert len(set(nonces)) == len(nonces) > 100


def test_only_the_queues_have_a_policy_of_their_own(app: Flask, at_desk: Desk) -> None:
    policy = policy_of(at_desk(Role.super_admin).get("/rq/"))
    assert "'unsafe-eval'" in policy["script-src"]
    assert {name: policy[name] for name in POLICY} == POLICY


def test_a_page_over_https_stays_there(client: FlaskClient) -> None:
    header = "Strict-Transport-Security"
    answers = [client.get("/sign-in", base_url=f"{scheme}://localhost") for scheme in ("http", "https")]
    assert [answer.headers.get(header) for answer in answers] == [None, "max-age=31536000; includeSubDomains"]


def test_a_host_that_is_not_ours_is_not_answered(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(app.config, "TRUSTED_HOSTS", ["localhost", ".otpless.example"])
    hosts = (
        "localhost",
        "billing.otpless.example",
        EVIL,
        f"localhost.{EVIL}",
        f"{EVIL}:80",
        f"localhost@{EVIL}",
    )
    told = {host: client.get("/sign-in", headers={"Host": host}).status_code for host in hosts}
    assert list(told.values()) == [200, 200, 400, 400, 400, 400]


def test_no_page_and_no_redirect_repeats_the_host_that_was_sent(app: Flask, customer: FlaskClient) -> None:
    forged = {"Host": EVIL, "X-Forwarded-Host": EVIL, "X-Forwarded-Server": EVIL, "Forwarded": f"host={EVIL}"}
    for path in (
        "/",
        "/sign-in",
        "/portal/",
        "/portal/invoices",
        "/admin/",
        "/portal",
        "/api/docs",
        "/nothing",
    ):
        answer = app.test_client().get(path, headers=forged)
        said = answer.get_data(as_text=True) + answer.headers.get("Location", "")
        assert EVIL not in said, path


@pytest.mark.parametrize("target", ELSEWHERE)
def test_nothing_leads_to_another_site(client: FlaskClient, target: str) -> None:
    person = make_user(Role.finance_admin)
    assert not is_local(target)
    form = {"csrf_token": csrf_token(client), "user": str(person.id), "next": target}
    ways = [
        client.get("/sign-in", query_string={"next": target}),
        client.post("/language", data={**form, "language": "en"}),
        client.post("/sign-in", data=form),
        client.get("/sign-in", query_string={"next": target}),
        client.get("/sign-in/again", query_string={"next": target}),
        client.post("/language", data={**form, "csrf_token": csrf_token(client), "language": "en"}),
    ]
    assert [way.headers["Location"] for way in ways if EVIL in way.headers.get("Location", "")] == []


def test_no_list_as_a_file_holds_a_formula(app: Flask, at_desk: Desk) -> None:
    world = make_world()
    names = ("=HYPERLINK(1)", "+1+cmd", "-2+3", "@SUM(A1)", "\tx", "\rx")
    world.customer.name, world.account.name, world.prepaid.name = names[:3]
    world.customer.city, world.plan.name, world.customer.address_line2 = names[3:]
    person, found = at_desk(Role.super_admin), []
    for view in app.extensions["admin_screens"].values():
        text = person.get(f"/admin/{view.slug}/export/csv/").get_data(as_text=True).removeprefix("\ufeff")
        cells_of_file = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
        found += [cell for cell in cells_of_file if cell.startswith(FORMULA) and not _is_number(cell)]
        assert "'=HYPERLINK(1)" in cells_of_file or view.slug != "customers"
    assert found == []


def _is_number(cell: str) -> bool:
    return re.fullmatch(r"-?\d+(\.\d+)?", cell) is not None
