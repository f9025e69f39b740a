"""Filters that people keep: own and shared, and never more than a list's own filters."""

import pytest
from sqlalchemy import func, select

from app.db import db
from app.models import AuditRecord, SavedFilter
from app.permissions import Role
from tests.admin.conftest import Desk, Person
from tests.admin.world import World


@pytest.fixture(autouse=True)
def only_mine(world: World) -> None:
    """Begin without the filter that the world has."""
    db.session.query(SavedFilter).delete()


def keep(person: Person, name: str, asked: str, *, screen: str = "customers", **more: str) -> str:
    """Keep filters; return where the person is led."""
    answer = person.post("/admin/filters/save/", {"screen": screen, "name": name, "asked": asked, **more})
    assert answer.status_code == 302
    location: str = answer.location
    return location


def kept() -> list[tuple[str, bool, dict[str, str]]]:
    """Return what is stored."""
    query = select(SavedFilter.name, SavedFilter.shared, SavedFilter.arguments).order_by(SavedFilter.name)
    return [tuple(row) for row in db.session.execute(query)]  # type: ignore[misc]


def test_only_what_the_list_asks_itself_is_kept_and_applied(desk: Person) -> None:
    asked = "status=suspended&country=IN&_external=1&next=//evil.example&page=7&search=Kav&plan="
    location = keep(desk, " Lost ones ", asked)
    assert location == "/admin/customers/?status=suspended&country=IN&search=Kav"
    assert kept() == [("Lost ones", False, {"status": "suspended", "country": "IN", "search": "Kav"})]
    row = db.session.scalars(select(SavedFilter)).one()
    row.arguments = {**row.arguments, "_anchor": "x", "_scheme": "javascript"}
    db.session.flush()
    menu = desk.text("/admin/filters/menu/?screen=customers&status=active&forged=1")
    assert 'href="/admin/customers/?search=Kav&amp;status=suspended&amp;country=IN"' in menu
    assert 'name="asked" value="status=active"' in menu


def test_a_period_is_kept_by_its_two_ends(desk: Person) -> None:
    keep(desk, "October", "created_at_from=2026-10-01&created_at_until=2026-10-31", screen="customer-notes")
    assert kept()[0][2] == {"created_at_from": "2026-10-01", "created_at_until": "2026-10-31"}


def test_own_filters_are_own_and_shared_ones_are_offered_to_all(at_desk: Desk) -> None:
    meera, rohit = at_desk(Role.finance_admin), at_desk(Role.support)
    keep(meera, "Mine", "status=active")
    keep(meera, "Ours", "status=suspended", shared="on")
    menu = rohit.text("/admin/filters/menu/?screen=customers")
    assert ">Ours</a>" in menu
    assert ">Mine</a>" not in menu
    ours = db.session.scalars(select(SavedFilter).where(SavedFilter.shared)).one()
    for act in ("rename", "delete"):
        assert rohit.post(f"/admin/filters/{ours.id}/{act}/", {"name": "x"}).status_code == 404
    assert [name for name, _, _ in kept()] == ["Mine", "Ours"]


def test_who_only_reads_a_list_shares_nothing(at_desk: Desk) -> None:
    keep(at_desk(Role.support), "For me", "status=active", shared="on")
    assert kept() == [("For me", False, {"status": "active"})]


def test_renaming_and_deleting_leave_records(desk: Person) -> None:
    keep(desk, "First", "status=active")
    keep(desk, "Second", "status=closed")
    first = db.session.scalars(select(SavedFilter).where(SavedFilter.name == "First")).one()
    desk.post(f"/admin/filters/{first.id}/rename/", {"name": "Second"})
    assert "You have a filter of this name already." in desk.text("/admin/filters/?screen=customers")
    desk.post(f"/admin/filters/{first.id}/rename/", {"name": "Third"})
    desk.post(f"/admin/filters/{first.id}/delete/")
    assert [name for name, _, _ in kept()] == ["Second"]
    query = (
        select(AuditRecord.action).where(AuditRecord.action.startswith("filter.")).order_by(AuditRecord.id)
    )
    told = list(db.session.scalars(query))
    assert told == ["filter.saved", "filter.saved", "filter.renamed", "filter.deleted"]


def test_what_cannot_be_kept_is_told(desk: Person) -> None:
    for name, asked in (("", "status=active"), ("x" * 61, "status=active"), ("Nothing", "page=2")):
        keep(desk, name, asked)
    assert db.session.scalar(select(func.count()).select_from(SavedFilter)) == 0


def test_filters_of_a_list_that_one_may_not_open_are_not_there(at_desk: Desk) -> None:
    support = at_desk(Role.support)
    assert support.get("/admin/filters/?screen=api-keys").status_code == 403
    assert support.get("/admin/filters/?screen=nothing").status_code == 404


def test_a_forged_argument_does_not_break_the_list(desk: Person) -> None:
    for argument in ("export_type=x", "screen=x", "endpoint=x", "_external=1", "values=1"):
        assert desk.get(f"/admin/customers/?{argument}").status_code == 200, argument
