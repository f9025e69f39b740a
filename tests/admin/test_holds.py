"""Holds, transfers, refunds and the rest of what is done on the page of a wallet."""

from decimal import Decimal

from app import clock
from app.db import db
from app.models import Approval, ApprovalLimit, Hold, Transfer, Wallet
from app.services import holds
from tests import factories
from tests.admin.conftest import Person
from tests.admin.world import World


def operate(desk: Person, operation: str, wallet: Wallet, **form: str) -> str:
    """Do an operation on the page of a wallet and return the page that follows."""
    answer = desk.post(f"/admin/wallets/operation/{operation}/?id={wallet.id}", form)
    return desk.text(answer.location) if answer.location else answer.get_data(as_text=True)


def figures(wallet: Wallet) -> tuple[Decimal, Decimal, str]:
    """Return balance, held and status."""
    db.session.refresh(wallet)
    return wallet.balance, wallet.held, wallet.status


def test_money_is_held_taken_in_part_and_let_go(desk: Person, world: World) -> None:
    operate(desk, "hold", world.wallet, amount="60", reason="A parcel", reference="P7", expires_at="")
    hold = db.session.query(Hold).filter_by(reference="P7").one()
    assert figures(world.wallet) == (250, 60, "active")
    path = f"/admin/wallet-holds/operation/capture/?id={hold.id}"
    assert 'value="60"' in desk.text(path)
    assert desk.post(path, {"amount": "45.50", "reason": ""}).status_code == 302
    assert figures(world.wallet) == (Decimal("204.5"), 0, "active")
    assert desk.post(path, {"amount": "1", "reason": ""}).status_code == 422

    second = holds.place(world.wallet, "10", at=clock.now(), actor=factories.ACTOR, reason="Another")
    db.session.flush()
    release = f"/admin/wallet-holds/operation/release/?id={second.id}"
    assert desk.post(release, {"reason": "Not needed"}).status_code == 302
    assert (second.state, *figures(world.wallet)) == ("released", Decimal("204.5"), 0, "active")


def test_a_hold_beyond_what_is_there_is_refused_at_its_field(desk: Person, world: World) -> None:
    text = operate(desk, "hold", world.wallet, amount="250.01", reason="A parcel")
    assert "The wallet has 250.00 INR available; 250.01 is asked for." in text
    assert figures(world.wallet) == (250, 0, "active")


def test_money_goes_to_another_wallet_of_the_customer(desk: Person, world: World) -> None:
    other = factories.make_wallet(account=factories.make_account(world.customer, prepaid=True, name="Branch"))
    form = {"to_wallet_id": str(other.id), "amount": "100", "reason": "For the branch"}
    assert "₹100.00 went to Branch." in operate(desk, "transfer", world.wallet, **form)
    assert (figures(world.wallet), figures(other)) == ((150, 0, "active"), (100, 0, "active"))
    made = db.session.query(Transfer).filter_by(reason="For the branch").one()
    assert "For the branch" in desk.text(f"/admin/wallet-transfers/details/?id={made.id}")

    stranger = factories.make_wallet()
    text = operate(desk, "transfer", world.wallet, **{**form, "to_wallet_id": str(stranger.id)})
    assert "Both wallets have to be of the same customer." in text
    assert figures(world.wallet) == (150, 0, "active")


def test_a_refund_says_how_much_there_is(desk: Person, world: World) -> None:
    operate(desk, "credit", world.wallet, amount="50", reason="Goodwill")
    path = f"/admin/wallets/operation/refund/?id={world.wallet.id}"
    assert "₹250.00 was paid in and is unused" in desk.text(path)
    form = {"amount": "250.01", "reason": "Asked for", "reference": ""}
    assert "250.00 INR was paid in and is unused; 250.01 is asked for." in operate(
        desk, "refund", world.wallet, **form
    )
    operate(desk, "refund", world.wallet, **{**form, "amount": "250"})
    assert figures(world.wallet) == (50, 0, "active")


def test_a_wallet_is_frozen_activated_and_closed(desk: Person, world: World) -> None:
    wallet = factories.make_wallet()
    assert "Freeze: done." in operate(desk, "freeze", wallet, reason="Under review")
    assert figures(wallet)[2] == "frozen"
    assert "Activate: done." in operate(desk, "activate", wallet, reason="All well")
    assert figures(wallet)[2] == "active"
    assert "Close: done." in operate(desk, "close", wallet, reason="Left us")
    assert figures(wallet)[2] == "closed"
    text = operate(desk, "close", world.wallet, reason="Left us")
    assert "A wallet is closed when nothing is left in it; it has 250.00 balance." in text
    assert figures(world.wallet)[2] == "active"


def test_a_refund_above_the_limit_waits_for_a_second_person(desk: Person, world: World) -> None:
    wallet = factories.make_wallet("90000")
    limits = db.session.query(ApprovalLimit).filter_by(currency="INR")
    assert limits.one().amount < 90000
    text = operate(desk, "refund", wallet, amount="90000", reason="Asked for", reference="NEFT-9")
    assert "Nothing is recorded yet: a second person has to approve it." in text
    assert figures(wallet) == (90000, 0, "active")
    request = db.session.query(Approval).filter_by(reference="NEFT-9").one()
    assert (request.operation, request.amount, request.status) == ("refund", 90000, "requested")
