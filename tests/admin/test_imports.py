"""Usage from a file at the desk: the file, its columns, a check that changes nothing, and the import."""

import gzip
import re
from io import BytesIO

import pytest
from flask import Flask
from redis import Redis

from app.db import db
from app.models import AuditRecord, JobRun, StoredFile, UsageEvent
from app.permissions import Role
from app.services.imports import runs, uploads
from tests import factories
from tests.admin.conftest import Desk, Person
from tests.admin.test_access import fingerprint
from tests.auth.people import csrf_token

HEADER = "request_id,client,requested_at,section,bytes\n"
ROW = "r-1,acme,2026-11-20T10:00:00+05:30,blog,512\n"
STRANGE = "r-2,stranger,2026-11-20T10:00:00+05:30,blog,512\n"
OLD = "r-3,acme,2015-05-17T10:00:00+05:30,blog,512\n"
COLUMNS = {"event_id": "request_id", "account_id": "client", "timestamp": "requested_at"}
FORM = {**COLUMNS, "metric": "requests", "properties": "section", "quantity": "", "prefix": "", "plan": ""}


@pytest.fixture(autouse=True)
def _shop(app: Flask) -> None:
    metric = factories.make_metric("requests", name="Requests", dimensions=["section"])
    factories.make_account(external_id="acme")
    factories.make_plan("web-traffic", components=[factories.per_unit(metric)])


def upload(person: Person, content: bytes | str, name: str = "usage.csv") -> str:
    """Upload a file and return the address of its next step."""
    answer = send(person, content, name)
    assert answer.status_code == 302, answer.get_data(as_text=True)
    return str(answer.location)


def send(person: Person, content: bytes | str, name: str = "usage.csv"):
    """Send a file by the form."""
    data = content if isinstance(content, bytes) else content.encode()
    return person.post("/admin/import/", {"file": (BytesIO(data), name)})


def error_at(answer, field: str) -> str:
    """Return what stands at a field."""
    found = re.search(rf'id="{field}-error">(.*?)</div>', answer.get_data(as_text=True), re.DOTALL)
    return re.sub(r"<svg.*?</svg>", "", found[1], flags=re.DOTALL) if found else ""


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("usage.csv.gz", b"plain text", "usage.csv.gz is not packed by gzip. Pack it, or take .gz off"),
        ("usage.csv.gz", gzip.compress(b"a,b\n1,2\n", mtime=0)[:-9], "is not a whole gzip file"),
        (
            "usage.csv",
            ROW * 2,
            "The first line holds values such as 2026-11-20T10:00:00+05:30, not the names of",
        ),
        ("usage.csv", "a,a\n1,2\n", "needs a name of its own for each column"),
        ("usage.csv", HEADER, "usage.csv has no rows."),
        ("usage.csv", b"", "Choose a file that is not empty."),
        ("", b"x", "Choose a file first."),
        ("usage.xlsx", b"PK\x03\x04rest", "Save it as CSV"),
        ("usage.jsonl", '{"a": 1}\n{"a"\n', "Line 2 of usage.jsonl is not JSON"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_at_its_field_and_not_kept(
    desk: Person, name: str, content: bytes | str, message: str
) -> None:
    answer = send(desk, content, name)
    assert answer.status_code == 422
    assert message in error_at(answer, "file")
    assert db.session.query(StoredFile).count() == 0


TOO_LARGE = "The file is larger than 16 MB. Pack it with gzip, or split it."


def test_a_file_and_a_request_over_the_limit_are_told_at_the_field(
    app: Flask, desk: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "MOST_BYTES", 100)
    for limit, status in ((16 * 1024 * 1024, 422), (200, 413)):
        monkeypatch.setitem(app.config, "MAX_CONTENT_LENGTH", limit)
        answer = send(desk, HEADER + ROW * 2)
        assert (answer.status_code, error_at(answer, "file")) == (status, TOO_LARGE)
    assert db.session.query(StoredFile).count() == 0


def test_a_file_that_unpacks_to_more_than_it_should_is_refused(
    desk: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "MOST_UNPACKED_BYTES", 1000)
    answer = send(desk, gzip.compress((HEADER + ROW * 50).encode()), "usage.csv.gz")
    assert error_at(answer, "file") == "Unpacked, the file is larger than 200 MB. Split it."
    assert db.session.query(StoredFile).count() == 0


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("usage.csv", "usage.csv.gz"),
        ("../../etc/pass wd.csv", "pass-wd.csv.gz"),
        ("Usage.csv.GZ", "Usage.csv.gz"),
        ("...", "usage.gz"),
    ],
)
def test_a_packed_file_is_known_by_its_content_and_kept_under_a_plain_name(
    desk: Person, name: str, kept: str
) -> None:
    upload(desk, gzip.compress((HEADER + ROW).encode()), name)
    stored = db.session.query(StoredFile).one()
    assert (stored.key, stored.content_type) == (f"imports/{stored.id}/{kept}", "application/gzip")


