"""Customers at the desk (specification 6.3.2): the joined page, notes, and what is done to many at once."""

import re

from sqlalchemy import func, select

from app import clock
from app.db import db
from app.models import Account, AuditRecord, CustomerNote
from app.models.customers import CustomerStatus
from app.permissions import Role
from app.services import keys
from tests import factories
from tests.admin.conftest import Desk, Person
from tests.admin.world import World
from tests.support.application import QueryCounter

MOST_STATEMENTS = 19


def words(page: str) -> str:
    """Return the text of a page."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def records(action: str) -> int:
    """Return how many audit records of an action there are."""
    return db.session.scalar(select(func.count()).where(AuditRecord.action == action)) or 0


def test_the_page_joins_all_that_belongs_to_the_customer(
    desk: Person, world: World, query_counter: QueryCounter
) -> None:
    keys.create(
        "Orders", scopes=["events:write"], account=world.account, at=clock.now(), actor=factories.ACTOR
    )
    with query_counter() as queries:
        page = desk.text(f"/admin/customers/details/?id={world.customer.id}")
    text = words(page)
    titles = re.findall(r'<h2 class="card-title">(?:<svg.*?</svg>)?(.*?)</h2>', page)
    for title in ("Notes", "Accounts", "Subscriptions", "Wallets", "Invoices", "Payments", "API keys"):
        assert title in titles, title
    assert "Owed ₹1,080.00 1 open invoice, 1 overdue" in text
    assert "Pays on the last day. Test Person" in text
    assert "₹250.00 Low" in text
    # That somebody looked is written as well.
    reading = [one for one in queries if not one.startswith("INSERT INTO audit_records")]
    assert len(reading) <= MOST_STATEMENTS, "\n\n".join(queries)


def test_every_next_step_knows_the_customer(desk: Person, world: World) -> None:
    page = desk.text(f"/admin/customers/details/?id={world.customer.id}")
    address = f"/admin/accounts/new/?customer={world.customer.id}"
    assert f'href="{address}"' in page
    form = desk.text(address)
    assert f'value="{world.customer.id}"' in form
    assert "Kaveri Foods 1" in form
    assert desk.get("/admin/accounts/new/?customer=nonsense").status_code == 200


def test_a_note_is_written_and_pinned_on_the_page(desk: Person, world: World) -> None:
    page = f"/admin/customers/details/?id={world.customer.id}"
    answer = desk.post(
        f"/admin/customers/operation/add_note/?id={world.customer.id}",
        {"text": "<b>Call Meera</b>", "pinned": "y"},
    )
    assert (answer.status_code, answer.location) == (302, page)
    shown = desk.text(page)
    assert "&lt;b&gt;Call Meera&lt;/b&gt;" in shown
    assert "<b>Call Meera" not in shown
    note = db.session.scalars(select(CustomerNote).where(CustomerNote.pinned)).one()
    answer = desk.post(f"/admin/customer-notes/operation/unpin/?id={note.id}")
    assert answer.location == page
    assert db.session.scalars(select(CustomerNote.pinned).where(CustomerNote.id == note.id)).one() is False
    assert (records("customer.noted"), records("customer.note_unpinned")) == (1, 1)


def test_an_empty_note_says_so_at_its_field(desk: Person, world: World) -> None:
    before = db.session.scalar(select(func.count()).select_from(CustomerNote))
    answer = desk.post(f"/admin/customers/operation/add_note/?id={world.customer.id}", {"text": " "})
    assert answer.status_code == 422
    assert 'id="text-error"' in answer.get_data(as_text=True)
    assert db.session.scalar(select(func.count()).select_from(CustomerNote)) == before


def test_many_are_suspended_and_resumed_at_once(desk: Person, world: World) -> None:
    other = factories.make_customer("Zari House")
    chosen = {"rowid": [str(world.customer.id), str(other.id)], "url": "/admin/customers/?status=active"}
    answer = desk.post("/admin/customers/action/", {"action": "suspend", **chosen})
    assert answer.location == "/admin/customers/?status=active"
    assert {world.customer.status, other.status} == {CustomerStatus.suspended}
    desk.post("/admin/customers/action/", {"action": "suspend", **chosen})
    assert "2 refused" in words(desk.text("/admin/customers/"))
    desk.post("/admin/customers/action/", {"action": "resume", **chosen})
    assert {world.customer.status, other.status} == {CustomerStatus.active}
    assert (records("customer.suspended"), records("customer.resumed")) == (2, 2)


def test_payment_terms_are_asked_for_once_and_set_for_all(desk: Person, world: World) -> None:
    lonely = factories.make_customer("Zari House")
    chosen = {
        "action": "set_terms",
        "rowid": [str(world.customer.id), str(lonely.id)],
        "url": "//evil.example",
    }
    asked = desk.post("/admin/customers/action/", chosen)
    page = asked.get_data(as_text=True)
    assert asked.status_code == 200
    assert "For 2 customers:" in page
    assert page.count('name="rowid"') == 2
    refused = desk.post("/admin/customers/action/", {**chosen, "step": "do", "days": "366"})
    assert refused.status_code == 422
    assert 'id="days-error"' in refused.get_data(as_text=True)
    assert records("customer.terms_set") == 0
    done = desk.post("/admin/customers/action/", {**chosen, "step": "do", "days": "45"})
    assert done.location == "/admin/customers/"
    assert "Zari House has no account yet." in words(desk.text("/admin/customers/"))
    terms = select(Account.payment_terms_days).where(Account.customer_id == world.customer.id)
    assert set(db.session.scalars(terms)) == {45}
    assert records("customer.terms_set") == 1


def test_support_reads_notes_and_writes_none(at_desk: Desk, world: World) -> None:
    support = at_desk(Role.support)
    page = support.text(f"/admin/customers/details/?id={world.customer.id}")
    assert "Pays on the last day." in page
    assert "Add the note" not in page
    assert ">Suspend" not in page
    assert "API keys" not in words(page)
    for path, form in (
        (f"operation/add_note/?id={world.customer.id}", {"text": "x"}),
        (f"operation/suspend/?id={world.customer.id}", {}),
        ("action/", {"action": "set_terms", "rowid": str(world.customer.id), "step": "do", "days": "1"}),
    ):
        assert support.post(f"/admin/customers/{path}", form).status_code == 403
    assert world.customer.status is CustomerStatus.active
    assert records("customer.noted") + records("customer.terms_set") == 0


def test_a_customer_is_found_by_the_gstin(desk: Person, world: World) -> None:
    world.customer.gstin = factories.a_gstin("29")
    factories.make_customer("Zari House")
    page = desk.text(f"/admin/customers/?search={world.customer.gstin}")
    assert "Kaveri Foods 1" in page
    assert "Zari House" not in page
