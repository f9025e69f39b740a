"""Staff read what customers were told, and choose their own mails."""

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from app.models import User
from app.permissions import Role
from app.services import wallets
from tests.auth.people import csrf_token, make_user, sign_in
from tests.factories import ACTOR, make_wallet
from tests.services.metered import NOON

PAGE = "/admin/inbox/"


@pytest.fixture
def rohit(client: FlaskClient) -> User:
    """A person of support who is signed in while one wallet is low."""
    wallet = make_wallet("300", low_balance_threshold="100")
    wallets.debit(wallet, "210", at=NOON, actor=ACTOR, reason="Spent")
    user = make_user(Role.support, email="rohit@example.com")
    sign_in(client, user)
    return user


def test_the_bell_counts_and_leads_to_the_list(client: FlaskClient, rohit: User) -> None:
    assert 'href="/admin/inbox/" aria-label="Notifications, 1 new"' in client.get("/admin/").text
    page = client.get(PAGE).text
    assert "the balance is below ₹100.00" in page
    assert "/admin/wallets/details/?id=" in page
    assert client.post(f"{PAGE}read", data={"csrf_token": csrf_token(client)}).status_code == 303
    assert 'href="/admin/inbox/" aria-label="Notifications"' in client.get("/admin/").text


def test_a_customer_has_no_place_here(client: FlaskClient) -> None:
    customer = make_wallet().account.customer
    sign_in(client, make_user(Role.customer, email="asha@example.com", customer=customer))
    assert client.get(PAGE).status_code == 403
    assert client.post(f"{PAGE}read", data={"csrf_token": csrf_token(client)}).status_code == 403


def test_the_mail_templates_name_nothing_outside() -> None:
    for path in Path("templates/mail").iterdir():
        assert "http" not in path.read_text("utf-8"), path
