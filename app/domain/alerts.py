"""When a wallet's customer is told that its money runs out, or that a cap is near."""

from collections.abc import Iterable
from decimal import Decimal

from app.domain.money import EXACT

ZERO = Decimal(0)
# The parts of a spending cap at which the customer is told, in percent, the highest first.
CAP_STEPS = (100, 80)


def left(balance: Decimal, held: Decimal, receivable: Decimal) -> Decimal:
    """Return what a wallet has left once what is reserved and what is owed are paid; below zero it owes.

    Paying a debt from the balance leaves it as it is: so money that only pays a debt crosses no level.
    """
    return EXACT.subtract(EXACT.subtract(balance, held), receivable)


def deepest(rest: Decimal, levels: Iterable[Decimal]) -> Decimal | None:
    """Return the lowest of the levels that `rest` is below; nothing left is below zero.

    >>> deepest(Decimal(40), [Decimal(100), Decimal(50), Decimal(0)])
    Decimal('50')
    """
    below = [level for level in levels if rest < level or (level <= ZERO and rest <= level)]
    return min(below, default=None)


def step_of_cap(spent: Decimal, cap: Decimal) -> int:
    """Return the highest step of a cap that was reached, in percent, 0 for none.

    >>> step_of_cap(Decimal("79.99"), Decimal(100)), step_of_cap(Decimal(80), Decimal(100))
    (0, 80)
    """
    return next((step for step in CAP_STEPS if spent * 100 >= cap * step), 0)
