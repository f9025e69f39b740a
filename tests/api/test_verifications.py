"""The books by the API: the last run, the history, and a new run that a worker does."""

from uuid import UUID, uuid4

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.models import Verification
from app.services import verifications
from tests import factories as make
from tests.api.conftest import Caller, NewCaller


def test_where_there_has_been_no_run_the_books_are_proved_at_once(session: Session, caller: Caller) -> None:
    data = caller.get("/admin/verify").json["data"]
    assert (data["type"], data["attributes"]["ok"]) == ("verification", True)
    assert {check["ok"] for check in data["attributes"]["checks"]} == {True}
    assert session.scalar(select(func.count()).select_from(Verification)) == 0


def test_a_run_is_asked_for_done_by_a_worker_and_read(session: Session, caller: Caller) -> None:
    answer = caller.post("/admin/verify", Idempotency_Key="look")
    run = answer.json["data"]
    assert (answer.status_code, run["type"], run["attributes"]["status"]) == (202, "verification", "queued")
    assert (run["attributes"]["ok"], run["attributes"]["checks"]) == (None, [])
    assert caller.post("/admin/verify").json["data"]["id"] == run["id"]
    verifications.work(UUID(run["id"]))
    done = caller.get(f"/admin/verify/runs/{run['id']}").json["data"]
    told = done["attributes"]
    found = (told["status"], told["ok"], told["checks_failed"], told["started_by"])
    assert found == ("done", True, 0, "test")
    assert len(told["checks"]) == told["checks_done"] == told["checks_total"]
    assert caller.get("/admin/verify").json["data"] == done
    (listed,) = caller.get("/admin/verify/runs").json["data"]
    assert listed["id"] == run["id"]
    assert "checks" not in listed["attributes"]
    assert caller.get(f"/admin/verify/runs/{uuid4()}").status_code == 404


def test_who_may_read_may_not_start(session: Session, new_caller: NewCaller) -> None:
    reader, bound = new_caller("admin:read"), new_caller("all", account=make.make_account())
    assert reader.get("/admin/verify").status_code == 200
    assert reader.post("/admin/verify").status_code == 403
    for path in ("", "/runs", f"/runs/{uuid4()}"):
        assert bound.get(f"/admin/verify{path}").status_code == 403, path
    assert bound.post("/admin/verify").status_code == 403
    assert session.scalar(select(func.count()).select_from(Verification)) == 0
