"""The second person at the desk: asked for, seen in the inbox, decided with one click by somebody else."""

from decimal import Decimal

import pytest
from sqlalchemy import select

from app.db import db
from app.models import Approval, ApprovalLimit, AuditRecord, Wallet, WalletTransaction
from app.permissions import Role
from tests.admin.conftest import Desk, Person
from tests.factories import make_wallet
from tests.services.approving import ANANYA, MEERA


@pytest.fixture
def meera(at_desk: Desk) -> Person:
    """Of finance."""
    return at_desk(Role.finance_admin, name=MEERA)


@pytest.fixture
def ananya(at_desk: Desk) -> Person:
    """A super admin."""
    return at_desk(Role.super_admin, name=ANANYA)


@pytest.fixture
def wallet(app: object) -> Wallet:
    """A wallet with ₹1,000."""
    return make_wallet("1000")


def ask(person: Person, wallet: Wallet, amount: str = "75000", operation: str = "credit") -> Approval:
    """Ask for an amount above the limit on the wallet's page, and return the request."""
    path = f"/admin/wallets/operation/{operation}/?id={wallet.id}"
    answer = person.post(path, {"amount": amount, "reason": "Goodwill"})
    assert answer.location == f"/admin/wallets/details/?id={wallet.id}"
    return db.session.scalars(select(Approval)).one()


def balance(wallet: Wallet) -> Decimal:
    """Return what the wallet holds."""
    db.session.refresh(wallet)
    return wallet.balance


def test_the_form_tells_the_limit_and_the_answer_that_it_waits(meera: Person, wallet: Wallet) -> None:
    path = f"/admin/wallets/operation/credit/?id={wallet.id}"
    assert "Above ₹50,000.00 a second person has to approve it first." in meera.text(path)
    ask(meera, wallet)
    page = meera.text(f"/admin/wallets/details/?id={wallet.id}")
    assert "Nothing has moved yet: a second person has to approve it." in page
    assert balance(wallet) == 1000


def test_the_inbox_is_for_others_and_its_number_stands_in_the_sidebar(
    meera: Person, ananya: Person, at_desk: Desk, wallet: Wallet
) -> None:
    ask(meera, wallet)
    mine, hers = meera.text("/admin/approvals/"), ananya.text("/admin/approvals/")
    assert "Waiting for you" not in mine
    assert 'class="nav-count"' not in mine
    assert '<span class="nav-count">1</span>' in hers
    assert "₹75,000.00 that nobody paid is put into the wallet of" in hers
    assert f"under the names of {MEERA} and yours. Reason: Goodwill" in hers
    support = at_desk(Role.support).text("/admin/approvals/")
    assert "Waiting for you" not in support
    assert "Goodwill" in support


def test_a_click_of_somebody_else_moves_the_money(meera: Person, ananya: Person, wallet: Wallet) -> None:
    approval = ask(meera, wallet)
    answer = ananya.post(f"/admin/approvals/operation/approve/?id={approval.id}")
    assert answer.location == f"/admin/approvals/details/?id={approval.id}"
    page = ananya.text(answer.location)
    assert "Approve: done." in page
    assert "/operation/approve/" not in page
    assert balance(wallet) == 76000
    moved = db.session.get_one(WalletTransaction, approval.transaction_id)
    assert moved.actor == f"{MEERA}, approved by {ANANYA}"
    assert '<span class="nav-count">' not in ananya.text("/admin/approvals/")


def test_who_asked_finds_no_button_to_approve_and_is_refused(ananya: Person, wallet: Wallet) -> None:
    approval = ask(ananya, wallet)
    page = ananya.text(f"/admin/approvals/details/?id={approval.id}")
    assert "/operation/approve/" not in page
    assert "/operation/refuse/" not in page
    assert "/operation/withdraw/" in page
    answer = ananya.post(f"/admin/approvals/operation/approve/?id={approval.id}")
    assert answer.status_code == 422
    assert "You asked for this yourself" in answer.get_data(as_text=True)
    assert (balance(wallet), approval.status) == (1000, "requested")


def test_a_refusal_needs_its_reason(meera: Person, ananya: Person, wallet: Wallet) -> None:
    approval = ask(meera, wallet)
    path = f"/admin/approvals/operation/refuse/?id={approval.id}"
    assert ananya.post(path, {"reason": ""}).status_code == 422
    assert approval.status == "requested"
    assert ananya.post(path, {"reason": "Ask the customer first"}).status_code == 302
    assert (approval.status, balance(wallet)) == ("refused", 1000)
    assert "Ask the customer first" in meera.text(f"/admin/approvals/details/?id={approval.id}")


@pytest.mark.parametrize("operation", ["top_up", "debit"])
def test_other_movements_above_the_limit_wait_as_well(meera: Person, wallet: Wallet, operation: str) -> None:
    db.session.get_one(ApprovalLimit, "INR").amount = Decimal(999)
    assert ask(meera, wallet, "1000", operation).operation == operation
    assert balance(wallet) == 1000


def test_a_reversal_above_the_limit_waits(meera: Person, ananya: Person, wallet: Wallet) -> None:
    db.session.get_one(ApprovalLimit, "INR").amount = Decimal(999)
    original = db.session.scalars(select(WalletTransaction)).one()
    path = f"/admin/wallet-transactions/operation/reverse/?id={original.id}"
    assert "Above ₹999.00 a second person has to approve it first." in meera.text(path)
    assert meera.post(path, {"reason": "Twice"}).status_code == 302
    approval = db.session.scalars(select(Approval)).one()
    assert (approval.operation, original.state) == ("reversal", "COMPLETED")
    ananya.post(f"/admin/approvals/operation/approve/?id={approval.id}")
    db.session.refresh(original)
    assert (original.state, balance(wallet)) == ("REVERSED", 0)


def test_limits_are_changed_by_super_admins_and_audited(meera: Person, ananya: Person) -> None:
    assert "₹50,000.00" in meera.text("/admin/approval-limits/")
    assert meera.get("/admin/approval-limits/edit/?id=INR").status_code == 403
    assert meera.post("/admin/approval-limits/edit/?id=INR", {"amount": "9"}).status_code == 403
    assert ananya.post("/admin/approval-limits/edit/?id=INR", {"amount": "20000"}).status_code == 302
    assert db.session.get_one(ApprovalLimit, "INR").amount == 20000
    record = db.session.scalars(select(AuditRecord).filter_by(action="approval_limit.changed")).one()
    assert (record.actor, record.before, record.after) == (
        ANANYA,
        {"amount": "50000.0000"},
        {"amount": "20000.00"},
    )
    assert ananya.post("/admin/approval-limits/edit/?id=INR", {"amount": "-1"}).status_code == 422
    assert ananya.post("/admin/approval-limits/edit/?id=INR", {"amount": "1.005"}).status_code == 422
    made = ananya.post("/admin/approval-limits/new/", {"currency": "EUR", "amount": "500"})
    assert made.status_code == 302
    assert db.session.get_one(ApprovalLimit, "EUR").amount == 500
