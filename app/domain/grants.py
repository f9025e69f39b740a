"""Granted money: which grant is spent first, and who gets money back that was spent (docs/adr/0014).

The usage that a wallet has paid is one figure that grows as usage is metered. A grant remembers the stretches
of it that it paid. When usage is given back the figure falls, and whoever paid the stretch above it has its
money again: what was spent last comes back first, to the last paisa, however small the steps were.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from app.domain.money import EXACT

NOTHING = Decimal(0)
NEVER = datetime.max.replace(tzinfo=UTC)

# From where to where in the usage that a wallet has paid.
Stretch = tuple[Decimal, Decimal]


@dataclass(frozen=True, slots=True)
class Source:
    """A grant as the rule of consumption sees it."""

    id: UUID
    remaining: Decimal
    priority: int
    expires_at: datetime | None
    created_at: datetime

    @property
    def place(self) -> tuple[int, datetime, datetime, UUID]:
        """Where it stands in the order: lowest priority number, then soonest to expire, then oldest."""
        return self.priority, self.expires_at or NEVER, self.created_at, self.id


@dataclass(frozen=True, slots=True)
class Use:
    """What was taken from a grant."""

    grant_id: UUID
    amount: Decimal


def consume(sources: Iterable[Source], amount: Decimal) -> list[Use]:
    """Return what is taken from each grant to pay `amount`, in the order of consumption.

    What the grants cannot pay is left to the plain money of the wallet, which comes last.
    """
    uses, rest = [], amount
    for source in sorted(sources, key=lambda each: each.place):
        taken = min(source.remaining, rest)
        if taken > 0:
            uses.append(Use(source.id, taken))
            rest = EXACT.subtract(rest, taken)
    return uses


def give_back(uses: Sequence[Use], amount: Decimal) -> list[Use]:
    """Return what each grant gets of `amount` that is given back: what was taken last comes back first.

    `uses` are in the order in which they were made; never more comes back than they took.
    """
    returned, rest = [], amount
    for use in reversed(uses):
        share = min(use.amount, rest)
        if share > 0:
            returned.append(Use(use.grant_id, share))
            rest = EXACT.subtract(rest, share)
    return returned


def extend(stretches: Sequence[Stretch], bottom: Decimal, top: Decimal) -> list[Stretch]:
    """Return the stretches with one more above them, made one with the last where they touch."""
    if stretches and stretches[-1][1] == bottom:
        return [*stretches[:-1], (stretches[-1][0], top)]
    return [*stretches, (bottom, top)]


def cut(stretches: Sequence[Stretch], height: Decimal) -> tuple[list[Stretch], Decimal]:
    """Return what of the stretches lies below `height`, and how much lay above it."""
    kept = [(bottom, min(top, height)) for bottom, top in stretches if bottom < height]
    above = (EXACT.subtract(top, max(bottom, height)) for bottom, top in stretches if top > height)
    return kept, sum(above, NOTHING)
