"""Lists: search that an index answers, filters, order, pages that neither skip nor repeat, look-ups with a
limit, exports without formulas.
"""

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from flask import Flask
from sqlalchemy import text

from admin_views import formatters, paging
from admin_views.filters import Filter, derive
from admin_views.keys import decode, encode, key_columns
from app.db import db
from app.errors import NotFound
from app.models import Customer, Invoice, UsageEvent
from app.models.customers import CustomerStatus
from app.services import wallets
from tests import factories
from tests.admin.conftest import Person
from tests.admin.world import AT, World, make_world
from tests.services.tampering import power
from tests.support.application import QueryCounter

FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", '=HYPERLINK("http://evil.example")')


def names(page: str) -> list[str]:
    """Return the first cell of every row."""
    cells = re.findall(r'<th scope=row[^>]*> ?<a class="row-link[^>]*>(.*?)</a>', page)
    return [re.sub(r"<[^>]+>", "", cell) for cell in cells]


@pytest.mark.parametrize(
    ("term", "found"),
    [
        ("kav", ["Kaveri Foods 1"]),
        ("KAVERI F", ["Kaveri Foods 1"]),
        ("foods", []),
        ("%", []),
        ("_", []),
        ("", ["Kaveri Foods 1", "Zari House"]),
        ("zari", ["Zari House"]),
    ],
)
def test_search_finds_the_start_of_a_name_and_takes_wildcards_as_they_are(
    desk: Person, world: World, term: str, found: list[str]
) -> None:
    factories.make_customer("Zari House")
    assert sorted(names(desk.text(f"/admin/customers/?search={term.replace('%', '%25')}"))) == found


def test_an_id_finds_its_row_in_every_list(desk: Person, world: World) -> None:
    factories.make_customer("Zari House")
    assert names(desk.text(f"/admin/customers/?search={world.customer.id}")) == ["Kaveri Foods 1"]
    assert names(desk.text(f"/admin/customers/?search={world.account.id}")) == []


def test_a_search_by_prefix_is_answered_by_an_index(desk: Person, query_counter: QueryCounter) -> None:
    view = desk.client.application.extensions["admin_screens"][Customer]
    query = view.listed({"search": "kav"}).with_only_columns(Customer.id).order_by(None)
    sql = str(query.compile(db.engine, compile_kwargs={"literal_binds": True})).replace("%%", "%")
    db.session.execute(text("SET LOCAL enable_seqscan = off"))
    plan = "\n".join(db.session.scalars(text(f"EXPLAIN {sql}".replace(":", r"\:"))))
    assert "ix_customers_name_prefix" in plan
    assert "ix_customers_email_prefix" in plan


def test_the_customer_list_is_filtered_by_status_plan_and_country(desk: Person, world: World) -> None:
    other = factories.make_customer("Zari House", country="US", state_code=None)
    other.status = CustomerStatus.suspended
    assert names(desk.text("/admin/customers/?status=suspended")) == ["Zari House"]
    assert names(desk.text("/admin/customers/?country=US")) == ["Zari House"]
    assert names(desk.text("/admin/customers/?country=US&status=active")) == []
    assert names(desk.text(f"/admin/customers/?plan={world.plan.id}")) == ["Kaveri Foods 1"]
    assert names(desk.text(f"/admin/customers/?plan={world.account.id}")) == []
    assert names(desk.text("/admin/customers/?plan=nonsense")) == []


def test_a_customer_shows_plan_and_balance_and_that_it_is_low(desk: Person, world: World) -> None:
    row = re.search(r"<tr>.*?Kaveri Foods 1.*?</tr>", desk.text("/admin/customers/"))
    assert row
    assert world.plan.name in row[0]
    assert "₹250.00" in row[0]
    assert "Low" in row[0]


