"""The simple model of wallets that `test_wallets_interleaved` holds the tables against."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

ZERO = Decimal(0)

Work = Callable[[], Any]


@dataclass
class Held:
    """An open hold of the model."""

    id: UUID
    amount: Decimal
    expires: bool


@dataclass
class Modelled:
    """A wallet as the model keeps it; `reversible` are movements that may be taken back."""

    id: UUID
    balance: Decimal = ZERO
    held: list[Held] = field(default_factory=list)
    reversible: list[tuple[UUID, Decimal]] = field(default_factory=list)
    journals: int = 0

    @property
    def free(self) -> Decimal:
        """What can be spent."""
        return self.balance - sum((each.amount for each in self.held), ZERO)

    def move(self, amount: Decimal) -> None:
        """Note a movement."""
        self.balance += amount
        self.journals += 1


@dataclass
class Act:
    """Something to be done by a thread, and what the model does when it has succeeded; `expected` is the code
    of a refusal, "" where it has to succeed."""

    work: Work
    expected: str = ""
    then: Callable[[Any], object] = lambda made: None
