"""Every address × method × caller × own, foreign and missing row, against the tables of `expectations`."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import pytest
from flask import Flask, g
from flask.testing import FlaskClient
from redis.exceptions import ResponseError
from rq.exceptions import NoSuchJobError
from werkzeug.routing import Rule

from admin_views.base import ModelScreen, StaffView
from app import clock
from app.auth.session import SignedIn
from app.errors import DomainError, StepUpRequired
from app.models import Account
from app.permissions import INCLUDED, SCOPES, Role
from app.services import keys
from tests.admin.test_access import fingerprint
from tests.api.conftest import TEST
from tests.auth.people import csrf_token, make_user, sign_in
from tests.security import expectations
from tests.security.bodies import body_of, query_of
from tests.security.world import House, make_houses

LETTERS = {"S": Role.support, "F": Role.finance_admin, "A": Role.super_admin, "C": Role.customer}
STAFF = "SFA"
IN, REFUSED, SIGN_IN, NOWHERE = "in", "refused", "sign in", "not found"
API = ("/api/v1/", "/compat/")


def table(text: str) -> dict[tuple[str, str], list[str]]:
    """Return the cells of a literal table by method and address."""
    lines = [line.split() for line in text.strip().splitlines() if not line.startswith(("method", "screen"))]
    return {(line[0], line[1]): line[2:] for line in lines}


def plainly(rule: Rule) -> str:
    """Return the address of a rule without the kinds of its arguments."""
    return re.sub(r"<(?:any\([^)]*\)|\w+):", "<", rule.rule)


def cells(app: Flask, *starts: str) -> Iterator[tuple[Rule, str]]:
    """Yield every rule below some addresses with each method that it takes."""
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        if rule.rule.startswith(starts):
            for method in sorted((rule.methods or set()) - {"OPTIONS", "HEAD"}):
                yield rule, method


def screens(app: Flask) -> dict[str, ModelScreen]:
    """Return the screens by the start of their endpoints."""
    return {view.endpoint: view for view in app.extensions["admin_screens"].values()}


def expected_of_page(app: Flask, rule: Rule, method: str) -> str:
    """Return the staff who may ask for a page of the back office.

    Raises:
        KeyError: the tables do not name it.
    """
    page = table(expectations.PAGES).get((method, plainly(rule)))
    if page is not None:
        return page[0]
    view = screens(app)[rule.endpoint.partition(".")[0]]
    below = plainly(rule).removeprefix(f"/admin/{view.slug}/") or "."
    (asks,) = table(expectations.ROUTES)[method, below]
    ((reads, writes),) = [
        (line[1], line[2])
        for line in (text.split() for text in expectations.SCREENS.strip().splitlines())
        if line[0] == view.slug
    ]
    return reads if asks == "reads" else writes


# --- The tables are whole -------------------------------------------------------------------------


def test_every_address_stands_in_a_table_and_every_line_is_an_address(app: Flask) -> None:
    named = {
        **table(expectations.PORTAL),
        **table(expectations.QUEUES),
        **table(expectations.PUBLIC),
        **{
            (method, path if path.startswith("/compat") else f"/api/v1{path}"): line
            for (method, path), line in table(expectations.API).items()
        },
    }
    found = {
        (method, plainly(rule))
        for rule, method in cells(app, "/")
        if not rule.endpoint.startswith("aliases.") and not _is_page(rule)
    }
    assert (found - named.keys(), named.keys() - found) == (set(), set())


def test_every_page_of_the_back_office_stands_in_a_table_and_every_line_is_one(app: Flask) -> None:
    for rule, method in cells(app, "/admin"):
        if _is_page(rule):
            assert set(expected_of_page(app, rule, method)) <= set(STAFF), rule.rule
    slugs = [line.split()[0] for line in expectations.SCREENS.strip().splitlines()[1:]]
    assert slugs == sorted(view.slug for view in screens(app).values())
    pages = {(method, plainly(rule)) for rule, method in cells(app, "/admin")}
    assert table(expectations.PAGES).keys() - pages == set()


def test_an_older_address_leads_to_a_view_of_the_api(app: Flask) -> None:
    views = {id(_innermost(app, rule)) for rule, _ in cells(app, *API)}
    aliases = [rule for rule, _ in cells(app, "/api/") if rule.endpoint.startswith("aliases.")]
    assert len(aliases) > 50
    assert [rule.rule for rule in aliases if not rule.rule.startswith(expectations.ALIASES)] == []
    assert [rule.rule for rule in aliases if id(_innermost(app, rule)) not in views] == []


def _is_page(rule: Rule) -> bool:
    return rule.rule.startswith("/admin") and not rule.endpoint.endswith("static")


def _innermost(app: Flask, rule: Rule) -> Any:
    view = app.view_functions[rule.endpoint]
    while hasattr(view, "__wrapped__"):
        view = view.__wrapped__
    return view


# --- The back office ------------------------------------------------------------------------------


def test_each_page_of_the_back_office_lets_in_whom_the_tables_name(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through the gate that every page has; what lies behind it is not run."""
    monkeypatch.setattr(StaffView, "_run_view", lambda self, fn, *args, **kwargs: IN)
    people = {letter: SignedIn.of(make_user(role)) for letter, role in LETTERS.items() if letter != "C"}
    customer = SignedIn.of(make_user(Role.customer, customer=make_houses()[0].customer))
    wrong = []
    for rule, method in cells(app, "/admin"):
        if not _is_page(rule):
            continue
        allowed = expected_of_page(app, rule, method)
        view = screens(app).get(rule.endpoint.partition(".")[0])
        for letter, person in {**people, "C": customer, "-": None}.items():
            answer = _at_the_gate(app, rule, method, person)
            want = SIGN_IN if person is None else IN if letter in allowed else REFUSED
            if answer == NOWHERE and want == IN and view is not None:
                want = NOWHERE if _has_no_form(view, rule) else IN
            if answer != want:
                wrong.append(f"{method} {rule.rule} {letter}: {answer}, not {want}")
    assert wrong == [], "\n".join(wrong)


