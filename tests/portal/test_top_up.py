"""Topping up in the portal: the tax is shown before anybody pays."""

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import Payment
from tests.auth.people import csrf_token
from tests.portal.world import World, make_world


@pytest.fixture(autouse=True)
def sandboxed(app: Flask) -> Iterator[None]:
    """Gateways have keys, though nobody answers at their address."""
    before = app.extensions["settings"]
    app.extensions["settings"] = replace(before, sandbox_url="http://127.0.0.1:9")
    yield
    app.extensions["settings"] = before


@pytest.fixture
def world(client: FlaskClient) -> World:
    return make_world(client)


def words(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def test_what_is_to_be_paid_is_shown_with_its_tax_before_the_payment_begins(
    client: FlaskClient, world: World, session: Session
) -> None:
    path = f"/portal/wallets/{world.own.wallet.id}/top-up"
    form = {"csrf_token": csrf_token(client), "amount": "1,000", "gateway": "stripe"}
    answer = client.post(path, data=form)
    page = answer.get_data(as_text=True)
    assert answer.status_code == 200
    assert "Into your wallet ₹1,000.00 CGST 9% ₹90.00 SGST 9% ₹90.00 To pay ₹1,180.00" in words(page)
    assert "Pay ₹1,180.00" in words(page)
    assert session.scalars(select(Payment)).all() == []
    seen = re.search(r'name="seen" value="([^"]+)"', page)
    assert seen is not None
    again = client.post(path, data={**form, "amount": "2000", "seen": seen[1]})
    assert "To pay ₹2,360.00" in words(again.get_data(as_text=True))
    assert session.scalars(select(Payment)).all() == []
    begun = client.post(path, data={**form, "seen": seen[1]})
    payment = session.scalars(select(Payment)).one()
    assert (begun.status_code, payment.amount, payment.tax) == (303, 1180, 180)
