"""The chains as PostgreSQL recomputes them, and the anchors that remember where they ended."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.domain.ledger import GENESIS
from app.models import LedgerAnchor, Posting, Wallet
from app.models.wallets import Book, TransactionKind
from app.services import anchors, ledger, verify, wallets
from app.services.verify import chains
from tests.factories import ACTOR, make_wallet
from tests.services.metered import NOON
from tests.services.tampering import owning, power, red

DAY = timedelta(days=1)


@pytest.fixture
def wallet(session: Session) -> Wallet:
    """A wallet that moved three times."""
    made = make_wallet()
    for amount in ("10", "20", "30"):
        wallets.credit(made, amount, at=NOON, actor=ACTOR, reason=f"Credit of {amount}")
    return made


@pytest.mark.parametrize(
    "said",
    [
        {"reason": "A plain one"},
        {"reason": "₹ 5 — é ü 𝄞 \u00a0 e\u0301", "actor": "Zoë"},
        {"reason": "\\x00 \\ \\\\ ' \" % %s :name {} \n\t\x01", "actor": "\\"},
        {"reason": "", "actor": ""},
        {"reason": "r", "reference": ("Wëird", "\\1;=")},
        {"reason": "r", "reference": ("n", "n")},
        {"reason": "r", "at": datetime(2026, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)},
        {"reason": "r", "at": datetime(1, 1, 1, tzinfo=UTC)},
        {"reason": "r", "at": datetime(9999, 12, 31, 23, 59, 59, 1, tzinfo=UTC)},
    ],
)
def test_postgresql_hashes_the_bytes_that_were_hashed_when_it_was_written(
    session: Session, wallet: Wallet, said: dict[str, object]
) -> None:
    sides = {Book.wallet: Decimal("0.01"), Book.cash: Decimal("-99.99"), Book.tax: Decimal("99.98")}
    told = {"at": NOON, "actor": "Test", **said}
    posted = ledger.post(TransactionKind.top_up, wallet, sides, **told)  # type: ignore[arg-type]
    largest = Decimal(9999999999999)
    sides = {Book.wallet: largest, Book.cash: -largest}
    ledger.post(TransactionKind.reversal, wallet, sides, reverses_id=posted.journal_id, **told)  # type: ignore[arg-type]
    session.flush()
    assert list(session.execute(text(chains.SUSPECTS))) == []


def test_where_the_two_spellings_differ_python_decides(
    session: Session, wallet: Wallet, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = chains.SUSPECTS.replace("sha256(", "sha256('x' || ")
    assert wrong != chains.SUSPECTS
    monkeypatch.setattr(chains, "SUSPECTS", wrong)
    assert red(verify.run(["chains"], at=NOON)) == {}
    row = session.scalars(select(Posting).where(Posting.wallet_id == wallet.id, Posting.seq == 2)).one()
    power(session, "UPDATE journals SET reason = 'x' WHERE id = :id", id=row.journal_id)
    assert red(verify.run(["chains"], at=NOON)) == {"chains": [f"posting 2 of wallet {wallet.id}"]}


def test_the_end_that_was_cut_off_is_named_by_its_first_posting(session: Session, wallet: Wallet) -> None:
    gone = select(Posting.journal_id).where(Posting.wallet_id == wallet.id, Posting.seq > 1)
    ids = list(session.scalars(gone))
    power(session, "DELETE FROM postings WHERE journal_id = ANY(:ids)", ids=ids)
    report = verify.run(["chains", "transactions"], at=NOON)
    found = {one.where: one.message for each in report.results for one in each.problems}
    assert found[f"posting 2 of wallet {wallet.id}"].startswith("Transaction ")
    assert red(report)["chains"] == [f"posting {seq} of wallet {wallet.id}" for seq in (1, 2)]


def test_an_anchor_notes_the_end_of_each_chain_that_moved(session: Session, wallet: Wallet) -> None:
    other = make_wallet()
    idle = make_wallet()
    wallets.credit(other, "5", at=NOON, actor=ACTOR, reason="Other")
    last = anchors.drop(NOON + DAY)
    found = session.scalars(select(LedgerAnchor).order_by(LedgerAnchor.number)).all()
    assert [(one.number, one.seq, one.head) for one in found] == [
        (number, each.seq, each.chain_head)
        for number, each in enumerate(sorted((wallet, other), key=lambda each: each.id), start=1)
    ]
    assert (found[0].prev_hash, found[1].prev_hash, last) == (GENESIS, found[0].hash, found[1])
    assert idle.id not in {one.wallet_id for one in found}


def test_a_second_anchor_notes_only_what_moved_since(session: Session, wallet: Wallet) -> None:
    first = anchors.drop(NOON)
    assert anchors.drop(NOON + DAY) is first
    wallets.credit(wallet, "1", at=NOON, actor=ACTOR, reason="More")
    second = anchors.drop(NOON + 2 * DAY)
    assert first is not None
    assert second is not None
    assert (second.number, second.seq, second.prev_hash, second.at) == (2, 4, first.hash, NOON + 2 * DAY)
    assert red(verify.run(["anchors"], at=NOON)) == {}


def test_before_the_first_movement_there_is_no_anchor(session: Session) -> None:
    make_wallet()
    session.flush()
    assert anchors.drop(NOON) is None


def test_an_end_cut_off_without_a_trace_is_what_the_anchor_remembers(
    session: Session, wallet: Wallet
) -> None:
    anchors.drop(NOON)
    row = session.scalars(select(Posting).where(Posting.wallet_id == wallet.id, Posting.seq == 2)).one()
    figures = "balance = :balance, seq = 2, chain_head = :hash"
    after = {"id": wallet.id, "balance": row.balance_after, "hash": row.hash}
    power(session, "DELETE FROM wallet_transactions WHERE amount = 30")
    gone = "(SELECT journal_id FROM postings WHERE wallet_id = :id AND seq = 3)"
    power(session, f"DELETE FROM postings WHERE journal_id = {gone}", id=wallet.id)
    power(session, "DELETE FROM journals j WHERE NOT EXISTS (SELECT FROM postings WHERE journal_id = j.id)")
    power(session, f"UPDATE wallets SET {figures} WHERE id = :id", **after)
    report = verify.run(["journals", "wallets", "chains", "transactions", "anchors"], at=NOON)
    assert red(report) == {"anchors": [f"posting 3 of wallet {wallet.id}"]}


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE ledger_anchors SET at = at + interval '1 second' WHERE number = 1",
        "UPDATE ledger_anchors SET hash = 'x' WHERE number = 1",
        "DELETE FROM ledger_anchors WHERE number = 1",
        "UPDATE ledger_anchors SET number = 7 WHERE number = 1",
    ],
)
def test_a_changed_anchor_is_found(session: Session, wallet: Wallet, change: str) -> None:
    anchors.drop(NOON)
    wallets.credit(wallet, "1", at=NOON, actor=ACTOR, reason="More")
    anchors.drop(NOON + DAY)
    power(session, change)
    assert set(red(verify.run(["anchors"], at=NOON))) == {"anchors"}


def test_anchors_are_append_only_even_for_their_owner(session: Session, wallet: Wallet) -> None:
    anchors.drop(NOON)
    for change in (
        "UPDATE ledger_anchors SET seq = 1",
        "DELETE FROM ledger_anchors",
        "TRUNCATE ledger_anchors",
    ):
        with owning(session), pytest.raises(DBAPIError, match="append-only"), session.begin_nested():
            session.execute(text(change))
    assert len(session.scalars(select(LedgerAnchor)).all()) == 1
