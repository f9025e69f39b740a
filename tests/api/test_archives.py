"""Archives by the API: listed for staff, asked for by who may operate, done by a worker."""

from datetime import UTC, datetime

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.models import AuditRecord, EventArchive
from app.permissions import Role
from tests import factories as make
from tests.api.conftest import Caller, NewCaller
from tests.auth.people import csrf_token, make_user, sign_in

OLD = datetime(2025, 3, 10, tzinfo=UTC)


def add_archive(session: Session, **values: object) -> EventArchive:
    given = {
        "month": "2025-03",
        "sequence": 1,
        "status": "archived",
        "file_key": f"archives/usage-events/2025-03-{values.get('sequence', 1)}.csv.gz",
        "rows": 7,
        "size": 432,
        "sha256": b"\x07" * 32,
        "first_at": OLD,
        "last_at": OLD,
        "requested_by": "jobs.care",
    }
    archive = EventArchive(**{**given, **values})
    session.add(archive)
    session.flush()
    return archive


def count(session: Session) -> int:
    return session.scalar(select(func.count()).select_from(EventArchive)) or 0


def test_archives_are_listed_newest_first(session: Session, caller: Caller) -> None:
    add_archive(session)
    newest = add_archive(session, sequence=2, status="restored", error="The disk was full.")
    first, second = caller.get("/admin/archives").json["data"]
    assert (first["id"], first["type"]) == (str(newest.id), "event_archive")
    assert (first["attributes"]["status"], first["attributes"]["error"]) == ("restored", "The disk was full.")
    assert {name: second["attributes"][name] for name in ("month", "rows", "size", "sha256", "first_at")} == {
        "month": "2025-03",
        "rows": 7,
        "size": 432,
        "sha256": "07" * 32,
        "first_at": "2025-03-10T00:00:00Z",
    }


def test_a_restore_is_asked_for_and_waits_for_a_worker(session: Session, caller: Caller) -> None:
    archive = add_archive(session)
    answer = caller.post("/admin/archives/2025-03/restore", {"days": 3})
    assert answer.status_code == 202
    (told,) = answer.json["data"]
    assert (told["id"], told["attributes"]["status"]) == (str(archive.id), "restoring")
    assert told["attributes"]["keep_until"] is not None
    again = caller.post("/admin/archives/2025-03/restore", {"days": 5})
    assert (again.status_code, len(again.json["data"])) == (202, 1)
    query = select(AuditRecord.action).where(AuditRecord.resource_type == "EventArchive")
    actions = ["event_archive.restore_requested", "event_archive.kept_longer"]
    assert session.scalars(query.order_by(AuditRecord.at, AuditRecord.id)).all() == actions


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        ("", {"month": "2025-3"}, 400, None),
        ("", {"month": "2025-13"}, 400, "Write a month as a year and a month: 2026-10."),
        ("", {"month": "2020-01"}, 404, "There are no events of 2020-01."),
        ("/2020-01/restore", {}, 404, "No events of 2020-01 are archived."),
        ("/x/restore", {}, 400, "Write a month as a year and a month: 2026-10."),
        ("/2020-01/restore", {"days": 0}, 400, None),
    ],
)
def test_what_cannot_be_done_is_refused(
    session: Session, caller: Caller, path: str, body: dict[str, object], status: int, message: str | None
) -> None:
    answer = caller.post(f"/admin/archives{path}", body)
    assert answer.status_code == status
    assert message in (None, answer.json["error"]["message"])
    assert count(session) == 0


def test_a_month_that_is_kept_is_refused_with_the_reason(session: Session, caller: Caller) -> None:
    month = f"{make.START:%Y-%m}"
    answer = caller.post("/admin/archives", {"month": month})
    assert (answer.status_code, answer.json["error"]["code"]) == (409, "conflict")
    assert answer.json["error"]["message"].startswith(
        f"{month} stays: Events are kept for 12 full months, now from "
    )
    assert count(session) == 0


@pytest.mark.parametrize("role", [Role.finance_admin, Role.support])
def test_staff_read_and_only_a_super_admin_acts(session: Session, client: FlaskClient, role: Role) -> None:
    add_archive(session)
    sign_in(client, make_user(role))
    headers = {"X-CSRFToken": csrf_token(client)}
    assert client.get("/api/v1/admin/archives").status_code == 200
    for path, body in (("", {"month": "2025-03"}), ("/2025-03/restore", {})):
        answer = client.post(f"/api/v1/admin/archives{path}", json=body, headers=headers)
        assert answer.status_code == 403
    assert session.scalars(select(EventArchive.status)).all() == ["archived"]


def test_a_key_without_the_scope_or_bound_to_an_account_sees_nothing(
    session: Session, new_caller: NewCaller
) -> None:
    add_archive(session)
    for caller in (new_caller("usage:read"), new_caller("all", account=make.make_account())):
        assert caller.get("/admin/archives").status_code == 403
    reader = new_caller("admin:read")
    assert reader.get("/admin/archives").status_code == 200
    assert reader.post("/admin/archives/2025-03/restore", {}).status_code == 403


def test_the_list_of_events_tells_which_months_are_not_there(session: Session, caller: Caller) -> None:
    add_archive(session)
    asked = (
        {},
        {"from": "2025-03-31T00:00:00Z"},
        {"to": "2025-03-01T00:00:00Z"},
        {"from": "2025-04-01T00:00:00Z"},
    )
    told = [caller.get("/events", **query).json["meta"]["archived_months"] for query in asked]
    assert told == [["2025-03"], ["2025-03"], [], []]