def test_the_columns_are_shown_with_five_rows_and_the_likely_ones_chosen(desk: Person) -> None:
    rows = "".join(ROW.replace("r-1", f"row-{n}") for n in range(7))
    page = desk.text(upload(desk, HEADER + rows))
    assert "7 rows, 5 columns" in page
    assert re.findall(r"<td>(row-\d)</td>", page) == [f"row-{n}" for n in range(5)]
    for field, column in COLUMNS.items():
        select = re.search(rf'<select[^>]* id="{field}".*?</select>', page)
        assert select
        assert re.findall(r'<option selected value="([^"]*)"', select[0]) == [column]
    assert re.findall(r"<input checked[^>]*name=\"properties\"[^>]*value=\"(\w+)\"", page) == ["section"]


def test_rows_are_shown_also_with_half_of_a_character_in_them(desk: Person) -> None:
    page = desk.get(upload(desk, '{"event_id": "a\\ud800b", "c": ["\\ud800"]}\n', "usage.jsonl"))
    assert (page.status_code, "a\ufffdb" in page.get_data(as_text=True)) == (200, True)


def test_a_check_says_what_would_happen_and_changes_nothing(desk: Person) -> None:
    address = upload(desk, HEADER + ROW + ROW + STRANGE + ROW.replace("2026-11-20T", "20 May "))
    before = fingerprint()
    answer = desk.post(address, {**FORM, "step": "check"})
    page = re.sub(r"\s+", " ", answer.get_data(as_text=True))
    figures = re.findall(r'<div class="stat-value"><span class="number">(\d+)', page)
    assert (answer.status_code, figures) == (200, ["1", "1", "2"])
    assert "nothing was stored" in page
    assert "Choose a plan below to make them" in page
    assert "Unknown account" in page
    assert "Bad timestamp" in page
    assert fingerprint() == before
    page = desk.post(address, {**FORM, "plan": "web-traffic", "step": "check"}).get_data(as_text=True)
    assert re.findall(r'<div class="stat-value"><span class="number">(\d+)', page) == ["2", "1", "1"]
    assert "They will be made." in page
    assert fingerprint() == before


@pytest.mark.parametrize(
    ("wrong", "field", "message"),
    [
        ({"metric": ""}, "metric", "Choose what the rows count."),
        ({"metric": "clicks"}, "metric", "Not a valid choice."),
        ({"event_id": ""}, "event_id", "Choose a column."),
        ({"account_id": "nobody"}, "account_id", "Not a valid choice."),
        ({"plan": "gold"}, "plan", "Not a valid choice."),
        ({}, "backfill", "1 of 2 rows are more than 35 days old. Tick this to take them."),
    ],
)
@pytest.mark.parametrize("step", ["check", "start"])
def test_a_choice_that_does_not_fit_is_told_at_its_field_and_begins_nothing(
    desk: Person, wrong: dict[str, str], field: str, message: str, step: str
) -> None:
    address = upload(desk, HEADER + ROW + OLD)
    answer = desk.post(address, {**FORM, **wrong, "step": step})
    assert (answer.status_code, error_at(answer, field)) == (422, message)
    assert db.session.query(JobRun).count() == 0