def test_two_currencies_of_a_customer_are_shown_apart(desk: Person, world: World) -> None:
    dollars = factories.make_account(world.customer, prepaid=True, currency="USD")
    wallet = wallets.find_for(dollars)
    assert wallet is not None
    wallets.top_up(wallet, Decimal("10.5"), at=AT, actor=factories.ACTOR, reason="Wire")
    page = desk.text("/admin/customers/")
    assert "₹250.00" in page
    assert "$10.50" in page
    assert "260.5" not in page


def test_a_period_is_of_days_in_the_zone_of_the_person(desk: Person, world: World) -> None:
    customer = world.customer
    customer.created_at = datetime(2026, 3, 31, 18, 30, tzinfo=UTC)
    view = desk.client.application.extensions["admin_screens"][Customer]
    with desk.client.application.test_request_context():
        for first, last, found in (
            ("2026-04-01", "2026-04-01", 1),
            ("2026-03-31", "2026-03-31", 0),
            ("", "2026-03-31", 0),
            ("2026-04-01", "", 1),
            ("nonsense", "", 0),
            ("", "9999-12-31", 0),
        ):
            asked = derive(Customer, "created_at").condition(
                Customer, {"created_at_from": first, "created_at_until": last}
            )
            assert asked is not None
            assert len(db.session.execute(view.base_query().where(asked)).all()) == found, (first, last)


def test_a_filter_that_no_column_answers_is_a_mistake_told_at_the_start() -> None:
    with pytest.raises(ValueError, match="Customer has no column 'nothing' to filter by"):
        derive(Customer, Filter("nothing"))


def test_a_list_is_put_in_order_and_says_so(desk: Person, world: World) -> None:
    factories.make_customer("Zari House")
    page = desk.text("/admin/customers/?sort=name")
    assert names(page) == ["Kaveri Foods 1", "Zari House"]
    assert (
        'aria-sort="ascending"> <a class="sort-link" href="/admin/customers/?sort=name&amp;desc=1"'
        in page.replace('"><a', '"> <a')
    )
    assert names(desk.text("/admin/customers/?sort=name&desc=1")) == ["Zari House", "Kaveri Foods 1"]


