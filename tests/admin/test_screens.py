"""One contract for every screen there is and will be: any model that is mapped gets a list, a page and an
export that keep to it.
"""

import pytest
from flask import Flask
from sqlalchemy import Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

import admin_views
import app.models
from admin_views.base import ModelScreen
from admin_views.keys import key_columns, key_of
from admin_views.registry import SCREENS
from admin_views.site import unspoken
from app.db import db
from app.permissions import Role
from app.registry import load_package
from tests.admin.conftest import Desk, Person
from tests.admin.movements import make_movements
from tests.admin.world import World, make_world
from tests.support.application import QueryCounter

load_package(admin_views)
MODELS = [getattr(app.models, name) for name in sorted(app.models.__all__)]
SHOWN = [
    model for model in MODELS if not any(isinstance(column.type, JSONB) for column in key_columns(model))
]
SLUGS = [
    (SCREENS[model.__name__] if model.__name__ in SCREENS else unspoken(model)).declared["slug"]
    for model in SHOWN
]
LISTED = [
    "customers",
    "accounts",
    "metrics",
    "plans",
    "plan-versions",
    "price-components",
    "subscriptions",
    "usage-events",
    "dead-letters",
    "wallets",
    "wallet-transactions",
    "journals",
    "postings",
    "invoices",
    "invoice-lines",
    "payments",
    "billing-runs",
    "seller-registrations",
    "tax-rates",
    "invoice-series",
    "users",
    "api-keys",
    "audit",
    "job-runs",
    "approvals",
    "approval-limits",
    "verify",
]
# One of them counts what waits for the person: it is kept in Redis where transactions are real.
MOST_QUERIES = 4
# Who asks, the rows, and the record that they were taken.
MOST_OF_AN_EXPORT = 3
PAGE = 50


class Tomorrow(DeclarativeBase):
    """Tables that are not the product's: a model of `Base` would be a screen of every test after this."""


class Parcel(Tomorrow):
    """A table that no screen file speaks of."""

    __tablename__ = "parcels"
    id: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[str] = mapped_column(Text)


# Dead letters also tell what waits for which reason, and the replays that are under way; events, which months
# are archived; approvals, what waits for the person who is looking; reminders, who is late; the books, the
# last run and the one under way.
MORE_QUERIES = {"dunning-notices": 1, "dead-letters": 2, "usage-events": 1, "approvals": 1, "verify": 3}


def test_every_mapped_model_has_a_screen(screens: dict[str, ModelScreen]) -> None:
    assert {view.model for view in screens.values()} == set(SHOWN)


def test_the_screens_of_the_specification_stand_at_their_addresses(screens: dict[str, ModelScreen]) -> None:
    assert set(LISTED) - set(screens) == set()
    assert screens["plans"].url == "/admin/plans"


@pytest.mark.parametrize("slug", SLUGS)
def test_a_list_shows_its_rows_in_at_most_three_statements(
    slug: str, desk: Person, screens: dict[str, ModelScreen], query_counter: QueryCounter
) -> None:
    for number in (1, 2, 3):
        make_movements(make_world(number).customer)
    view = screens[slug]
    rows = len(db.session.scalars(db.select(view.model)).all())
    db.session.flush()
    with query_counter() as queries:
        text = desk.text(f"/admin/{slug}/")
    assert len(queries) <= MOST_QUERIES + MORE_QUERIES.get(slug, 0), "\n\n".join(queries)
    assert text.count("<tr>") == min(rows, PAGE) + 1


@pytest.mark.parametrize("slug", SLUGS)
def test_a_record_has_a_page_and_hides_its_secrets(
    slug: str, desk: Person, world: World, screens: dict[str, ModelScreen]
) -> None:
    make_movements(world.customer)
    record = db.session.scalars(db.select(screens[slug].model)).first()
    assert record is not None
    text = desk.text(f"/admin/{slug}/details/?id={key_of(record)}")
    for attribute in type(record).__mapper__.column_attrs:
        if attribute.columns[0].info.get("secret"):
            value: str | bytes | None = getattr(record, attribute.key)
            shown = value.hex()[:12] if isinstance(value, bytes) else value
            assert not shown or shown not in text


def test_a_billing_period_is_told_in_the_zone_of_its_account(at_desk: Desk, world: World) -> None:
    world.account.timezone = "America/New_York"
    text = at_desk().text(f"/admin/invoices/details/?id={world.invoice.id}")
    assert "30 Sep 2026, 14:30 EDT" in text
    assert "30 Sep 2026, 18:30 UTC" not in text


@pytest.mark.parametrize("slug", SLUGS)
def test_a_key_that_no_row_has_is_not_found(slug: str, desk: Person) -> None:
    for key in (
        "x",
        "0",
        "'; DROP TABLE users; --",
        "00000000-0000-0000-0000-000000000000",
        "WyJhIl0",
        "%00",
        "",
    ):
        for route in ("details", "edit", "download/pdf"):
            assert desk.get(f"/admin/{slug}/{route}/?id={key}").status_code == 404, (route, key)


@pytest.mark.parametrize("slug", SLUGS)
def test_a_list_survives_any_address(slug: str, desk: Person, world: World) -> None:
    for question in (
        "search=a%00b",
        "search=%25",
        "page=-1",
        "page=99999999999",
        "page=x",
        "sort=nothing",
        "desc=1",
        "status=nonsense",
        "account=x",
    ):
        assert desk.get(f"/admin/{slug}/?{question}").status_code == 200, question
    assert desk.get(f"/admin/{slug}/?after=nonsense").status_code in {200, 404}


@pytest.mark.parametrize("slug", SLUGS)
def test_an_export_has_a_line_for_every_row(
    slug: str, desk: Person, world: World, screens: dict[str, ModelScreen], query_counter: QueryCounter
) -> None:
    rows = len(db.session.scalars(db.select(screens[slug].model)).all())
    with query_counter() as queries:
        answer = desk.get(f"/admin/{slug}/export/csv/")
    assert (answer.status_code, answer.mimetype) == (200, "text/csv")
    assert len(answer.get_data(as_text=True).splitlines()) == rows + 1
    # That the list was taken as a file is written as well.
    reading = [one for one in queries if not one.startswith("INSERT INTO audit_records")]
    assert len(reading) <= MOST_OF_AN_EXPORT


def test_a_model_that_no_file_speaks_of_is_read_only_and_for_super_admins(app: Flask, at_desk: Desk) -> None:
    screen = unspoken(Parcel)(Parcel, unspoken(Parcel).declared)  # type: ignore[arg-type]
    assert (screen.can_create, screen.can_edit, screen.can_delete) == (False, False, False)
    assert screen.operations == ()
    assert screen.columns == ("id", "label")
    assert at_desk(Role.super_admin).get("/admin/stored-files/").status_code == 200
    assert at_desk(Role.finance_admin).get("/admin/stored-files/").status_code == 403


def test_a_screen_file_is_a_few_lines_of_data(screens: dict[str, ModelScreen]) -> None:
    own = {
        name
        for name, value in vars(type(screens["job-runs"])).items()
        if not name.startswith("_") and not callable(value)
    }
    data = {"column_list", "formats", "labels", "search", "filters", "big", "empty"}
    assert own == {"declared", *data}
