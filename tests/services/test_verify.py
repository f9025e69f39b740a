"""The checks are green over honest books, and each one names the row that somebody with power over the tables
changed."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.models import (
    ChargePosition,
    EventKey,
    Metric,
    Posting,
    UsageDelta,
    Wallet,
    WalletTransaction,
)
from app.services import audit_chain, outbox, verify, wallets
from tests.factories import ACTOR, make_metric, per_unit
from tests.services.metered import NOON, add_events, meter, subscribe_prepaid
from tests.services.tampering import power, red

Tamper = Callable[[Session, Wallet], str]

MOVE_ONE_RUPEE = """
    UPDATE postings SET amount = amount + CASE book WHEN 'revenue' THEN 1 ELSE -1 END
    WHERE journal_id = :id AND book <> 'wallet'
"""
FORGE = """
    WITH forged AS (
        INSERT INTO journals
        SELECT gen_random_uuid(), kind, currency, reason, actor, reference_type, reference_id, NULL,
               created_at
        FROM journals WHERE id = :id RETURNING id
    )
    INSERT INTO postings
        (journal_id, book, account_id, wallet_id, currency, amount, seq, balance_after, prev_hash, hash)
    SELECT forged.id, book, account_id, wallet_id, currency, amount, CASE WHEN seq IS NOT NULL THEN 7 END,
           CASE WHEN seq IS NOT NULL THEN 118 END, (SELECT hash FROM postings WHERE seq = 6), hash
    FROM forged, postings WHERE journal_id = :id
