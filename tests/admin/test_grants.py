"""Grants at the desk: given and voided on their pages, by one person or two, each refusal at its field."""

from datetime import timedelta

from sqlalchemy import select

from app import clock
from app.db import db
from app.models import Approval, ApprovalLimit, Grant, Wallet
from app.permissions import Role
from app.services import approval_limits, grants, wallets
from tests import factories
from tests.admin.conftest import Desk, Person
from tests.admin.world import World

FORM = {
    "amount": "100",
    "kind": "promotional",
    "expires_at": "2099-10-10T12:00",
    "priority": "50",
    "reason": "Launch offer",
}


def give(desk: Person, wallet: Wallet, **form: str) -> str:
    """Send the form of a grant and return the page that follows."""
    answer = desk.post(f"/admin/wallets/operation/grant/?id={wallet.id}", {**FORM, **form})
    return desk.text(answer.location) if answer.location else answer.get_data(as_text=True)


def the_grant() -> Grant:
    return db.session.scalars(select(Grant).where(Grant.reason == FORM["reason"])).one()


def test_a_grant_is_given_spent_and_voided_at_the_desk(desk: Person, world: World) -> None:
    form = desk.text(f"/admin/wallets/operation/grant/?id={world.wallet.id}")
    assert 'value="50"' in form
    assert "what is left when it expires is gone" in form
    assert "Launch offer" in give(desk, world.wallet)
    grant = the_grant()
    assert "Nothing of it was spent yet." in desk.text(f"/admin/grants/details/?id={grant.id}")
    assert (grant.kind, grant.amount, grant.priority, grant.expires_at.year) == ("promotional", 100, 50, 2099)
    wallets.debit(world.wallet, "30", at=clock.now(), actor=factories.ACTOR, reason="Setup")
    for path in (f"/admin/grants/details/?id={grant.id}", "/admin/grants/?live=true"):
        text = desk.text(path)
        assert "₹70.00" in text, path
        assert "Launch offer" in text, path
    path = f"/admin/grants/operation/void/?id={grant.id}"
    assert "Takes ₹70.00 out of the wallet at once" in desk.text(path)
    assert desk.post(path, {"reason": "Given by mistake"}).status_code == 302
    db.session.refresh(grant)
    assert (grant.remaining, grants.state_of(grant, clock.now())) == (0, "voided")
    assert "Launch offer" not in desk.text("/admin/grants/?live=true")


def test_what_cannot_be_granted_is_refused_at_its_field(desk: Person, world: World) -> None:
    past = f"{clock.now() - timedelta(days=1):%Y-%m-%dT%H:%M}"
    for change, message in (
        ({"amount": "0"}, "The amount must be more than zero."),
        ({"amount": "1.001"}, "No more than 2 decimals are possible here."),
        ({"expires_at": past}, "A grant expires in the future."),
        ({"priority": "1001"}, "A whole number from 0 to 1000 is needed."),
    ):
        assert message in give(desk, world.wallet, **change)
    assert db.session.scalars(select(Grant).where(Grant.reason == FORM["reason"])).all() == []


def test_above_the_limit_a_grant_waits_for_a_second_person(at_desk: Desk, world: World) -> None:
    finance = at_desk(Role.finance_admin)
    limit = db.session.get_one(ApprovalLimit, "INR")
    approval_limits.change(limit, {"amount": "99"}, actor=factories.ACTOR)
    assert "Above ₹99.00 a second person has to approve it first." in finance.text(
        f"/admin/wallets/operation/grant/?id={world.wallet.id}"
    )
    assert "a second person has to approve it" in give(finance, world.wallet)
    waiting = db.session.scalars(select(Approval).where(Approval.operation == "grant")).one()
    assert db.session.scalars(select(Grant).where(Grant.reason == FORM["reason"])).all() == []
    other = at_desk(Role.super_admin)
    answer = other.post(f"/admin/approvals/operation/approve/?id={waiting.id}")
    assert answer.status_code == 302
    assert (the_grant().amount, the_grant().expires_at.year) == (100, 2099)
