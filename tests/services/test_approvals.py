"""The second person: above the limit nothing moves until somebody else says so, and then exactly once."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.errors import Conflict, DomainError, Forbidden, IllegalTransition, InsufficientFunds, Invalid
from app.models import Approval, ApprovalLimit, AuditRecord, Journal, Wallet, WalletTransaction
from app.permissions import Actor
from app.services import approvals, verify, wallets
from app.services.money_operations import operations
from tests.factories import make_account, make_wallet
from tests.services.approving import ANANYA, MEERA, ROHIT, person, service
from tests.services.metered import NOON

COMMAND = Actor.system("import")
TOLD = {"at": NOON, "reason": "Goodwill"}


@pytest.fixture
def wallet(session: Session) -> Wallet:
    """A wallet with ₹1,00,000; one person alone moves up to ₹50,000."""
    return make_wallet("100000")


@pytest.fixture
def meera(session: Session) -> Actor:
    """Of finance."""
    return person(MEERA)


@pytest.fixture
def ananya(session: Session) -> Actor:
    """A super admin."""
    return person(ANANYA)


def count(session: Session, model: Any) -> int:
    """Return how many rows a table has."""
    return session.scalar(select(func.count()).select_from(model)) or 0


def asked(wallet: Wallet, actor: Actor, amount: str = "50000.01", name: str = "credit") -> Approval:
    """Return the request for a movement above the limit."""
    made = approvals.ask(name, wallet, amount, actor=actor, **TOLD)
    assert isinstance(made, Approval)
    return made


def test_up_to_the_limit_one_person_is_enough(session: Session, wallet: Wallet, meera: Actor) -> None:
    made = approvals.ask("credit", wallet, "50000.00", actor=meera, **TOLD)
    assert isinstance(made, WalletTransaction)
    assert (made.amount, made.actor, wallet.balance) == (Decimal(50000), MEERA, Decimal(150000))
    assert count(session, Approval) == 0


@pytest.mark.parametrize("name", ["credit", "debit", "top_up"])
def test_above_the_limit_nothing_moves_before_somebody_else_approves(
    session: Session, wallet: Wallet, meera: Actor, ananya: Actor, name: str
) -> None:
    journals = count(session, Journal)
    approval = asked(wallet, meera, name=name)
    assert (approval.status, approval.requested_by, approval.amount) == (
        "requested",
        MEERA,
        Decimal("50000.01"),
    )
    assert approval.expires_at == NOON + timedelta(days=7)
    assert (wallet.balance, wallet.seq, count(session, Journal)) == (Decimal(100000), 1, journals)
    approvals.approve(approval, at=NOON + timedelta(hours=1), actor=ananya)
    moved = session.get_one(WalletTransaction, approval.transaction_id)
    sign = -1 if name == "debit" else 1
    assert (approval.status, approval.decided_by, moved.kind) == ("approved", ANANYA, name)
    assert (moved.amount, moved.reason) == (sign * Decimal("50000.01"), "Goodwill")
    assert moved.actor == f"{MEERA}, approved by {ANANYA}"
    assert wallet.balance == Decimal(100000) + moved.amount
    assert verify.run().ok


def test_a_reversal_above_the_limit_is_approved_too(
    session: Session, wallet: Wallet, meera: Actor, ananya: Actor
) -> None:
    original = session.scalars(select(WalletTransaction)).one()
    approval = approvals.ask_reversal(original, actor=meera, **TOLD)
    assert isinstance(approval, Approval)
    assert (approval.amount, original.state, wallet.balance) == (100000, "COMPLETED", 100000)
    approvals.approve(approval, at=NOON, actor=ananya)
    assert (original.state, wallet.balance) == ("REVERSED", 0)
    moved = session.get_one(WalletTransaction, approval.transaction_id)
    assert (moved.kind, moved.reverses_id) == ("reversal", original.id)


def test_both_names_stand_in_the_audit_trail(
    session: Session, wallet: Wallet, meera: Actor, ananya: Actor
) -> None:
    approval = approvals.approve(asked(wallet, meera), at=NOON, actor=ananya)
    query = select(AuditRecord).where(AuditRecord.resource_id == str(approval.id)).order_by(AuditRecord.id)
    requested, approved = session.scalars(query)
    assert (requested.action, requested.actor) == ("approval.requested", MEERA)
    assert (approved.action, approved.actor) == ("approval.approved", ANANYA)
    assert approved.after["requested_by"] == MEERA
    assert approved.after["transaction_id"] == str(approval.transaction_id)
    credited = session.scalars(select(AuditRecord).where(AuditRecord.action == "wallet.credited")).one()
    assert (credited.actor, credited.actor_id) == (f"{MEERA}, approved by {ANANYA}", ananya.id)


def test_nobody_approves_or_refuses_what_they_asked_for(
    session: Session, wallet: Wallet, ananya: Actor
) -> None:
    approval = asked(wallet, ananya)
    with pytest.raises(Forbidden, match="You asked for this yourself"):
        approvals.approve(approval, at=NOON, actor=ananya)
    with pytest.raises(Forbidden, match="You asked for this yourself"):
        approvals.refuse(approval, reason="No", at=NOON, actor=ananya)
    assert (approval.status, wallet.balance) == ("requested", 100000)


def test_only_people_with_the_right_decide(session: Session, wallet: Wallet, meera: Actor) -> None:
    approval = asked(wallet, meera)
    for actor in (person(ROHIT), service("all"), COMMAND):
        with pytest.raises(Forbidden, match="people with the right to approve"):
            approvals.approve(approval, at=NOON, actor=actor)
        with pytest.raises(Forbidden, match="people with the right to approve"):
            approvals.refuse(approval, reason="No", at=NOON, actor=actor)
    assert (approval.status, wallet.balance) == ("requested", 100000)


def test_services_commands_and_currencies_without_a_limit_need_no_second_person(
    session: Session, wallet: Wallet, meera: Actor
) -> None:
    for actor in (service("wallets:write"), COMMAND):
        assert isinstance(approvals.ask("credit", wallet, "60000", actor=actor, **TOLD), WalletTransaction)
    euros = make_wallet(account=make_account(prepaid=True, currency="EUR"))
    assert isinstance(approvals.ask("credit", euros, "60000", actor=meera, **TOLD), WalletTransaction)


def test_the_limit_is_a_row_that_may_change(session: Session, wallet: Wallet, meera: Actor) -> None:
    session.get_one(ApprovalLimit, "INR").amount = Decimal(0)
    assert asked(wallet, meera, "0.01").status == "requested"


@pytest.mark.parametrize(
    ("name", "amount", "reason", "error", "pointer"),
    [
        ("debit", "100000.01", "Because", InsufficientFunds, "/amount"),
        ("credit", "0", "Because", Invalid, "/amount"),
        ("credit", "-60000", "Because", Invalid, "/amount"),
        ("credit", "60000.005", "Because", Invalid, "/amount"),
        ("credit", str(2**63), "Because", Invalid, "/amount"),
        ("credit", "60000", " ", Invalid, "/reason"),
    ],
)
def test_what_would_be_refused_now_is_not_even_asked_for(
    session: Session,
    wallet: Wallet,
    meera: Actor,
    name: str,
    amount: str,
    reason: str,
    error: type[DomainError],
    pointer: str,
) -> None:
    before = (count(session, AuditRecord), count(session, Journal))
    with pytest.raises(error) as refused:
        approvals.ask(name, wallet, amount, at=NOON, actor=meera, reason=reason)
    assert [field.pointer for field in refused.value.fields] == [pointer]
    assert (count(session, AuditRecord), count(session, Journal)) == before
    assert (count(session, Approval), wallet.balance, wallet.seq) == (0, 100000, 1)


def test_money_that_is_gone_leaves_the_request_open(
    session: Session, wallet: Wallet, meera: Actor, ananya: Actor
) -> None:
    approval = asked(wallet, meera, "60000", "debit")
    wallets.debit(wallet, "50000", at=NOON, actor=COMMAND, reason="Spent")
    with pytest.raises(InsufficientFunds, match=r"has 50000.00 INR available; 60000.00 is asked for"):
        approvals.approve(approval, at=NOON, actor=ananya)
    assert (approval.status, wallet.balance) == ("requested", 50000)
    wallets.top_up(wallet, "10000", at=NOON, actor=COMMAND, reason="Back again")
    assert approvals.approve(approval, at=NOON, actor=ananya).status == "approved"
    assert wallet.balance == 0


def test_what_is_decided_stays_decided(session: Session, wallet: Wallet, meera: Actor, ananya: Actor) -> None:
    approval = approvals.refuse(asked(wallet, meera), reason="Ask the customer", at=NOON, actor=ananya)
    assert (approval.status, approval.decided_by, approval.decision_reason) == (
        "refused",
        ANANYA,
        "Ask the customer",
    )
    for again in (
        lambda: approvals.approve(approval, at=NOON, actor=ananya),
        lambda: approvals.refuse(approval, reason="No", at=NOON, actor=ananya),
        lambda: approvals.withdraw(approval, at=NOON, actor=meera),
    ):
        with pytest.raises(IllegalTransition, match="cannot go from refused"):
            again()
    assert (approval.status, wallet.balance) == ("refused", 100000)


def test_a_refusal_says_why(session: Session, wallet: Wallet, meera: Actor, ananya: Actor) -> None:
    approval = asked(wallet, meera)
    with pytest.raises(Invalid) as refused:
        approvals.refuse(approval, reason="  ", at=NOON, actor=ananya)
    assert [field.pointer for field in refused.value.fields] == ["/reason"]
    assert approval.status == "requested"


def test_who_asked_may_withdraw_and_nobody_else(
    session: Session, wallet: Wallet, meera: Actor, ananya: Actor
) -> None:
    approval = asked(wallet, meera)
    with pytest.raises(Forbidden, match="Only who asked"):
        approvals.withdraw(approval, at=NOON, actor=ananya)
    assert approval.status == "requested"
    assert approvals.withdraw(approval, at=NOON, actor=meera).status == "withdrawn"


def test_a_request_expires_after_seven_days(
    session: Session, wallet: Wallet, meera: Actor, ananya: Actor
) -> None:
    old = asked(wallet, meera)
    young = approvals.ask("credit", wallet, "70000", actor=meera, at=NOON + timedelta(days=1), reason="More")
    assert isinstance(young, Approval)
    end = NOON + timedelta(days=7)
    with pytest.raises(Conflict, match="has expired"):
        approvals.approve(old, at=end, actor=ananya)
    assert approvals.expire(at=end - timedelta.resolution) == 0
    assert approvals.expire(at=end) == 1
    assert approvals.expire(at=end) == 0
    session.expire_all()
    assert (old.status, old.decided_at, young.status) == ("expired", end, "requested")
    assert wallet.balance == 100000


def test_the_inbox_holds_what_others_asked_for(
    session: Session, wallet: Wallet, meera: Actor, ananya: Actor
) -> None:
    mine, theirs = asked(wallet, ananya), asked(wallet, meera)
    assert approvals.waiting_for(ananya) == [theirs]
    assert approvals.waiting_for(meera) == [mine]
    for actor in (person(ROHIT), service("all")):
        assert approvals.waiting_for(actor) == []
    approvals.approve(theirs, at=NOON, actor=ananya)
    assert approvals.waiting_for(ananya) == []


@pytest.mark.parametrize("name", sorted(operations))
def test_every_operation_says_what_it_does(name: str) -> None:
    entry = operations[name]
    assert entry.label == entry.label.capitalize().replace("Top", "top")
    assert entry.effect
    assert entry.perform.__doc__


def test_a_person_of_another_name_is_still_the_same(session: Session, wallet: Wallet, ananya: Actor) -> None:
    approval = asked(wallet, ananya)
    with pytest.raises(Forbidden):
        approvals.approve(approval, at=NOON, actor=replace(ananya, label="Somebody Else"))
    assert approval.status == "requested"