"""


@pytest.fixture
def wallet(session: Session) -> Wallet:
    """A wallet with a history: topped up, charged until it owes, topped up again, debited, reversed."""
    metric = make_metric()
    subscription, wallet = subscribe_prepaid(per_unit(metric, "1"), balance="30")
    add_events(subscription.account, metric, [40, 2])
    meter()
    wallets.top_up(wallet, "100", at=NOON, actor=ACTOR, reason="Second")
    debited = wallets.debit(wallet, "5", at=NOON, actor=ACTOR, reason="A fee")
    wallets.reverse(debited, at=NOON, actor=ACTOR, reason="Waived")
    session.flush()
    return wallet


def test_honest_books_are_green_and_say_what_was_counted(session: Session, wallet: Wallet) -> None:
    report = verify.run(at=NOON)
    assert red(report) == {}
    assert report.ok
    counted = {each.name: each.counted for each in report.results}
    assert counted["journals"] == {"journals": 6, "postings": 13}
    assert counted["wallets"] == {"wallets": 1}
    assert counted["chains"] == {"wallets": 1, "links": 6}
    assert counted["transactions"] == {"transactions": 6}
    assert counted["event_keys"] == {"events": 2, "keys": 2}
    assert counted["rollups"] == {"rollups": 1, "waiting": 0}
    assert counted["positions"] == {"positions": 1}
    assert counted["charges"] == {"positions": 1}


def test_the_report_is_plain_json(session: Session, wallet: Wallet) -> None:
    (journals,) = verify.run(["journals"], at=NOON).as_json()["checks"]
    assert {key: journals[key] for key in ("name", "ok", "counted", "failures", "problems")} == {
        "name": "journals",
        "ok": True,
        "counted": {"journals": 6, "postings": 13},
        "failures": 0,
        "problems": [],
    }


def _posting(session: Session, wallet: Wallet, seq: int) -> Posting:
    return session.scalars(select(Posting).where(Posting.wallet_id == wallet.id, Posting.seq == seq)).one()


def change_a_posting(session: Session, wallet: Wallet) -> str:
    row = _posting(session, wallet, 2)
    power(session, "UPDATE postings SET amount = amount - 1 WHERE id = :id", id=row.id)
    return f"journal {row.journal_id}"


def change_two_sides_alike(session: Session, wallet: Wallet) -> str:
    row = _posting(session, wallet, 2)
    power(session, MOVE_ONE_RUPEE, id=row.journal_id)
    return f"posting 2 of wallet {wallet.id}"


def change_a_reason(session: Session, wallet: Wallet) -> str:
    row = _posting(session, wallet, 1)
    power(session, "UPDATE journals SET reason = 'A gift' WHERE id = :id", id=row.journal_id)
    return f"posting 1 of wallet {wallet.id}"


def delete_the_sides_of_a_journal(session: Session, wallet: Wallet) -> str:
    row = _posting(session, wallet, 3)
    power(session, "DELETE FROM postings WHERE journal_id = :id", id=row.journal_id)
    return f"posting 3 of wallet {wallet.id}"


def insert_a_journal(session: Session, wallet: Wallet) -> str:
    power(session, FORGE, id=_posting(session, wallet, 1).journal_id)
    return f"posting 7 of wallet {wallet.id}"


def delete_the_last_journal(session: Session, wallet: Wallet) -> str:
    row = _posting(session, wallet, 6)
    power(session, "DELETE FROM postings WHERE journal_id = :id", id=row.journal_id)
    return f"posting 5 of wallet {wallet.id}"


def swap_two_postings(session: Session, wallet: Wallet) -> str:
    power(session, "UPDATE postings SET seq = -seq WHERE wallet_id = :id AND seq IN (1, 3)", id=wallet.id)
    power(
        session, "UPDATE postings SET seq = 4 + seq WHERE wallet_id = :id AND seq IN (-1, -3)", id=wallet.id
    )
    return f"posting 1 of wallet {wallet.id}"


@pytest.mark.parametrize(
    ("tamper", "check"),
    [
        (change_a_posting, "journals"),
        (change_two_sides_alike, "chains"),
        (change_a_reason, "chains"),
        (delete_the_sides_of_a_journal, "chains"),
        (insert_a_journal, "chains"),
        (delete_the_last_journal, "chains"),
        (swap_two_postings, "chains"),
    ],
)
def test_a_changed_ledger_is_found_and_located(
    session: Session, wallet: Wallet, tamper: Tamper, check: str
) -> None:
    where = tamper(session, wallet)
    assert where in red(verify.run(at=NOON))[check]


def test_a_cached_balance_that_was_raised_is_found(session: Session, wallet: Wallet) -> None:
    power(session, "UPDATE wallets SET balance = balance + 1 WHERE id = :id", id=wallet.id)
    report = verify.run(at=NOON)
    assert red(report) == {"wallets": [f"wallet {wallet.id}"]}
    (problem,) = next(each for each in report.results if each.name == "wallets").problems
    assert problem.message == "The balance is 89, the postings say 88."


def test_a_transaction_of_another_amount_is_found(session: Session, wallet: Wallet) -> None:
    told = session.scalars(select(WalletTransaction).where(WalletTransaction.amount == 100)).one()
    power(session, "UPDATE wallet_transactions SET amount = 101 WHERE id = :id", id=told.id)
    assert red(verify.run(at=NOON)) == {"transactions": [f"transaction {told.id}"]}


def test_a_journal_without_its_transaction_is_found(session: Session, wallet: Wallet) -> None:
    power(session, "DELETE FROM wallet_transactions WHERE reason = 'Second'")
    assert red(verify.run(at=NOON)) == {"transactions": [f"wallet {wallet.id}"]}


def test_a_lost_event_key_is_found(session: Session, wallet: Wallet) -> None:
    key = session.scalars(select(EventKey)).first()
    assert key is not None
    power(session, "DELETE FROM event_keys WHERE event_id = :id", id=key.event_id)
    assert red(verify.run(at=NOON)) == {"event_keys": [f"account {wallet.account_id}"]}


def test_an_event_that_left_no_delta_is_found(session: Session, wallet: Wallet) -> None:
    metric = make_metric("lost")
    add_events(wallet.account, metric, [3])
    session.execute(text("DELETE FROM usage_deltas"))
    assert red(verify.run(at=NOON)) == {"rollups": [f"lost of account {wallet.account_id}"]}


def test_usage_counted_twice_is_found_everywhere_it_shows(session: Session, wallet: Wallet) -> None:
    power(session, "UPDATE usage_rollups SET quantity = quantity * 2, events = events * 2")
    position = session.scalars(select(ChargePosition)).one()
    code = session.scalar(select(Metric.code))
    assert red(verify.run(at=NOON)) == {
        "rollups": [f"{code} of account {wallet.account_id}"],
        "positions": [f"position {position.id}"],
    }


def test_a_position_that_is_missing_is_found(session: Session, wallet: Wallet) -> None:
    position = session.scalars(select(ChargePosition)).one()
    where = f"component {position.component_id} of subscription {position.subscription_id}"
    power(session, "DELETE FROM charge_positions")
    assert red(verify.run(at=NOON)) == {"positions": [where], "revenue": [f"account {wallet.account_id}"]}


def test_a_charge_that_is_not_the_price_is_found(session: Session, wallet: Wallet) -> None:
    position = session.scalars(select(ChargePosition)).one()
    power(session, "UPDATE charge_positions SET charged_amount = charged_amount - 1")
    report = verify.run(at=NOON)
    assert red(report) == {
        "charges": [f"position {position.id}"],
        "revenue": [f"account {wallet.account_id}"],
    }
    (problem,) = next(each for each in report.results if each.name == "charges").problems
    assert problem.message == "41.00 was charged for what costs 42.00 INR."


def test_usage_without_a_price_is_counted_and_no_fault(session: Session, wallet: Wallet) -> None:
    add_events(wallet.account, make_metric(), [1, 2])
    meter()
    (positions,) = verify.run(["positions"], at=NOON).results
    assert (positions.ok, positions.counted) == (True, {"rollups without a price": 1, "positions": 1})


def test_usage_that_waits_too_long_is_found(session: Session, wallet: Wallet) -> None:
    add_events(wallet.account, make_metric(), [1])
    waiting = session.scalars(select(UsageDelta)).one()
    later = waiting.created_at + timedelta(minutes=10)
    audit_chain.seal(later)
    assert red(verify.run(at=later)) == {}
    assert red(verify.run(at=later + timedelta(seconds=1))) == {"backlog": ["metering"]}


def test_a_promise_that_nobody_keeps_is_found(session: Session) -> None:
    outbox.promise("nobody.cares", "7", {})
    made = session.scalar(text("SELECT created_at FROM outbox_messages"))
    assert red(verify.run(at=made + timedelta(hours=1))) == {}
    assert red(verify.run(at=made + timedelta(hours=1, seconds=1))) == {"outbox": ["nobody.cares 7"]}
