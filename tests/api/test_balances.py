"""`GET /wallets/{id}/balance?at=`: what a wallet had and owed at any instant."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app import clock
from app.models import Account, Wallet
from app.models.wallets import Book, TransactionKind
from app.services import keys, ledger, wallets
from app.services.ledger import Standing
from tests.factories import ACTOR, make_account, make_wallet
from tests.services.metered import NOON

HOUR = timedelta(hours=1)
MOMENT = timedelta(microseconds=1)


@pytest.fixture
def wallet(session: Session) -> Wallet:
    """A wallet with 100 at noon, owing 30 at one and 35 at two, with 40 more at three that paid it off."""
    made = make_wallet()
    wallets.top_up(made, "100", at=NOON, actor=ACTOR, reason="First")
    wallets.debit(made, "100", at=NOON + HOUR, actor=ACTOR, reason="All of it")
    for hours, owed in ((1, "30"), (2, "5")):
        sides = {Book.receivable: -Decimal(owed), Book.revenue: Decimal(owed)}
        at = NOON + hours * HOUR
        ledger.post(TransactionKind.usage, made, sides, at=at, actor="metering", reason="Owed")
    wallets.top_up(made, "40.50", at=NOON + 3 * HOUR, actor=ACTOR, reason="Second")
    session.flush()
    return made


@pytest.mark.parametrize(
    ("at", "stood"),
    [
        (NOON - MOMENT, (0, 0, 0)),
        (NOON, (100, 0, 1)),
        (NOON + HOUR - MOMENT, (100, 0, 1)),
        (NOON + HOUR, (0, 30, 3)),
        (NOON + 2 * HOUR - MOMENT, (0, 30, 3)),
        (NOON + 2 * HOUR, (0, 35, 4)),
        (NOON + 3 * HOUR - MOMENT, (0, 35, 4)),
        (NOON + 3 * HOUR, (Decimal("5.50"), 0, 6)),
        (NOON + 1000 * HOUR, (Decimal("5.50"), 0, 6)),
    ],
)
def test_a_balance_is_what_stood_after_the_last_movement_by_then(
    wallet: Wallet, at: Any, stood: tuple[Decimal, Decimal, int]
) -> None:
    assert ledger.balance_as_of(wallet, at) == Standing(*stood)


def test_movements_of_another_wallet_and_of_the_time_after_do_not_matter(
    session: Session, wallet: Wallet
) -> None:
    wallets.top_up(make_wallet(), "7", at=NOON, actor=ACTOR, reason="Another's")
    before = ledger.balance_as_of(wallet, NOON + 2 * HOUR)
    wallets.top_up(wallet, "1000", at=NOON + 9 * HOUR, actor=ACTOR, reason="Later")
    assert ledger.balance_as_of(wallet, NOON + 2 * HOUR) == before == Standing(Decimal(0), Decimal(35), 4)
    assert ledger.balance_as_of(make_wallet(), NOON) == Standing(Decimal(0), Decimal(0), 0)


def ask(client: FlaskClient, wallet_id: object, at: str = "", account: Account | None = None) -> Any:
    """Ask for a balance with a new key."""
    made = keys.create("test", scopes=["wallets:read"], account=account, actor=ACTOR, at=clock.now())
    query = {"at": at} if at else {}
    headers = {"Authorization": f"Bearer {made[1]}"}
    return client.get(f"/api/v1/wallets/{wallet_id}/balance", query_string=query, headers=headers)


def test_the_api_tells_it_in_the_wallets_currency(client: FlaskClient, wallet: Wallet) -> None:
    answer = ask(client, wallet.id, "2026-10-10T14:00:00+05:30")
    assert answer.status_code == 200
    assert answer.get_json()["data"] == {
        "type": "wallet_balance",
        "id": str(wallet.id),
        "attributes": {
            "at": "2026-10-10T08:30:00Z",
            "currency": "INR",
            "balance": "0.00",
            "receivable": "35.00",
            "sequence": 4,
        },
        "relationships": {"wallet": {"type": "wallet", "id": str(wallet.id)}},
    }


def test_without_an_instant_it_is_the_balance_of_now(client: FlaskClient, wallet: Wallet) -> None:
    attributes = ask(client, wallet.id).get_json()["data"]["attributes"]
    assert (attributes["balance"], attributes["receivable"], attributes["sequence"]) == ("5.50", "0.00", 6)


@pytest.mark.parametrize("at", ["yesterday", "2026-13-01T00:00:00Z", "2026-10-10T14:00:00"])
def test_what_is_no_instant_is_refused_with_the_field(client: FlaskClient, wallet: Wallet, at: str) -> None:
    answer = ask(client, wallet.id, at)
    assert answer.status_code == 400
    assert [field["pointer"] for field in answer.get_json()["error"]["fields"]] == ["/at"]


def test_nobody_elses_wallet_can_be_asked_for(client: FlaskClient, wallet: Wallet) -> None:
    assert ask(client, wallet.id, account=make_account()).status_code == 404
    assert ask(client, uuid4()).status_code == 404
