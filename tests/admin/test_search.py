"""The search of the header at the desk, and by the API."""

from app.permissions import Role
from tests import factories
from tests.admin.conftest import Desk, Person
from tests.admin.world import World
from tests.api.conftest import NewCaller, new_caller  # noqa: F401


def test_one_record_is_gone_to_and_several_are_listed_by_kind(desk: Person, world: World) -> None:
    answer = desk.get("/admin/search/?q=blr/26-27/00001")
    assert (answer.status_code, answer.location) == (302, f"/admin/invoices/details/?id={world.invoice.id}")
    page = desk.text("/admin/search/?q=kaveri")
    assert f'href="/admin/customers/details/?id={world.customer.id}"' in page
    assert f'href="/admin/accounts/details/?id={world.prepaid.id}"' in page
    assert "Nothing found" in desk.text("/admin/search/?q=nobody")
    assert "What are you looking for?" in desk.text("/admin/search/")


def test_the_list_beneath_the_box_is_text_of_others_escaped(desk: Person, world: World) -> None:
    factories.make_customer("<img src=x onerror=alert(1)>")
    part = desk.text("/admin/search/hits/?q=<img")
    assert "&lt;img src=x" in part
    assert "<img" not in part
    assert "<html" not in part


def test_the_box_stands_on_every_page(desk: Person, world: World) -> None:
    page = desk.text("/admin/wallets/")
    assert 'action="/admin/search/"' in page
    assert 'data-global-search="/admin/search/hits/"' in page


def test_support_finds_with_masks_and_no_keys(at_desk: Desk, world: World) -> None:
    support = at_desk(Role.support)
    page = support.text("/admin/search/?q=kaveri")
    assert "Kaveri Foods 1" in page
    assert world.customer.email not in page
    assert "Nothing found" in support.text("/admin/search/?q=Ingest")


def test_a_customer_searches_nothing(at_desk: Desk, world: World) -> None:
    customer = at_desk(Role.customer, customer=world.customer)
    for path in ("/admin/search/?q=kaveri", "/admin/search/hits/?q=kaveri"):
        assert customer.get(path).status_code == 403
    assert customer.get("/api/v1/search?q=kaveri").status_code == 403


def test_the_api_answers_within_the_scopes(world: World, new_caller: NewCaller) -> None:  # noqa: F811
    everything = new_caller("all").get("/search", q="kaveri").json
    assert [(one["attributes"]["kind"], one["attributes"]["title"]) for one in everything["data"]] == [
        ("customer", "Kaveri Foods 1"),
        ("account", "Kaveri Foods 1"),
        ("account", "Kaveri wallet 1"),
    ]
    assert (everything["meta"]["more"], everything["meta"]["events_searched"]) == ([], True)
    narrow = new_caller("customers:read")
    assert narrow.get("/search", q=str(world.invoice.number)).json["data"] == []
    assert narrow.get("/search", q="k").status_code == 400
    assert new_caller("all", account=world.account).get("/search", q="kaveri").status_code == 403
    assert new_caller("billing:read").get("/search", q="kaveri").status_code == 403
