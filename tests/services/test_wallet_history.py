"""What a wallet's page tells: the balance by local day, and the usage behind a deduction."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy.orm import Session

from app.models import Wallet
from app.services import chain_checks, verify, wallet_history, wallets
from tests.factories import ACTOR, make_wallet
from tests.services.metered import NOON, a_rupee_each, add_usage, meter
from tests.services.tampering import power


@pytest.fixture
def wallet(session: Session) -> Wallet:
    """A wallet in India's time, empty."""
    return make_wallet()


def test_the_balance_is_told_at_the_end_of_each_local_day(session: Session, wallet: Wallet) -> None:
    told = {"actor": ACTOR, "reason": "Because"}
    # 18:29 UTC is still the 5th in India, 18:30 UTC is the 6th.
    wallets.credit(wallet, "100", at=datetime(2026, 10, 5, 18, 29, 59, tzinfo=UTC), **told)
    wallets.credit(wallet, "50", at=datetime(2026, 10, 5, 18, 30, tzinfo=UTC), **told)
    wallets.debit(wallet, "30", at=datetime(2026, 10, 6, 4, tzinfo=UTC), **told)
    found = wallet_history.balances(wallet, datetime(2026, 10, 7, 18, 29, tzinfo=UTC), days=4)
    assert found == [
        (date(2026, 10, 4), Decimal(0)),
        (date(2026, 10, 5), Decimal(100)),
        (date(2026, 10, 6), Decimal(120)),
        (date(2026, 10, 7), Decimal(120)),
    ]
    assert len(wallet_history.balances(wallet, NOON)) == 90


def test_a_deduction_is_explained_down_to_its_tiers_and_period(session: Session) -> None:
    _, wallet, metric = a_rupee_each("100")
    for quantity in (3, 4):
        add_usage(wallet.account, metric, quantity)
        meter()
    latest = wallet_history.latest(wallet)
    parts = wallet_history.explain(wallet, latest)
    [last], [first] = parts[latest[0].id], parts[latest[1].id]
    assert (last.quantity, last.amount, first.quantity, first.amount) == (4, 4, 3, 3)
    assert (last.metric, last.first_on, last.last_on) == (metric.code, date(2026, 10, 1), date(2026, 10, 31))
    assert last.total == 7
    assert [(row["quantity"], row["amount"]) for row in last.tiers] == [("7", "7")]
    assert latest[2].id not in parts


def test_a_whole_chain_says_how_many_links_it_has(session: Session, wallet: Wallet) -> None:
    for n in range(4):
        wallets.credit(wallet, "10", at=NOON + timedelta(minutes=n), actor=ACTOR, reason="Because")
    found = chain_checks.check(wallet)
    assert (found.ok, found.links) == (True, 4)
    assert chain_checks.check(make_wallet()).links == 0


@pytest.mark.parametrize(
    ("change", "seq"),
    [
        ("UPDATE journals SET reason = '' WHERE id IN (SELECT journal_id FROM postings WHERE seq = 3)", 3),
        ("UPDATE postings SET balance_after = 21 WHERE seq = 2", 2),
        ("DELETE FROM postings WHERE seq = 2", 2),
        ("UPDATE postings SET seq = 9 WHERE seq = 4", 4),
        ("DELETE FROM postings WHERE seq = 4", 3),
        ("UPDATE wallets SET chain_head = sha256('x')", 4),
    ],
)
def test_the_link_that_was_tampered_with_is_named(
    session: Session, wallet: Wallet, change: str, seq: int
) -> None:
    for n in range(4):
        wallets.credit(wallet, "10", at=NOON + timedelta(minutes=n), actor=ACTOR, reason="Because")
    session.flush()
    power(session, change)
    found = chain_checks.check(wallet)
    assert found.faults[0].seq == seq
    assert not verify.run(["chains"]).ok
