"""The recipe of docs/dev/screens.md, tried: a new model is a safe screen by itself, and a file of six lines
adjusts it.
"""

from collections.abc import Iterator
from decimal import Decimal

import pytest
from flask import Flask
from redis import Redis
from sqlalchemy import Numeric, text
from sqlalchemy.orm import Mapped, mapped_column

from admin_views.base import ModelScreen
from admin_views.registry import SCREENS, screen
from app.config import Settings
from app.db import Base, bind_to, db
from app.factory import create_app
from app.permissions import Role
from tests.admin.conftest import Person
from tests.auth.people import make_user, sign_in
from tests.support.application import Client


def at_desk(app: Flask, role: Role) -> Person:
    """Return somebody of a role, signed in."""
    client = app.test_client()
    sign_in(client, make_user(role))
    return Person(client)


@pytest.fixture
def shipment() -> Iterator[type[Base]]:
    """A model of tomorrow, mapped like any other."""

    class Shipment(Base):
        """What is sent to customers."""

        __tablename__ = "shipments"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]
        token: Mapped[str] = mapped_column(info={"secret": True})
        price: Mapped[Decimal] = mapped_column(Numeric(20, 4), info={"money": "currency"})
        currency: Mapped[str]

        def __str__(self) -> str:
            return self.name

    yield Shipment
    Base.metadata.remove(Shipment.__table__)
    Base.registry._dispose_cls(Shipment)
    Base.registry._managers.pop(Shipment.__mapper__.class_manager)


@pytest.fixture
def make_house(settings: Settings, redis: Redis, request: pytest.FixtureRequest) -> Iterator[Flask]:
    """The application, built anew; its table is there for this connection alone."""
    request.getfixturevalue("shipment")
    if "adjusted" in request.fixturenames:
        request.getfixturevalue("adjusted")
    house = create_app(settings)
    house.test_client_class = Client
    with house.app_context(), db.engine.connect() as connection:
        outer = connection.begin()
        connection.execute(
            text("CREATE TEMP TABLE shipments (id int, name text, token text, price numeric, currency text)")
        )
        connection.execute(text("INSERT INTO shipments VALUES (1, 'Box', 'hush-hush', 118, 'INR')"))
        with bind_to(connection):
            yield house
            db.session.remove()
        outer.rollback()
    with house.app_context():
        db.engine.dispose()


@pytest.fixture
def adjusted(shipment: type[Base]) -> Iterator[None]:
    """The file of six lines that the recipe shows."""

    @screen(shipment, category="Customers", icon="package", place=9)
    class ShipmentScreen(ModelScreen):
        """The shipments."""

        column_list = ("name", "price")
        search = ("name",)
        can_edit = True
        form_columns = ("name",)

    yield
    del SCREENS._entries["Shipment"]


def test_a_new_model_is_shown_to_super_admins_and_nobody_changes_it(make_house: Flask) -> None:
    ananya, meera = at_desk(make_house, Role.super_admin), at_desk(make_house, Role.finance_admin)
    page = ananya.text("/admin/shipments/")
    assert "Box" in page
    assert "₹118.00" in page
    assert "hush-hush" not in page + ananya.text("/admin/shipments/details/?id=1")
    assert "hush-hush" not in ananya.get("/admin/shipments/export/csv/").get_data(as_text=True)
    assert '<a class="nav-item" href="/admin/shipments/"' in page
    assert meera.get("/admin/shipments/").status_code == 403
    assert "/admin/shipments/" not in meera.text("/admin/customers/")
    for route in ("new/", "edit/?id=1", "delete/"):
        assert ananya.post(f"/admin/shipments/{route}", {"id": "1", "name": "Crate"}).status_code == 404
    assert db.session.scalar(text("SELECT name FROM shipments")) == "Box"


def test_six_lines_adjust_it(adjusted: None, make_house: Flask) -> None:
    meera, rohit = at_desk(make_house, Role.finance_admin), at_desk(make_house, Role.support)
    page = meera.text("/admin/shipments/?search=bo")
    assert "Box" in page
    assert "Nothing matches" in meera.text("/admin/shipments/?search=crate")
    answer = meera.post("/admin/shipments/edit/?id=1", {"name": "Crate", "token": "stolen", "price": "1"})
    assert answer.status_code == 302
    row = db.session.execute(text("SELECT name, token, price FROM shipments")).one()
    assert tuple(row) == ("Crate", "hush-hush", 118)
    summary = text("SELECT summary FROM audit_records WHERE action = 'shipment.updated'")
    assert db.session.scalars(summary).all() == ["Changed shipment Crate"]
    assert "Crate" in rohit.text("/admin/shipments/")
    assert rohit.post("/admin/shipments/edit/?id=1", {"name": "Bag"}).status_code == 403
