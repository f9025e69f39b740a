"""Those who can decide on a request are told of it in the product, and nobody else."""

from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.errors import Invalid
from app.models import Approval, Notification, User, Wallet
from app.permissions import Actor, Role
from app.services import approvals, attention, notifications
from tests.factories import make_wallet
from tests.services.approving import ANANYA, MEERA, ROHIT, person
from tests.services.metered import NOON


@pytest.fixture
def people(session: Session) -> dict[str, Actor]:
    """One of finance and a super admin, who decide, and one of support, who looks."""
    return {name: person(name) for name in (MEERA, ANANYA, ROHIT)}


@pytest.fixture
def approval(session: Session, people: dict[str, Actor]) -> Approval:
    """What Meera asked for."""
    wallet = make_wallet("100000")
    made = approvals.ask("credit", wallet, "75000", actor=people[MEERA], at=NOON, reason="Goodwill")
    assert isinstance(made, Approval)
    return made


def waiting(session: Session) -> dict[str, tuple[int, int]]:
    """Return for each of the staff the numbers on the bell and at the requests."""
    found = {}
    for user in session.scalars(select(User).where(User.name.in_((MEERA, ANANYA, ROHIT)))):
        both = attention.waiting_for(user)
        found[user.name] = (both.notifications, both.approvals)
    return found


def test_the_others_who_decide_are_told_and_neither_who_asked_nor_support_nor_the_customer(
    session: Session, approval: Approval
) -> None:
    told = session.scalars(select(Notification)).one()
    name = approval.wallet.account.name
    assert told.title == f"Credit of ₹75,000.00 for {name} waits for a second person"
    assert told.text == f"{MEERA} asked for it: Goodwill"
    assert (told.customer_id, told.tone, told.resource_id) == (None, "action", str(approval.id))
    assert waiting(session) == {MEERA: (0, 0), ANANYA: (1, 1), ROHIT: (0, 0)}


@pytest.mark.parametrize("end", ["approve", "refuse", "withdraw", "expire"])
def test_once_it_is_over_nobody_is_rung_for_it(
    session: Session, people: dict[str, Actor], approval: Approval, end: str
) -> None:
    if end == "approve":
        approvals.approve(approval, at=NOON, actor=people[ANANYA])
    elif end == "refuse":
        approvals.refuse(approval, reason="Too much", at=NOON, actor=people[ANANYA])
    elif end == "withdraw":
        approvals.withdraw(approval, at=NOON, actor=people[MEERA])
    else:
        assert approvals.expire(at=NOON + timedelta(days=7)) == 1
    session.flush()
    assert waiting(session) == {MEERA: (0, 0), ANANYA: (0, 0), ROHIT: (0, 0)}


def test_only_who_can_decide_chooses_its_mails(session: Session, approval: Approval) -> None:
    people = {user.name: user for user in session.scalars(select(User))}
    customer = approval.wallet.account.customer
    assert notifications.preferences(people[ANANYA])["approval"] is False
    notifications.prefer(people[ANANYA], "approval", mail=True)
    assert notifications.preferences(people[ANANYA])["approval"] is True
    for other in (people[ROHIT], customer):
        assert "approval" not in notifications.preferences(other)
        with pytest.raises(Invalid):
            notifications.prefer(other, "approval", mail=True)


def test_what_staff_decide_on_is_told_to_no_customer(session: Session) -> None:
    wallet: Wallet = make_wallet("1")
    with pytest.raises(AssertionError):
        notifications.notify(wallet.account.customer, "approval", title="x", text="x", about=wallet, at=NOON)
    with pytest.raises(AssertionError):
        notifications.notify(None, "low_balance", title="x", text="x", about=wallet, at=NOON)
    assert session.scalars(select(Notification)).all() == []
    assert "approval" not in notifications.kinds_for(Role.customer)
