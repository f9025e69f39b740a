"""Freezing, closing and activating wallets."""

from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.errors import Conflict, IllegalTransition, Invalid
from app.models import AuditRecord, Wallet
from app.services import holds, wallet_status, wallets
from tests.factories import ACTOR, make_wallet
from tests.services.metered import NOON, a_rupee_each, add_usage, figures, meter

TOLD: dict[str, Any] = {"at": NOON, "actor": ACTOR, "reason": "Under review"}


def test_each_turn_leaves_an_audit_record(session: Session) -> None:
    wallet = make_wallet()
    for turn in (wallet_status.freeze, wallet_status.close, wallet_status.activate):
        turn(wallet, **TOLD)
    session.flush()
    found = session.scalars(
        select(AuditRecord).where(AuditRecord.resource_id == str(wallet.id)).order_by(AuditRecord.id)
    )
    told = [(each.action, each.before, each.after) for each in found if each.action != "wallet.opened"]
    assert told == [
        ("wallet.frozen", {"status": "active"}, {"status": "frozen", "reason": "Under review"}),
        ("wallet.closed", {"status": "frozen"}, {"status": "closed", "reason": "Under review"}),
        ("wallet.activated", {"status": "closed"}, {"status": "active", "reason": "Under review"}),
    ]


def test_an_activated_wallet_pays_what_usage_owes(session: Session) -> None:
    subscription, wallet, metric = a_rupee_each(balance="10")
    wallet_status.freeze(wallet, **TOLD)
    add_usage(subscription.account, metric, 4)
    meter()
    assert figures(wallet) == ("10.00", "4.00")
    wallet_status.activate(wallet, **TOLD)
    assert figures(wallet) == ("6.00", "0.00")


def test_a_wallet_is_closed_when_nothing_is_left(session: Session) -> None:
    wallet = make_wallet("100")
    hold = holds.place(wallet, "60", **TOLD)
    with pytest.raises(Conflict, match=r"it has 100\.00 balance, 60\.00 held\."):
        wallet_status.close(wallet, **TOLD)
    holds.release(hold, at=NOON, actor=ACTOR)
    wallets.debit(wallet, "100", **TOLD)
    assert wallet_status.close(wallet, **TOLD).status == "closed"


def test_a_wallet_that_owes_is_not_closed(session: Session) -> None:
    subscription, wallet, metric = a_rupee_each()
    add_usage(subscription.account, metric, 4)
    meter()
    with pytest.raises(Conflict, match=r"it has 4\.00 owed\."):
        wallet_status.close(wallet, **TOLD)
    assert wallet.status == "active"


@pytest.mark.parametrize(
    ("before", "turn"),
    [
        ("active", wallet_status.activate),
        ("frozen", wallet_status.freeze),
        ("closed", wallet_status.freeze),
        ("closed", wallet_status.close),
    ],
)
def test_a_turn_that_is_none_is_refused(session: Session, before: Any, turn: Any) -> None:
    wallet = make_wallet()
    wallet.status = before
    with pytest.raises(IllegalTransition, match=f"from {before}"):
        turn(wallet, **TOLD)


def test_a_turn_needs_a_reason(session: Session) -> None:
    wallet: Wallet = make_wallet()
    with pytest.raises(Invalid) as refused:
        wallet_status.freeze(wallet, at=NOON, actor=ACTOR, reason=" ")
    assert [one.pointer for one in refused.value.fields] == ["/reason"]
    assert wallet.status == "active"
