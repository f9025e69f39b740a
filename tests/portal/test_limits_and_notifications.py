"""The customer's limits and notifications: one's own, and nothing of anybody else's."""

import re
from decimal import Decimal

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from app.models import Notification, NotificationRead, User, Wallet
from app.services import wallets
from tests.auth.people import csrf_token
from tests.factories import ACTOR
from tests.portal.world import World, make_world
from tests.services.metered import NOON


@pytest.fixture
def world(client: FlaskClient) -> World:
    return make_world(client)


def post(client: FlaskClient, path: str, **fields: object) -> TestResponse:
    return client.post(path, data={"csrf_token": csrf_token(client), **fields})


def bell(client: FlaskClient) -> str:
    (label,) = re.findall(r'class="[^"]*bell" href="[^"]*" aria-label="([^"]*)"', client.get("/portal/").text)
    return label


def test_the_bell_counts_until_the_notifications_are_read(client: FlaskClient, world: World) -> None:
    before = bell(client)
    wallets.debit(world.own.wallet, "880", at=NOON, actor=ACTOR, reason="A fee")
    assert (before, bell(client)) == ("Notifications, 1 new", "Notifications, 2 new")
    page = client.get("/portal/notifications").text
    assert "the balance is below ₹475.00" in page
    assert f"/portal/wallets/{world.own.wallet.id}" in page
    one = re.findall(r'name="id" value="([^"]*)"', page)[0]
    post(client, "/portal/notifications/read", id=one)
    assert bell(client) == "Notifications, 1 new"
    post(client, "/portal/notifications/read")
    assert bell(client) == "Notifications"


def test_a_notification_is_read_in_the_own_language(
    client: FlaskClient, session: Session, world: World
) -> None:
    wallets.debit(world.own.wallet, "880", at=NOON, actor=ACTOR, reason="A fee")
    session.query(User).filter_by(email="asha@lotus.example").one().locale = "hi"
    session.flush()
    page = client.get("/portal/notifications").text
    assert f"<bdi>{world.own.prepaid.name}: शेष ₹475.00 से कम है</bdi>" in page
    assert '<div lang="hi" dir="auto">प्रीपेड शेष कम हो रहा है। समाप्त होने से पहले रीचार्ज करें।</div>' in page


def test_what_others_were_told_is_neither_shown_nor_read(
    client: FlaskClient, session: Session, world: World
) -> None:
    wallets.debit(world.foreign.wallet, "880", at=NOON, actor=ACTOR, reason="A fee")
    foreign = session.scalars(
        select(Notification.id).where(Notification.customer_id == world.foreign.customer.id)
    ).all()
    page = client.get("/portal/notifications").text
    assert not any(str(each) in page for each in foreign)
    post(client, "/portal/notifications/read", id=foreign[0])
    read = select(func.count()).where(NotificationRead.notification_id.in_(foreign))
    assert session.scalar(read) == 0


def test_limits_are_set_and_taken_away(client: FlaskClient, session: Session, world: World) -> None:
    path = f"/portal/wallets/{world.own.wallet.id}/limits"
    given = {"daily_cap": "2,000", "monthly_cap": "", "threshold": "100", "amount": "500"}
    assert post(client, path, low_balance_threshold="900", **given).status_code == 303
    wallet = session.get_one(Wallet, world.own.wallet.id, populate_existing=True)
    assert (wallet.daily_cap, wallet.monthly_cap, wallet.low_balance_threshold) == (2000, None, 900)
    assert wallet.auto_top_up == {"threshold": "100.00", "amount": "500.00"}
    page = client.get(path).text
    assert 'name="daily_cap" inputmode="decimal" autocomplete="off" value="2000"' in page
    assert 'Today <span class="money">₹100.00</span> so far' in page
    assert post(client, path).status_code == 303
    wallet = session.get_one(Wallet, world.own.wallet.id, populate_existing=True)
    assert (wallet.daily_cap, wallet.low_balance_threshold, wallet.auto_top_up) == (None, None, None)


@pytest.mark.parametrize(
    ("field", "value"), [("daily_cap", "0"), ("monthly_cap", "1.001"), ("amount", ""), ("threshold", "-1")]
)
def test_a_limit_that_cannot_be_is_told_at_its_field(
    client: FlaskClient, session: Session, world: World, field: str, value: str
) -> None:
    path = f"/portal/wallets/{world.own.wallet.id}/limits"
    given = {"threshold": "100", "amount": "500"} | {field: value}
    answer = post(client, path, **given)
    assert answer.status_code == 400
    assert re.search(rf'is-invalid" id="{field}"', answer.text)
    wallet = session.get_one(Wallet, world.own.wallet.id, populate_existing=True)
    assert (wallet.low_balance_threshold, wallet.auto_top_up) == (Decimal(950), None)


def test_anothers_wallet_has_no_limits_here(client: FlaskClient, world: World) -> None:
    other = f"/portal/wallets/{world.foreign.wallet.id}/limits"
    assert client.get(other).status_code == 404
    assert post(client, other, daily_cap="1").status_code == 404
