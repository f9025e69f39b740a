"""The chart of a simulation: a bar to each side of a common axis for everybody who would pay most more or
less. Drawn on the server; widths are shares of the chart, so it fits every screen and its texts stay
readable."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from app.models import SimulatedAccount

ROW_HEIGHT = 44
LONGEST_NAME = 30
HALF = Decimal(50)
TENTH = Decimal("0.1")


@dataclass(frozen=True, slots=True)
class Bar:
    """One account: `x` and `width` are percents of the chart, `y` the upper edge of its row in pixels."""

    account: SimulatedAccount
    name: str
    more: bool
    x: Decimal
    width: Decimal
    y: int


@dataclass(frozen=True, slots=True)
class Chart:
    """The bars from the greatest increase to the greatest decrease, and the height of all in pixels."""

    bars: tuple[Bar, ...]
    height: int


def chart_of(extremes: Sequence[SimulatedAccount]) -> Chart:
    """Return the chart of some compared accounts, in order of their difference."""
    pairs = [(each.difference, each) for each in extremes if each.difference is not None]
    pairs.sort(key=lambda pair: (-pair[0], str(pair[1].account)))
    widest = max((abs(difference) for difference, _ in pairs), default=Decimal(1))
    bars = tuple(
        _bar(n, each, difference, (abs(difference) / widest * HALF).quantize(TENTH))
        for n, (difference, each) in enumerate(pairs)
    )
    return Chart(bars, ROW_HEIGHT * len(bars))


def _bar(n: int, account: SimulatedAccount, difference: Decimal, width: Decimal) -> Bar:
    more = difference > 0
    name = str(account.account)
    shown = name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
    return Bar(account, shown, more, HALF if more else HALF - width, width, n * ROW_HEIGHT)
