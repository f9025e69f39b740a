"""How much of a wallet's balance nobody has paid: what was credited to it and is not yet spent.

Such money is spent before money that was paid in, and it is never paid out. What is taken back or given back
goes where it came from: the reversal of a movement undoes what that movement did, and usage that is given
back returns the money taken last first, as if less had been used.
"""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from decimal import Decimal

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Step:
    """One movement of the balance: `amount` is signed, `unpaid` the part of an incoming one that nobody paid.

    `spends` is false where only paid money may go out (a refund); `usage` marks what may be given back;
    `undoes` is the key of the step that a reversal takes back.
    """

    key: Hashable
    amount: Decimal
    balance_after: Decimal
    unpaid: Decimal = ZERO
    spends: bool = True
    usage: bool = False
    undoes: Hashable = None


def unpaid_after(steps: Iterable[Step]) -> Decimal:
    """Return how much of the balance nobody has paid after these steps, which are in their order.

    What lies before the first step was paid; a reversal or a return of something before it was paid too.

    >>> credit = Step(1, Decimal(10), Decimal(10), unpaid=Decimal(10))
    >>> unpaid_after([credit, Step(2, Decimal(50), Decimal(60)), Step(3, Decimal(-4), Decimal(56))])
    Decimal('6')
    """
    unpaid = ZERO
    did: dict[Hashable, Decimal] = {}
    taken: list[tuple[Decimal, Decimal]] = []
    for step in steps:
        before = unpaid
        if step.undoes is not None:
            unpaid -= did.get(step.undoes, ZERO)
        elif step.amount >= 0:
            unpaid += _give_back(taken, step.amount) if step.usage else step.unpaid
        elif step.spends:
            part = min(unpaid, -step.amount)
            unpaid -= part
            if step.usage:
                taken.append((part, -step.amount - part))
        unpaid = max(ZERO, min(unpaid, step.balance_after))
        did[step.key] = unpaid - before
    return unpaid


def _give_back(taken: list[tuple[Decimal, Decimal]], amount: Decimal) -> Decimal:
    """Take `amount` off what was taken last, paid money first; return how much of it nobody had paid."""
    returned = ZERO
    while amount > 0 and taken:
        unpaid, paid = taken.pop()
        from_paid = min(paid, amount)
        from_unpaid = min(unpaid, amount - from_paid)
        returned += from_unpaid
        amount -= from_paid + from_unpaid
        if from_unpaid < unpaid or from_paid < paid:
            taken.append((unpaid - from_unpaid, paid - from_paid))
    return returned
