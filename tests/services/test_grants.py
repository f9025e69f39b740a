"""Grants: given, spent in their order, given back, lapsed and taken back, to the paisa."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.db import db
from app.domain.money import Money
from app.errors import Conflict, CurrencyMismatch, InsufficientFunds, Invalid
from app.models import AuditRecord, Grant, GrantUse, Journal, Wallet, WalletTransaction
from app.models.wallets import TransactionState
from app.services import grants, holds, wallet_limits, wallets
from tests.factories import ACTOR, make_wallet
from tests.services.metered import NOON, amounts, books, transactions

DAY = timedelta(days=1)
LATER = NOON + 30 * DAY


def give(wallet: Wallet, amount: str = "100", **more: Any) -> Grant:
    return grants.give(wallet, amount, at=NOON, actor=ACTOR, **{"reason": "Launch offer", **more})


def debit(wallet: Wallet, amount: str, at: datetime = NOON) -> WalletTransaction:
    return wallets.debit(wallet, amount, at=at, actor=ACTOR, reason="Setup")


def left(*given: Grant) -> list[str]:
    """Return what remains of grants, as the database has it."""
    db.session.flush()
    kept = dict(db.session.execute(select(Grant.id, Grant.remaining)).all())
    return [f"{kept[grant.id]:.2f}" for grant in given]


def figures(wallet: Wallet) -> tuple[str, str]:
    """Return the balance and the granted part of it, as the database has them."""
    db.session.flush()
    query = select(Wallet.balance, Wallet.granted).where(Wallet.id == wallet.id)
    balance, granted = db.session.execute(query).one()
    return f"{balance:.2f}", f"{granted:.2f}"


def uses(grant: Grant) -> list[str]:
    query = select(GrantUse.amount).where(GrantUse.grant_id == grant.id).order_by(GrantUse.id)
    return [f"{amount:.2f}" for amount in db.session.scalars(query)]


@pytest.mark.parametrize(("kind", "source"), [("promotional", "promotion"), ("purchased", "cash")])
def test_a_grant_is_money_of_the_wallet_that_comes_from_where_it_was_paid(
    session: Session, kind: str, source: str
) -> None:
    wallet = make_wallet()
    grant = give(wallet, kind=kind, expires_at=LATER, reference="PO-7")
    assert figures(wallet) == ("100.00", "100.00")
    assert books(wallet) == {source: "-100.00", "wallet": "100.00"}
    (made,) = transactions(wallet)
    assert (made.kind, made.state, made.amount, made.reference) == ("grant", "COMPLETED", 100, "PO-7")
    assert (grant.transaction_id, left(grant), grant.currency) == (made.id, ["100.00"], "INR")
    record = session.scalars(select(AuditRecord).where(AuditRecord.action == "grant.given")).one()
    assert (record.resource_id, record.summary) == (str(grant.id), "100.00 INR granted: Launch offer")


def test_the_lowest_priority_goes_first_then_the_soonest_to_expire_then_the_oldest(session: Session) -> None:
    wallet = make_wallet("1000")
    never = give(wallet, "10")
    late = give(wallet, "10", expires_at=LATER)
    soon = give(wallet, "10", expires_at=NOON + DAY)
    soon_too = give(wallet, "10", expires_at=NOON + DAY)
    last = give(wallet, "10", expires_at=NOON + DAY, priority=51)
    first = give(wallet, "10", priority=1)
    order = (first, soon, soon_too, late, never, last)
    for spent, expected in (
        ("10", ["0.00", "10.00", "10.00", "10.00", "10.00", "10.00"]),
        ("15", ["0.00", "0.00", "5.00", "10.00", "10.00", "10.00"]),
        ("14.99", ["0.00", "0.00", "0.00", "0.01", "10.00", "10.00"]),
        ("10.02", ["0.00", "0.00", "0.00", "0.00", "0.00", "9.99"]),
        ("100", ["0.00"] * 6),
    ):
        debit(wallet, spent)
        assert left(*order) == expected
    assert figures(wallet) == ("909.99", "0.00")


def test_a_debit_reversed_gives_back_what_it_took_of_each_grant(session: Session) -> None:
    wallet = make_wallet("50")
    soon, late = give(wallet, "30", expires_at=NOON + DAY), give(wallet, "30", expires_at=LATER)
    taken = debit(wallet, "80")
    assert (left(soon, late), figures(wallet)) == (["0.00", "0.00"], ("30.00", "0.00"))
    debit(wallet, "5")
    wallets.reverse(taken, at=NOON, actor=ACTOR, reason="Typing error")
    assert (left(soon, late), figures(wallet)) == (["30.00", "30.00"], ("105.00", "60.00"))
    assert (uses(soon), uses(late)) == (["30.00", "-30.00"], ["30.00", "-30.00"])


def test_what_comes_back_to_an_expired_grant_lapses_at_once(session: Session) -> None:
    wallet = make_wallet("50")
    soon, late = give(wallet, "30", expires_at=NOON + DAY), give(wallet, "30", expires_at=LATER)
    taken = debit(wallet, "70")
    wallets.reverse(taken, at=NOON + 2 * DAY, actor=ACTOR, reason="Typing error")
    assert (left(soon, late), figures(wallet)) == (["0.00", "30.00"], ("80.00", "30.00"))
    assert amounts(wallet)[-2:] == ["70.00", "-30.00"]
    assert [each.kind for each in transactions(wallet)][-2:] == ["reversal", "expiry"]
    assert uses(soon) == ["30.00", "-30.00", "30.00"]


@pytest.mark.parametrize(("kind", "goes_to"), [("promotional", "promotion"), ("purchased", "adjustment")])
def test_what_is_left_at_expiry_leaves_the_wallet(session: Session, kind: str, goes_to: str) -> None:
    wallet = make_wallet("50")
    grant = give(wallet, "100", expires_at=LATER, kind=kind)
    debit(wallet, "30")
    with pytest.raises(InsufficientFunds, match=r"has 50\.00 INR"):
        debit(wallet, "51", at=LATER)
    assert (left(grant), figures(wallet)) == (["0.00"], ("50.00", "0.00"))
    expiry = transactions(wallet)[-1]
    assert (expiry.kind, expiry.amount, expiry.balance_after) == ("expiry", -70, 50)
    assert (expiry.reason, expiry.reference, expiry.actor) == (
        "Expired: Launch offer",
        f"grant:{grant.id}",
        "grants",
    )
    kept = {"promotion": ("30.00", "-30.00", "-50.00"), "adjustment": ("100.00", None, "-150.00")}
    found = books(wallet)
    assert tuple(found.get(book) for book in ("adjustment", "promotion", "cash")) == kept[goes_to]


def test_a_grant_can_be_spent_until_the_instant_before_it_expires(session: Session) -> None:
    wallet = make_wallet()
    grant = give(wallet, "100", expires_at=LATER)
    debit(wallet, "60", at=LATER - timedelta(microseconds=1))
    with pytest.raises(InsufficientFunds):
        debit(wallet, "1", at=LATER)
    assert (left(grant), figures(wallet)) == (["0.00"], ("0.00", "0.00"))


def test_the_job_lets_every_grant_lapse_that_is_over_once(session: Session) -> None:
    short, long = make_wallet(), make_wallet()
    over = [give(short, "10", expires_at=LATER), give(short, "20", expires_at=LATER), give(long, "5")]
    assert (grants.has_expired(LATER - DAY), grants.expire_all(LATER - DAY)) == (False, 0)
    assert (grants.has_expired(LATER), grants.expire_all(LATER)) == (True, 2)
    assert (grants.has_expired(LATER), grants.expire_all(LATER)) == (False, 0)
    assert left(*over) == ["0.00", "0.00", "5.00"]
    assert (figures(short), figures(long)) == (("0.00", "0.00"), ("5.00", "5.00"))


def test_what_a_hold_took_of_a_grant_outlives_its_expiry_until_the_hold_resolves(session: Session) -> None:
    wallet = make_wallet("40")
    grant = give(wallet, "60", expires_at=LATER)
    hold = holds.place(wallet, "50", at=NOON, actor=ACTOR, reason="Campaign")
    assert (left(grant), figures(wallet)) == (["10.00"], ("100.00", "10.00"))
    assert grants.expire_all(LATER) == 1
    assert (left(grant), figures(wallet)) == (["0.00"], ("90.00", "0.00"))
    with pytest.raises(InsufficientFunds, match=r"has 40\.00 INR"):
        debit(wallet, "40.01", at=LATER)
    holds.capture(hold, at=LATER, actor=ACTOR, amount="45")
    assert (left(grant), figures(wallet)) == (["0.00"], ("40.00", "0.00"))
    assert amounts(wallet)[-3:] == ["-10.00", "-45.00", "-5.00"]


def test_a_hold_released_gives_back_what_it_took_of_grants(session: Session) -> None:
    wallet = make_wallet("40")
    grant = give(wallet, "60", expires_at=LATER)
    hold = holds.place(wallet, "80", at=NOON, actor=ACTOR, reason="Campaign")
    assert (left(grant), figures(wallet)) == (["0.00"], ("100.00", "0.00"))
    holds.release(hold, at=NOON, actor=ACTOR)
    assert (left(grant), figures(wallet)) == (["60.00"], ("100.00", "60.00"))
    assert uses(grant) == ["60.00", "-60.00"]


def test_a_capture_reversed_gives_back_what_its_hold_took_of_grants(session: Session) -> None:
    wallet = make_wallet("40")
    grant = give(wallet, "60", expires_at=LATER)
    hold = holds.place(wallet, "80", at=NOON, actor=ACTOR, reason="Campaign")
    holds.capture(hold, at=NOON, actor=ACTOR, amount="50")
    assert (left(grant), figures(wallet)) == (["10.00"], ("50.00", "10.00"))
    wallets.reverse(transactions(wallet)[-1], at=NOON, actor=ACTOR, reason="Typing error")
    assert (left(grant), figures(wallet)) == (["60.00"], ("100.00", "60.00"))
    assert uses(grant) == ["60.00", "-10.00", "-50.00"]


def test_what_is_overdrawn_is_paid_from_a_new_grant_first(session: Session) -> None:
    wallet = make_wallet("10", overdraft_limit="50")
    debit(wallet, "40")
    grant = give(wallet, "100", expires_at=LATER)
    assert (left(grant), figures(wallet)) == (["70.00"], ("70.00", "70.00"))
    assert uses(grant) == ["30.00"]
    assert grants.expire_all(LATER) == 1
    assert figures(wallet) == ("0.00", "0.00")


def test_a_top_up_reversed_takes_plain_money_before_granted(session: Session) -> None:
    wallet = make_wallet("50")
    grant = give(wallet, "100", expires_at=LATER)
    (top_up, *_) = transactions(wallet)
    wallets.reverse(top_up, at=NOON, actor=ACTOR, reason="The cheque bounced")
    assert (left(grant), figures(wallet)) == (["100.00"], ("100.00", "100.00"))


def test_a_void_takes_back_what_is_left_and_no_more(session: Session) -> None:
    wallet = make_wallet("50")
    grant = give(wallet, "100", expires_at=LATER)
    taken = debit(wallet, "30")
    grants.void(grant, at=NOON, actor=ACTOR, reason="Given by mistake")
    assert (left(grant), figures(wallet)) == (["0.00"], ("50.00", "0.00"))
    assert books(wallet) == {
        "adjustment": "30.00",
        "cash": "-50.00",
        "promotion": "-30.00",
        "wallet": "50.00",
    }
    assert grants.state_of(grant, NOON) == "voided"
    record = session.scalars(select(AuditRecord).where(AuditRecord.action == "grant.voided")).one()
    assert record.summary == "70.00 INR of a grant taken back: Given by mistake"
    wallets.reverse(taken, at=NOON, actor=ACTOR, reason="Typing error")
    assert (left(grant), figures(wallet)) == (["0.00"], ("50.00", "0.00"))
    assert transactions(wallet)[-1].reason == "Voided: Launch offer"


@pytest.mark.parametrize(
    ("values", "error", "pointer"),
    [
        ({"amount": "0"}, Invalid, "/amount"),
        ({"amount": "-1"}, Invalid, "/amount"),
        ({"amount": "1.001"}, Invalid, "/amount"),
        ({"amount": str(2**63)}, Invalid, "/amount"),
        ({"reason": " "}, Invalid, "/reason"),
        ({"kind": "gift"}, Invalid, "/kind"),
        ({"priority": -1}, Invalid, "/priority"),
        ({"priority": 1001}, Invalid, "/priority"),
        ({"priority": True}, Invalid, "/priority"),
        ({"expires_at": NOON}, Invalid, "/expires_at"),
        ({"expires_at": datetime(2020, 1, 1, tzinfo=UTC)}, Invalid, "/expires_at"),
    ],
)
def test_a_grant_that_cannot_be_is_refused_with_the_field_and_nothing_is_written(
    session: Session, values: dict[str, Any], error: type[Invalid], pointer: str
) -> None:
    wallet = make_wallet("5")
    with pytest.raises(error) as refused:
        give(wallet, **values)
    assert [problem.pointer for problem in refused.value.fields] == [pointer]
    assert (figures(wallet), count(session, Grant), count(session, Journal)) == (("5.00", "0.00"), 0, 1)


def test_a_grant_in_another_currency_is_refused(session: Session) -> None:
    wallet = make_wallet("5")
    from_abroad = Money(Decimal(1), "USD")
    with pytest.raises(CurrencyMismatch):
        grants.give(wallet, from_abroad, at=NOON, actor=ACTOR, reason="Offer")
    assert count(session, Grant) == 0


@pytest.mark.parametrize(("spent", "at", "word"), [("0", LATER, "expired"), ("100", NOON, "spent")])
def test_there_is_nothing_to_void_of_a_grant_that_is_over(
    session: Session, spent: str, at: datetime, word: str
) -> None:
    wallet = make_wallet("5")
    grant = give(wallet, expires_at=LATER)
    if spent != "0":
        debit(wallet, spent)
    before = count(session, Journal)
    with pytest.raises(Conflict, match=f"The grant is {word}"):
        grants.void(grant, at=at, actor=ACTOR, reason="Mistake")
    assert (count(session, Journal), grant.voided_at) == (before, None)


def test_a_grant_is_voided_once(session: Session) -> None:
    grant = give(make_wallet())
    grants.void(grant, at=NOON, actor=ACTOR, reason="Mistake")
    with pytest.raises(Conflict, match="voided"):
        grants.void(grant, at=NOON, actor=ACTOR, reason="Mistake")


def test_grants_and_expiries_are_not_reversed_as_other_transactions(session: Session) -> None:
    wallet = make_wallet("5")
    grant = give(wallet, expires_at=LATER)
    grants.expire_all(LATER)
    instead = {"grant": "taken back by voiding it", "expiry": "granted again"}
    for each in transactions(wallet)[1:]:
        with pytest.raises(Conflict, match=instead[each.kind]):
            wallets.reverse(each, at=LATER, actor=ACTOR, reason="Mistake")
        assert each.state is TransactionState.COMPLETED
    assert left(grant) == ["0.00"]


def test_a_closed_wallet_takes_no_grant_and_a_frozen_one_does(session: Session) -> None:
    frozen, closed = make_wallet("5"), make_wallet()
    frozen.status, closed.status = "frozen", "closed"
    session.flush()
    give(frozen)
    with pytest.raises(Conflict, match="closed"):
        give(closed)
    assert (figures(frozen), figures(closed)) == (("105.00", "100.00"), ("0.00", "0.00"))


def test_a_use_is_never_changed(session: Session) -> None:
    wallet = make_wallet()
    give(wallet)
    debit(wallet, "1")
    with pytest.raises(DBAPIError), session.begin_nested():
        session.query(GrantUse).update({"amount": 2})


def test_the_live_grants_are_listed_in_the_order_of_consumption(session: Session) -> None:
    wallet = make_wallet()
    never, late, first = give(wallet), give(wallet, expires_at=LATER), give(wallet, priority=1)
    assert grants.live(wallet, NOON) == [first, late, never]
    assert grants.live(wallet, LATER) == [first, never]


def test_wallets_without_grants_make_no_statement_about_grants(session: Session, query_counter: Any) -> None:
    wallet = make_wallet("50")
    wallet_limits.set_limits(wallet, {"overdraft_limit": "5"}, actor=ACTOR)
    with query_counter() as queries:
        debit(wallet, "20")
    assert [each for each in queries if "grant" in each and "wallets.granted" not in each] == []


def count(session: Session, model: type[Any]) -> int:
    session.flush()
    return session.scalar(select(func.count()).select_from(model)) or 0