def _has_no_form(view: ModelScreen, rule: Rule) -> bool:
    flags = {"create_view": "can_create", "delete_view": "can_delete"}
    flag = flags.get(rule.endpoint.partition(".")[2], "can_edit")
    return not getattr(view, flag)


def _at_the_gate(app: Flask, rule: Rule, method: str, person: SignedIn | None) -> str:
    arguments = dict.fromkeys(rule.arguments, "x")
    with app.app_context(), app.test_request_context(rule.rule, method=method):
        if person is not None:
            g._login_user = person
        try:
            answer = app.view_functions[rule.endpoint](**arguments)
        except StepUpRequired:
            # Asked of those only who have the right: the page asks for a fresh proof of who they are.
            return IN
        except DomainError as error:
            return {401: SIGN_IN, 403: REFUSED, 404: NOWHERE}[error.status]
    assert answer == IN, (rule.rule, answer)
    return IN


# --- The API, the portal and the queues -----------------------------------------------------------


@dataclass
class Callers:
    """Everybody who may call, each with what they send along."""

    app: Flask
    own: House
    foreign: House
    people: dict[str, tuple[FlaskClient, dict[str, str]]] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)

    def person(self, letter: str) -> tuple[FlaskClient, dict[str, str]]:
        """Return somebody signed in."""
        if letter not in self.people:
            client = self.app.test_client()
            owner = self.own.customer if letter == "C" else None
            sign_in(client, make_user(LETTERS[letter], customer=owner, email=f"{letter}@matrix.example"))
            self.people[letter] = client, {"X-CSRFToken": csrf_token(client)}
        return self.people[letter]

    def key(self, name: str, scopes: list[str], account: Account | None = None) -> dict[str, str]:
        """Return the header of a key, made when it is first asked for."""
        if name not in self.secrets:
            made = keys.create(name, scopes=scopes, account=account, actor=TEST, at=clock.now())
            self.secrets[name] = made[1]
        return {"Authorization": f"Bearer {self.secrets[name]}"}

    def ask(
        self,
        rule: Rule,
        method: str,
        house: House,
        headers: dict[str, str] | None = None,
        *,
        by: str = "",
        missing: bool = False,
    ) -> Any:
        """Send a request about a row of a house and return the answer."""
        client, more = self.person(by) if by else (self.app.test_client(), {})
        address = self.app.url_map.bind("localhost").build(
            rule.endpoint, house.arguments(rule, missing=missing), method=method
        )
        sent: dict[str, Any] = {"query_string": query_of(plainly(rule), house, missing=missing)}
        if method != "GET" and rule.rule.startswith(API):
            sent["json"] = body_of(method, plainly(rule), house, missing=missing)
        return client.open(address, method=method, headers={**more, **(headers or {})}, **sent)


