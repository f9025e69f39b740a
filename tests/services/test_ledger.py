"""The database itself refuses a ledger that does not balance or is rewritten."""

from decimal import Decimal

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.domain.errors import Unbalanced
from app.models import Journal, Posting, Wallet
from app.models.wallets import Book, TransactionKind
from app.services import ledger, wallets
from tests.factories import ACTOR, make_wallet
from tests.services.metered import NOON
from tests.services.tampering import owning

SAID = {"at": NOON, "actor": "Test", "reason": "Because"}
ADD_SIDE = """
    INSERT INTO postings (journal_id, book, account_id, wallet_id, currency, amount)
    SELECT journal_id, 'cash', account_id, wallet_id, :currency, :amount FROM postings WHERE seq = 1
"""


@pytest.fixture
def wallet(session: Session) -> Wallet:
    """A wallet with one journal of 10."""
    made = make_wallet()
    wallets.credit(made, "10", at=NOON, actor=ACTOR, reason="Welcome")
    session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
    session.execute(text("SET CONSTRAINTS ALL DEFERRED"))
    return made


@pytest.mark.parametrize(
    "sides",
    [
        {Book.wallet: Decimal(1), Book.cash: Decimal(-2)},
        {Book.wallet: Decimal(0), Book.cash: Decimal(0)},
        {},
    ],
)
def test_a_journal_that_does_not_balance_is_not_written(
    session: Session, wallet: Wallet, sides: dict[Book, Decimal]
) -> None:
    with pytest.raises(Unbalanced):
        ledger.post(TransactionKind.credit, wallet, sides, **SAID)
    assert len(session.scalars(select(Journal)).all()) == 1


@pytest.mark.parametrize(("currency", "amount"), [("INR", "1"), ("USD", "1"), ("INR", "-1")])
def test_a_side_added_later_is_refused_at_commit(
    session: Session, wallet: Wallet, currency: str, amount: str
) -> None:
    with pytest.raises(IntegrityError, match="does not balance"), session.begin_nested():
        session.execute(text(ADD_SIDE), {"currency": currency, "amount": amount})
        session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))


def test_a_journal_without_sides_is_refused_at_commit(session: Session, wallet: Wallet) -> None:
    with pytest.raises(IntegrityError, match="does not balance"), session.begin_nested():
        session.add(Journal(kind="credit", currency="INR", reason="Empty", actor="Test", created_at=NOON))
        session.flush()
        session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))


@pytest.mark.parametrize("table", ["journals", "postings"])
@pytest.mark.parametrize(
    "change", ["UPDATE {} SET currency = currency", "DELETE FROM {}", "TRUNCATE {} CASCADE"]
)
def test_the_ledger_is_append_only_even_for_its_owner(
    session: Session, wallet: Wallet, table: str, change: str
) -> None:
    with owning(session), pytest.raises(IntegrityError, match="is append-only"), session.begin_nested():
        session.execute(text(change.format(table)))
    assert len(session.scalars(select(Posting)).all()) == 2


def test_a_journal_without_the_wallets_own_side_has_its_place_in_the_chain(
    session: Session, wallet: Wallet
) -> None:
    sides = {Book.receivable: Decimal(-3), Book.revenue: Decimal(3)}
    before = wallet.chain_head
    posted = ledger.post(TransactionKind.usage, wallet, sides, **SAID)
    linked = session.scalars(select(Posting).where(Posting.seq == 2)).one()
    assert (linked.journal_id, linked.book, linked.prev_hash) == (posted.journal_id, "receivable", before)
    assert (linked.balance_after, wallet.balance, wallet.receivable) == (10, 10, 3)
    assert linked.hash == wallet.chain_head
