"""When an unpaid invoice is asked for: steps are days after its due day, before it below nothing."""

from collections.abc import Sequence
from datetime import date


def step_on(steps: Sequence[int], due_on: date, today: date) -> int | None:
    """Return the latest step whose day has come, None before the first.

    >>> step_on([-3, 0, 7], date(2026, 11, 16), date(2026, 11, 14))
    -3
    """
    late = (today - due_on).days
    return max((step for step in steps if step <= late), default=None)


def next_step(steps: Sequence[int], last: int | None, due_on: date, today: date) -> int | None:
    """Return the step that is sent next: the latest whose day has come and that was not sent, else the first
    to come; None after the last."""
    now = step_on(steps, due_on, today)
    if now is not None and (last is None or now > last):
        return now
    return min((step for step in steps if step > (today - due_on).days), default=None)