@pytest.fixture
def callers(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Callers:
    """Two customers and everybody who might ask for their rows, as often as they like."""
    monkeypatch.setattr("app.api.limits.spend", lambda actor: None)
    return Callers(app, *make_houses())


def told(answer: Any) -> tuple[int, str]:
    """Return how an answer reads to who may not know whether there is something."""
    document = answer.json if answer.is_json else None
    return answer.status_code, str((document or {}).get("error", {}).get("message", ""))


def is_in(answer: Any) -> bool:
    """Tell whether whoever asked was let in, whatever came of it."""
    return answer.status_code not in {401, 403} and "/sign-in" not in (answer.location or "")


def api_cells(app: Flask) -> Iterator[tuple[Rule, str, list[str]]]:
    """Yield every address of the API with its line of the table."""
    lines = table(expectations.API)
    public = table(expectations.PUBLIC)
    for rule, method in cells(app, *API):
        if (method, plainly(rule)) not in public:
            yield rule, method, lines[method, plainly(rule).removeprefix("/api/v1")]


def test_staff_and_strangers_at_the_api(callers: Callers) -> None:
    """Who is refused asks for a row that is there, and nothing changes; who is let in asks for none."""
    wrong = []
    callers.person("S"), callers.person("F"), callers.person("A")
    before = fingerprint()
    for rule, method, (staff, *_) in api_cells(callers.app):
        if callers.ask(rule, method, callers.own).status_code != 401:
            wrong.append(f"{method} {rule.rule}: a stranger")
        wrong += [
            f"{method} {rule.rule}: {letter} is not refused"
            for letter in sorted(set(STAFF) - set(staff))
            if callers.ask(rule, method, callers.own, by=letter).status_code != 403
        ]
    assert (wrong, fingerprint()) == ([], before)
    for rule, method, (staff, *_) in api_cells(callers.app):
        wrong += [
            f"{method} {rule.rule}: {letter} is refused"
            for letter in staff
            if not is_in(callers.ask(rule, method, callers.own, by=letter, missing=True))
        ]
    assert wrong == [], "\n".join(wrong)


def test_a_customer_at_the_api(callers: Callers) -> None:
    marks = callers.foreign.marks()
    wrong = []
    for rule, method, (_, customer, *_) in api_cells(callers.app):
        wrong += [
            f"{method} {rule.rule}: {text}"
            for text in seen_by(callers, rule, method, customer, marks, by="C", headers=None)
        ]
    assert wrong == [], "\n".join(wrong)


def test_a_key_of_one_account_at_the_api(callers: Callers) -> None:
    marks = callers.foreign.marks()
    first = callers.key("account", ["all"], callers.own.world.account)
    second = callers.key("prepaid", ["all"], callers.own.world.prepaid)
    wrong = []
    for rule, method, (*_, bound) in api_cells(callers.app):
        headers = second if "wallet" in rule.rule else first
        wrong += [
            f"{method} {rule.rule}: {text}"
            for text in seen_by(callers, rule, method, bound, marks, by="", headers=headers)
        ]
    assert wrong == [], "\n".join(wrong)


class Unread:
    """A form that nobody filled in."""

    def __getattr__(self, name: str) -> None:
        return None


def unread(shape: type) -> Unread:
    """Take the place of reading a form: who is refused for their rights is refused whatever they send."""
    return Unread()


def seen_by(
    callers: Callers,
    rule: Rule,
    method: str,
    want: str,
    marks: set[str],
    *,
    by: str,
    headers: dict[str, str] | None,
) -> Iterator[str]:
    """Yield what is wrong with what somebody who sees own rows only gets from one address."""
    if want == "no":
        with patch("app.api.endpoint.read", unread), patch("app.api.endpoint.read_query", unread):
            answer = callers.ask(rule, method, callers.own, headers, by=by)
        if answer.status_code not in {403, 404}:
            yield f"is not refused: {answer.status_code}"
        return
    if callers.ask(rule, method, callers.foreign, headers, by=by, missing=True).status_code == 403:
        yield "is refused"
    foreign = callers.ask(rule, method, callers.foreign, headers, by=by)
    own = callers.ask(rule, method, callers.own, headers, by=by)
    for asked, answer in (("foreign", foreign), ("own", own)):
        if leaked := [mark for mark in marks if mark.encode() in answer.get_data()]:
            yield f"asked for {asked} rows it shows {leaked}"
    if want == "own" and rule.arguments:
        if told(foreign) != told(callers.ask(rule, method, callers.foreign, headers, by=by, missing=True)):
            yield f"tells a foreign row from a missing one: {told(foreign)}"
        if foreign.status_code < 400:
            yield f"answers {foreign.status_code} for a foreign row"


def test_a_key_needs_its_scope(callers: Callers) -> None:
    everything = sorted(SCOPES)
    wrong = []
    for rule, method, (_, _, scope, _) in api_cells(callers.app):
        if scope == "-":
            headers = callers.key("all", ["all"])
            if callers.ask(rule, method, callers.own, headers, missing=True).status_code != 403:
                wrong.append(f"{method} {rule.rule} is open to keys")
            continue
        with_it = callers.key(scope, [scope])
        needed = {scope, scope.replace(":read", ":write")}
        if scope in INCLUDED.values():
            needed |= INCLUDED.keys()
        without = callers.key(f"not {scope}", [one for one in everything if one not in needed])
        if not is_in(callers.ask(rule, method, callers.own, with_it, missing=True)):
            wrong.append(f"{method} {rule.rule}: {scope} does not open it")
        if callers.ask(rule, method, callers.own, without, missing=True).status_code != 403:
            wrong.append(f"{method} {rule.rule}: opens without {scope}")
    assert wrong == [], "\n".join(wrong)


def test_the_portal_is_for_customers_and_shows_own_rows_only(callers: Callers) -> None:
    marks = callers.foreign.marks()
    wrong = []
    for (method, address), (staff, *leads) in table(expectations.PORTAL).items():
        (rule,) = [
            one for one, verb in cells(callers.app, "/portal") if (verb, plainly(one)) == (method, address)
        ]
        stranger = callers.ask(rule, method, callers.own)
        if (stranger.status_code, "/sign-in" in (stranger.location or "")) not in {(302, True), (400, False)}:
            wrong.append(f"{method} {address}: a stranger gets {stranger.status_code}")
        for letter in STAFF:
            answer = callers.ask(rule, method, callers.own, by=letter)
            led = (answer.status_code, *[answer.location.partition("?")[0] for _ in leads if answer.location])
            if led != ((303, *leads) if letter in staff else (403,)):
                wrong.append(f"{method} {address}: {letter} gets {led}")
        wrong += [
            f"{method} {address}: {text}"
            for text in seen_by(callers, rule, method, "own", marks, by="C", headers=None)
        ]
    assert wrong == [], "\n".join(wrong)


QUEUE_ARGUMENTS = {
    "instance_number": "0",
    "job_id": "nothing",
    "queue_name": "nowhere",
    "registry_name": "queued",
    "per_page": "5",
    "order": "asc",
    "page": "1",
}


def test_the_queues_are_for_ops(callers: Callers) -> None:
    wrong = []
    for (method, address), (who,) in table(expectations.QUEUES).items():
        path = re.sub(r"<(\w+)>", lambda found: QUEUE_ARGUMENTS[found[1]], address)
        for letter in [*STAFF, "C"]:
            client, headers = callers.person(letter)
            try:
                refused = client.open(path, method=method, headers=headers).status_code == 403
            except (NoSuchJobError, ResponseError):
                refused = False
            if refused == (letter in who):
                wrong.append(f"{method} {address}: {letter}")
        stranger = callers.app.test_client().open(path, method=method)
        if (stranger.status_code, "/sign-in" in (stranger.location or "")) not in {(302, True), (400, False)}:
            wrong.append(f"{method} {address}: a stranger gets {stranger.status_code}")
    assert wrong == [], "\n".join(wrong)
