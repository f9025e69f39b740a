"""The page Data care: months, files, jobs and rules, and two buttons that only a super admin has."""

import re
from datetime import UTC, datetime

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.models import EventArchive, JobRun
from app.permissions import Role
from app.services import care
from tests.admin.conftest import Desk, Person
from tests.api.test_archives import add_archive
from tests.factories import make_customer

PAGE = "/admin/data-care/"


def test_the_page_tells_where_every_month_is(session: Session, desk: Person) -> None:
    session.execute(text("SELECT ensure_usage_partition('2025-03-01Z')"))
    add_archive(session)
    add_archive(session, sequence=2, status="restoring", done=3, error="The disk was full.")
    page = desk.text(PAGE)
    assert re.findall(r'<div class="stat-value">(?:<span class="number">)?([\d.]+)', page)[1:2] == ["14"]
    assert "864 bytes" in page
    assert "2025-03, file 1" in page
    assert "The disk was full." in page
    assert page.count('action="/admin/data-care/archive/"') == 1
    assert page.count('action="/admin/data-care/restore/"') == 1
    assert "goes into a file" in page
    assert 'http-equiv="refresh"' in page
    for rule in care.RULES:
        assert rule.what in page


def test_the_last_runs_are_told_in_words(session: Session, desk: Person) -> None:
    at = datetime(2026, 11, 22, tzinfo=UTC)
    done = {"finished_at": at, "started_at": at}
    session.add_all(
        [
            JobRun(
                job="jobs.care.clean_up",
                period="a",
                succeeded=True,
                detail={"mails": 2, "uploads": 0},
                **done,
            ),
            JobRun(job="jobs.care.forget_nonces", period="a", succeeded=True, detail={"nonces": 0}, **done),
            JobRun(
                job="jobs.care.archive_events",
                period="a",
                succeeded=False,
                detail={"error": "OSError: no space"},
                **done,
            ),
        ]
    )
    session.flush()
    page = desk.text(PAGE)
    assert re.findall(r"<td>(Mails 2|nothing to do|OSError: no space) ?</td>", page) == [
        "OSError: no space",
        "Mails 2",
        "nothing to do",
    ]


def test_a_month_is_restored_by_a_button(session: Session, desk: Person) -> None:
    add_archive(session)
    answer = desk.post(f"{PAGE}restore/", {"month": "2025-03"}, follow_redirects=True)
    assert "2025-03 is being restored." in answer.get_data(as_text=True)
    assert session.scalars(select(EventArchive.status)).all() == ["restoring"]


@pytest.mark.parametrize("act", ["archive", "restore"])
def test_what_cannot_be_done_is_told_on_the_page(session: Session, desk: Person, act: str) -> None:
    answer = desk.post(f"{PAGE}{act}/", {"month": "2020-01"}, follow_redirects=True)
    told = {"archive": "There are no events of 2020-01.", "restore": "No events of 2020-01 are archived."}
    assert told[act] in answer.get_data(as_text=True)
    assert session.scalars(select(EventArchive)).all() == []


@pytest.mark.parametrize("role", [Role.finance_admin, Role.support])
def test_other_staff_look_and_cannot_act(session: Session, at_desk: Desk, role: Role) -> None:
    add_archive(session)
    person = at_desk(role)
    assert "/data-care/restore/" not in person.text(PAGE)
    for act in ("archive", "restore"):
        assert person.post(f"{PAGE}{act}/", {"month": "2025-03"}).status_code == 403
    assert session.scalars(select(EventArchive.status)).all() == ["archived"]


def test_a_customer_sees_nothing_of_it(session: Session, at_desk: Desk) -> None:
    assert at_desk(Role.customer, customer=make_customer()).get(PAGE).status_code == 403


def test_the_explorer_tells_which_months_are_not_there(session: Session, desk: Person) -> None:
    assert "are archived" not in desk.text("/admin/usage-events/")
    for n, month in enumerate(("2024-11", "2024-12", "2025-01", "2025-02")):
        add_archive(session, month=month, file_key=f"archives/{n}.csv.gz")
    told = "Events of 2024-12, 2025-01, 2025-02 and 1 older months are archived: restore them under Data care"
    assert told in desk.text("/admin/usage-events/")
