"""One table of moves: the specification's, spelled out here again, and in step with what the database
stores."""

from enum import StrEnum

import pytest

from app.domain.errors import IllegalMove
from app.domain.states import MOVES, allowed, move
from app.models.approvals import ApprovalStatus
from app.models.einvoices import EInvoiceStatus
from app.models.holds import HoldState
from app.models.invoices import InvoiceStatus
from app.models.payments import PaymentStatus
from app.models.plans import SubscriptionStatus, VersionStatus
from app.models.refunds import RefundStatus
from app.models.tds import TdsStatus
from app.models.wallets import TransactionState, WalletStatus

STORED: dict[str, type[StrEnum]] = {
    "wallet_transaction": TransactionState,
    "hold": HoldState,
    "wallet": WalletStatus,
    "invoice": InvoiceStatus,
    "payment": PaymentStatus,
    "refund": RefundStatus,
    "tds_receivable": TdsStatus,
    "subscription": SubscriptionStatus,
    "e_invoice": EInvoiceStatus,
    "plan_version": VersionStatus,
    "approval": ApprovalStatus,
}


def test_wallet_transactions_move_as_the_specification_says() -> None:
    """Specification 9.1.2, and our own COMPLETED → REVERSED."""
    assert MOVES["wallet_transaction"] == {
        "INITIATED": ("PROCESSING", "FAILED"),
        "PROCESSING": ("COMPLETED", "FAILED"),
        "FAILED": ("INITIATED",),
        "COMPLETED": ("REVERSED",),
        "REVERSED": ("COMPLETED",),
    }


@pytest.mark.parametrize("machine", sorted(MOVES))
def test_a_table_names_exactly_the_states_that_are_stored(machine: str) -> None:
    assert set(MOVES[machine]) == set(STORED[machine])


@pytest.mark.parametrize("machine", sorted(MOVES))
def test_every_listed_move_is_made_and_every_other_is_refused(machine: str) -> None:
    for current, ways in MOVES[machine].items():
        for target in MOVES[machine]:
            if target in ways:
                assert move(machine, current, target) == target
            else:
                with pytest.raises(IllegalMove) as refused:
                    move(machine, current, target)
                assert (refused.value.current, refused.value.target) == (current, target)
                assert refused.value.allowed == allowed(machine, current)


def test_a_refusal_names_both_states_and_what_is_allowed() -> None:
    with pytest.raises(IllegalMove) as refused:
        move("wallet_transaction", "INITIATED", "COMPLETED")
    assert str(refused.value) == (
        "A wallet transaction cannot go from INITIATED to COMPLETED. "
        "Allowed from INITIATED: PROCESSING, FAILED."
    )
    with pytest.raises(IllegalMove, match=r"Allowed from cancelled: nothing: it is final\."):
        move("invoice", "cancelled", "paid")


def test_every_state_of_a_machine_can_be_reached_from_its_first() -> None:
    for machine, table in MOVES.items():
        reached = {next(iter(table))}
        while more := {way for state in reached for way in table[state]} - reached:
            reached |= more
        assert reached == set(table), machine
