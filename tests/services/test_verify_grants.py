"""The check of grants is green over honest ones, and names what was tampered with."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.models import Grant, GrantUse, Wallet, WalletTransaction
from app.services import grant_uses, grants, verify, wallets
from tests.factories import ACTOR
from tests.services.metered import NOON, a_rupee_each, add_usage, meter
from tests.services.tampering import power, red
from tests.services.test_grants import LATER, debit, give


@pytest.fixture
def granted(session: Session) -> tuple[Wallet, Grant, Grant]:
    """A wallet with a grant that a debit and usage drew on, and one that expired."""
    subscription, wallet, metric = a_rupee_each("50")
    over = give(wallet, "10", expires_at=NOON + timedelta(hours=1))
    grants.expire_all(NOON + timedelta(hours=1))
    live = give(wallet, "100", expires_at=LATER)
    debit(wallet, "30")
    add_usage(subscription.account, metric, 20)
    meter()
    session.flush()
    return wallet, live, over


def check() -> list[str]:
    return red(verify.run(("grants",), at=NOON)).get("grants", [])


def test_honest_grants_are_green_and_counted(granted: tuple[Wallet, Grant, Grant]) -> None:
    (result,) = verify.run(("grants",), at=NOON).results
    assert (result.problems, result.counted) == ((), {"grants": 2, "uses": 3})


TAMPERINGS: tuple[tuple[str, str], ...] = (
    ("UPDATE grants SET remaining = remaining + 1 WHERE id = :live", "live wallet"),
    ("UPDATE wallets SET granted = granted - 1 WHERE id = :wallet", "wallet"),
    ("UPDATE grants SET remaining = 1, amount = amount + 1 WHERE id = :over", "wallet"),
    ("UPDATE grants SET voided_at = now() WHERE id = :live", "live"),
    ("DELETE FROM grant_uses WHERE grant_id = :over", "over"),
    ("UPDATE grant_uses SET amount = amount - 1 WHERE grant_id = :over", "over expiry"),
    ('UPDATE grants SET drawn = \'[["0", "21"]]\' WHERE id = :live', "live"),
)


@pytest.mark.parametrize(("statement", "named"), TAMPERINGS)
def test_what_was_tampered_with_is_named(
    session: Session, granted: tuple[Wallet, Grant, Grant], statement: str, named: str
) -> None:
    ids = dict(zip(("wallet", "live", "over"), (row.id for row in granted), strict=True))
    ids["expiry"] = session.scalars(
        select(WalletTransaction.id).where(WalletTransaction.kind == "expiry")
    ).one()
    power(session, statement, **{name: ids[name] for name in ids if f":{name}" in statement})
    kinds = {"wallet": "wallet", "live": "grant", "over": "grant", "expiry": "movement"}
    assert set(check()) == {f"{kinds[name]} {ids[name]}" for name in named.split()}


def test_a_grant_that_outlived_its_end_is_named(
    session: Session, granted: tuple[Wallet, Grant, Grant]
) -> None:
    late = LATER + timedelta(minutes=15)
    assert red(verify.run(("grants",), at=late - timedelta(seconds=1))) == {}
    assert red(verify.run(("grants",), at=late)) == {"grants": [f"grant {granted[1].id}"]}


def test_a_consumption_that_forgets_the_wallet_is_found(
    session: Session, granted: tuple[Wallet, Grant, Grant], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grant_uses, "KEEP_WALLETS", text("SELECT :ids, :granted, :metered"))
    debit(granted[0], "5")
    assert check() == [f"wallet {granted[0].id}"]


def test_money_given_back_twice_is_found(
    session: Session, granted: tuple[Wallet, Grant, Grant], monkeypatch: pytest.MonkeyPatch
) -> None:
    wallet, live, _ = granted
    taken = debit(wallet, "10")
    honest = grant_uses.rule.give_back

    def twice(uses: Any, amount: Any) -> Any:
        return honest(uses, amount) * 2

    monkeypatch.setattr(grant_uses.rule, "give_back", twice)
    wallets.reverse(taken, at=NOON, actor=ACTOR, reason="Mistake")
    last = session.scalars(select(GrantUse.transaction_id).order_by(GrantUse.id.desc())).first()
    assert (check(), live.remaining) == ([f"movement {last}"], 60)