def test_numbered_pages_show_every_row_once(desk: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("admin_views.listing.PAGE_SIZE", 3)
    made = {factories.make_customer().name for _ in range(7)}
    seen: list[str] = []
    path = "/admin/customers/"
    while path:
        page = desk.text(path)
        seen += names(page)
        following = re.search(r'rel="next" href="([^"]+)"', page)
        path = following[1].replace("&amp;", "&") if following else ""
    assert (len(seen), set(seen)) == (7, made)
    assert "7–7 of 7" in page


def test_counting_stops_at_a_limit(desk: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("admin_views.paging.COUNT_LIMIT", 4)
    for _ in range(6):
        factories.make_customer()
    assert "1–6 of more than 4" in desk.text("/admin/customers/")


def test_a_big_table_is_walked_by_key_in_both_directions_and_never_counted(
    app: Flask, desk: Person, world: World, monkeypatch: pytest.MonkeyPatch, query_counter: QueryCounter
) -> None:
    monkeypatch.setattr("admin_views.listing.PAGE_SIZE", 4)
    at = datetime(2026, 10, 6, tzinfo=UTC)
    db.session.add_all(
        UsageEvent(
            account_id=world.account.id,
            occurred_at=at + timedelta(seconds=n // 3),
            event_id=f"walk-{n:02d}",
            metric_id=world.metric.id,
            quantity=Decimal(1),
            properties={},
        )
        for n in range(10)
    )
    forward: list[list[str]] = []
    path, page = "/admin/usage-events/", ""
    with query_counter() as queries:
        while path:
            page = desk.text(path)
            forward.append(names(page))
            following = re.search(r'rel="next" href="([^"]+)"', page)
            path = following[1].replace("&amp;", "&") if following else ""
    assert [name for chunk in forward for name in chunk][:10] == [
        f"walk-{n:02d}" for n in reversed(range(10))
    ]
    assert sum(map(len, forward)) == len({name for chunk in forward for name in chunk}) == 13
    listed = [sql for sql in queries if "FROM usage_events" in sql]
    assert [sql for sql in listed if "count(" in sql.lower() or "OFFSET" in sql] == []
    assert len(listed) == len(forward)
    backward = [names(page)]
    while found := re.search(r'rel="prev" href="([^"]+)"', page):
        page = desk.text(found[1].replace("&amp;", "&"))
        backward.insert(0, names(page))
    assert backward == forward


def test_a_key_in_an_address_survives_and_a_forged_one_is_not_found(world: World) -> None:
    columns = key_columns(UsageEvent)
    values = [world.account.id, AT, "e|1,é"]
    assert decode(encode(values), columns) == values
    for forged in ("", "x", "e30", encode(["a", "b", "c"]), encode([world.account.id]), "%%%"):
        with pytest.raises(NotFound):
            decode(forged, columns)


def test_the_planners_estimate_takes_partitions_in(world: World) -> None:
    power(db.session(), "ANALYZE usage_events")
    assert paging.estimate(UsageEvent) == 3
    assert paging.estimate(Invoice) is None


def test_a_look_up_answers_at_most_20_whatever_is_asked(desk: Person) -> None:
    for number in range(25):
        factories.make_customer(f"Ganga {number:02d}")
    for limit in ("5", "20", "1000000", "-1", "x"):
        answer = desk.get(f"/admin/accounts/ajax/lookup/?name=customer&query=gan&limit={limit}")
        assert len(answer.json) == {"5": 5, "-1": 1, "x": 10}.get(limit, 20)
    assert answer.json[0][1] == "Ganga 00"
    assert desk.get("/admin/accounts/ajax/lookup/?name=password_hash").status_code == 404


@pytest.mark.parametrize("formula", FORMULAS)
def test_no_cell_of_an_export_is_a_formula(desk: Person, formula: str) -> None:
    factories.make_customer("x")
    db.session.execute(db.update(Customer).values(name=formula, city=formula))
    rows = list(
        csv.reader(
            io.StringIO(
                desk.get("/admin/customers/export/csv/").get_data(as_text=True).removeprefix("\ufeff")
            )
        )
    )
    assert [row[0] for row in rows[1:]] == [f"'{formula}"]


def test_an_export_has_plain_numbers_and_instants_and_ends_at_its_limit(
    desk: Person, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = next(
        csv.DictReader(
            io.StringIO(desk.get("/admin/invoices/export/csv/").get_data(as_text=True).removeprefix("\ufeff"))
        )
    )
    assert (row["Total"], row["Issued"], row["Status"]) == ("1180.0000", "2026-11-01", "issued")
    make_world(2)
    monkeypatch.setattr("admin_views.listing.EXPORT_LIMIT", 1)
    assert len(desk.get("/admin/invoices/export/csv/").get_data(as_text=True).splitlines()) == 2
    assert desk.get("/admin/invoices/export/xlsx/").status_code == 404


def test_an_export_is_filtered_like_its_list(desk: Person, world: World) -> None:
    factories.make_customer("Zari House")
    answer = desk.get("/admin/customers/export/csv/?search=zari").get_data(as_text=True)
    assert (len(answer.splitlines()), "Zari House" in answer) == (2, True)


def test_text_of_others_is_text(desk: Person) -> None:
    factories.make_customer(
        "<script>alert(1)</script>", city='"><img src=x onerror=alert(1)>', address_line2="{{ 7*7 }}"
    )
    customer = db.session.query(Customer).one()
    for path in (
        "/admin/customers/",
        f"/admin/customers/details/?id={customer.id}",
        f"/admin/customers/edit/?id={customer.id}",
        "/admin/customers/?search=%3Cscript%3Ealert(1)%3C/script%3E",
        "/admin/",
    ):
        page = desk.text(path)
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert "&lt;script&gt;" in page
    assert formatters.harmless("Acme") == "Acme"