def test_an_import_is_begun_once_by_a_worker_and_under_the_name_of_who_did_it(
    at_desk: Desk, redis: Redis
) -> None:
    person = at_desk(Role.finance_admin, name="Farhan Mehta")
    address = upload(person, HEADER + ROW + OLD)
    for _ in range(2):
        answer = person.post(address, {**FORM, "backfill": "y", "step": "start"})
        assert answer.location == address.replace("/review/", "/run/")
    run = db.session.query(JobRun).one()
    assert (run.job, run.finished_at, run.detail["rows"]) == ("import", None, 2)
    (record,) = db.session.query(AuditRecord).filter_by(resource_id=str(run.id)).all()
    assert (record.action, record.actor) == ("import.started", "Farhan Mehta")
    assert record.summary == "Import of usage.csv with 2 rows was started"
    assert list(redis.scan_iter("wake-up:*")) == [f"wake-up:jobs.imports.run_import:{run.id}".encode()]
    page = person.text(answer.location)
    assert "Waiting for a worker" in page
    assert '<meta http-equiv="refresh" content="3">' in page
    state = person.get(f"/admin/import/progress/?id={run.id}").get_json()
    assert (state["phase"], state["done"], state["rows"], state["finished"]) == ("waiting", 0, 2, False)
    assert "usage.csv" in person.text("/admin/import/")
    assert db.session.query(UsageEvent).count() == 0


def test_the_report_leads_to_the_dead_letters_and_needs_no_reload(desk: Person) -> None:
    address = upload(desk, HEADER + ROW + STRANGE)
    page = desk.post(address, {**FORM, "step": "start"}).location
    runs.work(db.session.query(JobRun).one().id)
    text = desk.text(page)
    assert re.sub(r"<[^>]+>", "", text).count("Done: 2 of 2 rows") == 1
    letters = "/admin/dead-letters/?status=open&amp;code=unknown_account&amp;metric_code=requests"
    assert f'href="{letters}"' in text
    assert "r-2" in desk.text(letters.replace("&amp;", "&"))
    assert 'http-equiv="refresh"' not in text
    assert "js/import.js" not in text
    assert desk.get(address).location == page


def test_an_import_that_stopped_says_why(desk: Person) -> None:
    page = desk.post(upload(desk, HEADER + ROW), {**FORM, "step": "start"}).location
    db.session.query(StoredFile).update({"sha256": b"\x00" * 32})
    runs.work(db.session.query(JobRun).one().id)
    text = desk.text(page)
    assert "The stored document was changed or damaged." in text
    assert "Failed" in text
    assert "Failed" in desk.text("/admin/import/")


def test_support_may_not_even_look(at_desk: Desk) -> None:
    person = at_desk(Role.support)
    assert [
        person.get(f"/admin/import/{page}").status_code for page in ("", "review/", "run/", "progress/")
    ] == [403] * 4
    assert send(person, HEADER + ROW).status_code == 403
    assert "/admin/import/" not in person.text("/admin/")
    assert db.session.query(StoredFile).count() == 0


def test_the_screen_stands_in_the_sidebar_and_among_the_quick_actions(desk: Person) -> None:
    assert desk.text("/admin/").count('href="/admin/import/"') == 2


def test_a_form_without_its_token_keeps_nothing(desk: Person) -> None:
    assert csrf_token(desk.client)
    answer = desk.client.post("/admin/import/", data={"file": (BytesIO((HEADER + ROW).encode()), "u.csv")})
    assert (answer.status_code, db.session.query(StoredFile).count()) == (400, 0)


@pytest.mark.parametrize("page", ["review", "run", "progress"])
@pytest.mark.parametrize("key", ["", "x", "00000000-0000-0000-0000-000000000000"])
def test_an_import_that_does_not_exist_is_not_found(desk: Person, page: str, key: str) -> None:
    assert desk.get(f"/admin/import/{page}/?id={key}").status_code == 404
