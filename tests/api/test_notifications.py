"""Notifications, limits and caps by the API."""

from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app import clock
from app.models import Account, Wallet
from app.permissions import Role
from app.services import keys, notifications, preferences, wallets
from tests.auth.people import make_user, sign_in
from tests.factories import ACTOR, make_account, make_wallet
from tests.services.metered import NOON


@pytest.fixture
def wallet(session: Session) -> Wallet:
    """A wallet that has fallen below a level."""
    wallet = make_wallet("300", low_balance_threshold="100")
    wallets.debit(wallet, "210", at=NOON, actor=ACTOR, reason="Spent")
    return wallet


def call(
    client: FlaskClient, method: str, path: str, body: Any = None, account: Account | None = None
) -> Any:
    secret = keys.create("test", scopes=["wallets:write"], account=account, actor=ACTOR, at=clock.now())[1]
    answer = client.open(
        f"/api/v1{path}", method=method, json=body, headers={"Authorization": f"Bearer {secret}"}
    )
    return answer.status_code, answer.get_json()


def test_what_a_customer_was_told_is_listed(client: FlaskClient, wallet: Wallet) -> None:
    status, answer = call(client, "GET", "/notifications?kind=low_balance")
    (told,) = answer["data"]
    told["attributes"].pop("created_at")
    assert (status, told["type"]) == (200, "notification")
    assert told["attributes"] == {
        "kind": "low_balance",
        "tone": "warning",
        "title": f"{wallet.account.name}: the balance is below ₹100.00",
        "text": "The prepaid balance is running low. Top up before it is used up.",
        "facts": [{"label": "Left", "value": "₹90.00"}, {"label": "Balance", "value": "₹90.00"}],
        "url": None,
        "about": {"type": "Wallet", "id": str(wallet.id)},
    }
    assert call(client, "GET", "/notifications?kind=spending_cap")[1]["data"] == []


def kinds_listed(client: FlaskClient) -> list[str]:
    return [told["attributes"]["kind"] for told in client.get("/api/v1/notifications").get_json()["data"]]


@pytest.mark.parametrize("role", [Role.customer, Role.support])
def test_a_kind_that_a_person_turned_off_is_not_told_to_them(
    client: FlaskClient, wallet: Wallet, role: Role
) -> None:
    customer = wallet.account.customer
    notifications.notify(customer, "spending_cap", title="Cap", text="Reached.", about=wallet, at=NOON)
    owner = customer if role is Role.customer else None
    user = make_user(role, customer=owner)
    sign_in(client, user)
    assert kinds_listed(client) == ["spending_cap", "low_balance"]
    preferences.change(user, {}, {"low_balance": {"in_product": False}}, actor=ACTOR)
    assert kinds_listed(client) == ["spending_cap"]
    assert [one.notification.kind for one in notifications.listed(user)] == ["spending_cap"]
    keyed = client.application.test_client()
    assert len(call(keyed, "GET", "/notifications")[1]["data"]) == 2


def test_a_key_of_an_account_sees_what_is_about_its_wallets(client: FlaskClient, wallet: Wallet) -> None:
    assert len(call(client, "GET", "/notifications", account=wallet.account)[1]["data"]) == 1
    assert call(client, "GET", "/notifications", account=make_account(prepaid=True))[1]["data"] == []


def test_a_key_reads_for_nobody(client: FlaskClient, wallet: Wallet) -> None:
    status, answer = call(client, "POST", "/notifications/read", {})
    assert (status, answer["error"]["code"]) == (403, "forbidden")


def test_caps_and_levels_are_limits_of_a_wallet(client: FlaskClient, wallet: Wallet) -> None:
    body = {"daily_cap": "100", "monthly_cap": "1000", "alert_levels": ["10", "50"]}
    status, answer = call(client, "PATCH", f"/wallets/{wallet.id}", body)
    attributes = answer["data"]["attributes"]
    told = ("daily_cap", "monthly_cap", "alert_levels")
    assert (status, [attributes[name] for name in told]) == (200, ["100.00", "1000.00", ["50.00", "10.00"]])
    answer = call(client, "PATCH", f"/wallets/{wallet.id}", dict.fromkeys(told))[1]
    assert [answer["data"]["attributes"][name] for name in told] == [None, None, None]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"daily_cap": "0"}, "/daily_cap"),
        ({"monthly_cap": "-5"}, "/monthly_cap"),
        ({"daily_cap": "1.001"}, "/daily_cap"),
        ({"daily_cap": "92233720368547758080000"}, "/daily_cap"),
        ({"alert_levels": ["5", "-1"]}, "/alert_levels/1"),
        ({"alert_levels": [str(n) for n in range(11)]}, "/alert_levels"),
    ],
)
def test_a_limit_that_cannot_be_is_refused_at_its_field(
    client: FlaskClient, wallet: Wallet, body: Any, pointer: str
) -> None:
    status, answer = call(client, "PATCH", f"/wallets/{wallet.id}", body)
    assert (status, answer["error"]["fields"][0]["pointer"]) == (400, pointer)
    attributes = call(client, "GET", f"/wallets/{wallet.id}")[1]["data"]["attributes"]
    assert [attributes[name] for name in ("daily_cap", "monthly_cap", "alert_levels")] == [None, None, None]
