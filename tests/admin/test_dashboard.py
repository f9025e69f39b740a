"""The dashboard of specification 6.3.1: real figures, each a link to what it is made of."""

import re

from app.db import transaction
from app.permissions import Actor, Role
from app.services import customers
from tests.admin.conftest import Desk, Person
from tests.admin.world import World
from tests.support.application import QueryCounter

MOST_STATEMENTS = 15


def words(page: str) -> str:
    """Return the text of a page."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def test_the_figures_are_those_of_the_books(desk: Person, world: World) -> None:
    with transaction():
        customers.update(world.customer, {"name": "Kaveri Foods & Sons"}, actor=Actor.system("test"))
    text = words(desk.text("/admin/"))
    assert "Revenue this month ₹1,000.00 new this month" in text.replace("Invoices ", "")
    assert "Active customers 1 1 in all" in text
    assert "Pending invoices 1 ₹1,080.00 due · 1 overdue" in text
    assert "Wallet alerts 1 Kaveri wallet 1 : ₹250.00" in text.replace("1:", "1 :")
    assert "Dead letters 1" in text
    assert "Kaveri Foods &amp; Sons was changed" in text


def test_every_figure_leads_to_what_it_is_made_of(desk: Person, world: World) -> None:
    page = desk.text("/admin/")
    for address in (
        "/admin/customers/?status=active",
        "/admin/invoices/?status=issued",
        "/admin/wallets/?low=true",
        "/admin/dead-letters/?status=open",
        "/admin/audit/",
    ):
        assert f'href="{address}"' in page
        assert desk.get(address).status_code == 200


def test_what_a_role_cannot_start_is_not_offered(at_desk: Desk, world: World) -> None:
    finance, support = (at_desk(role).text("/admin/") for role in (Role.finance_admin, Role.support))
    assert [label in finance for label in ("New customer", "New invoice", "Start a billing run")] == [
        True
    ] * 3
    assert [label in support for label in ("New customer", "New invoice", "Start a billing run")] == [
        False
    ] * 3
    assert "Your role reads everything here and changes nothing." in support


def test_an_empty_house_says_what_comes_next(desk: Person) -> None:
    text = words(desk.text("/admin/"))
    assert "Nothing invoiced yet this month" in text
    assert "Events posted to the API show here within a second." in text
    assert "Everything is paid." in text
    assert "No wallet is below its threshold." in text


def test_the_dashboard_reads_no_events_and_costs_a_fixed_number_of_statements(
    desk: Person, world: World, query_counter: QueryCounter
) -> None:
    with query_counter() as queries:
        desk.text("/admin/")
    assert len(queries) == MOST_STATEMENTS, "\n\n".join(queries)
    assert [sql for sql in queries if "usage_events" in sql] == []


def test_a_forged_currency_is_not_asked_for(desk: Person, world: World) -> None:
    page = desk.text("/admin/?currency=%3Cscript%3E")
    assert "Revenue by month in INR" in page
    assert "<script>&" not in page
