"""What may become what: one literal table for every state machine, and one way to ask it.

Wallet transactions carry the states of specification 9.1.2.
"""

from collections.abc import Mapping

from app.domain.errors import IllegalMove

MOVES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "wallet_transaction": {
        "INITIATED": ("PROCESSING", "FAILED"),
        "PROCESSING": ("COMPLETED", "FAILED"),
        "FAILED": ("INITIATED",),
        "COMPLETED": ("REVERSED",),
        "REVERSED": ("COMPLETED",),
    },
    # Specification 9.1.2 before money moves: an open hold is INITIATED, a captured one COMPLETED, the others
    # FAILED.
    "hold": {
        "open": ("captured", "released", "expired"),
        "captured": (),
        "released": (),
        "expired": (),
    },
    "wallet": {
        "active": ("frozen", "closed"),
        "frozen": ("active", "closed"),
        "closed": ("active",),
    },
    "invoice": {
        "draft": ("parked", "issued"),
        "parked": ("draft", "issued"),
        "issued": ("partially_paid", "paid", "overdue", "uncollectible", "cancelled"),
        "partially_paid": ("issued", "paid", "overdue", "uncollectible", "cancelled"),
        "overdue": ("issued", "partially_paid", "paid", "uncollectible", "cancelled"),
        "uncollectible": ("partially_paid", "paid", "cancelled"),
        # Only what goes back makes a paid invoice wait for money again, or cancels it.
        "paid": ("issued", "partially_paid", "overdue", "cancelled"),
        "cancelled": (),
    },
    # A gateway may report a failed or expired attempt before the one that took the money: both may succeed.
    "payment": {
        "created": ("pending", "unknown", "succeeded", "failed", "expired", "parked"),
        "pending": ("unknown", "succeeded", "failed", "expired", "parked"),
        "unknown": ("pending", "succeeded", "failed", "expired", "parked"),
        "failed": ("pending", "succeeded", "parked"),
        "expired": ("succeeded", "parked"),
        "parked": ("succeeded", "failed", "partially_refunded", "refunded"),
        "succeeded": ("partially_refunded", "refunded"),
        "partially_refunded": ("refunded",),
        "refunded": (),
    },
    "refund": {
        "created": ("pending", "unknown", "succeeded", "failed"),
        "pending": ("unknown", "succeeded", "failed"),
        "unknown": ("pending", "succeeded", "failed"),
        "succeeded": (),
        "failed": (),
    },
    # What was registered can be asked to be cancelled, which the portal may refuse.
    "e_invoice": {
        "awaiting_irn": ("registered", "failed"),
        "failed": ("awaiting_irn",),
        "registered": ("cancelling",),
        "cancelling": ("cancelled", "registered"),
        "cancelled": (),
    },
    "subscription": {
        "scheduled": ("trialing", "active", "paused", "ended"),
        "trialing": ("active", "paused", "ended"),
        "active": ("paused", "ended"),
        "paused": ("ended",),
        "ended": (),
    },
    "tds_receivable": {
        "expected": ("certified",),
        "certified": (),
    },
    "approval": {
        "requested": ("approved", "refused", "withdrawn", "expired"),
        "approved": (),
        "refused": (),
        "withdrawn": (),
        "expired": (),
    },
    "plan_version": {
        "draft": ("published",),
        "published": ("retired",),
        "retired": (),
    },
}


def allowed(machine: str, current: str) -> tuple[str, ...]:
    """Return the states that `current` may become.

    Raises:
        KeyError: no such machine or state; that is a mistake of the program, not of its input.
    """
    return MOVES[machine][current]


def move(machine: str, current: str, target: str) -> str:
    """Return `target` if `current` may become it.

    Raises:
        IllegalMove: the table does not list the move (staying where one is counts as a move).
        KeyError: no such machine or current state.
    """
    ways = allowed(machine, current)
    if target not in ways:
        raise IllegalMove(machine, current, target, ways)
    return target
