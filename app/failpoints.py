"""Named places at which a process dies, or what it does is rolled back, on purpose: how tests prove that what
is left behind is finished by the next one. Off unless the environment names one.

`FAILPOINTS=billing.drafted=kill/3` ends the process by SIGKILL when it gets there for the third time, and
`billing.before_commit=fail/10` raises `Forced` at every tenth. Several are separated by commas.
"""

import os
import signal
from dataclasses import dataclass
from functools import cache

ACTIONS = ("kill", "fail")


class Forced(Exception):
    """A failure that was asked for; nothing in the product catches it."""


@dataclass(slots=True)
class _Point:
    action: str
    every: int
    reached: int = 0


def reach(name: str) -> None:
    """Go on, unless this place was named by the environment.

    Raises:
        Forced: `fail` was asked for here, and it is this time's turn.
    """
    point = _points().get(name)
    if point is None:
        return
    point.reached += 1
    if point.reached % point.every:
        return
    if point.action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    raise Forced(name)


@cache
def _points() -> dict[str, _Point]:
    return read(os.environ.get("FAILPOINTS", ""))


def read(text: str) -> dict[str, _Point]:
    """Return the places that a text names.

    Raises:
        ValueError: it cannot be read; a test that means a place must not miss it silently.
    """
    found = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        name, _, wanted = entry.partition("=")
        action, _, every = wanted.partition("/")
        if action not in ACTIONS or not name:
            raise ValueError(f"FAILPOINTS: {entry!r} is not name=kill or name=fail, with /n at its end.")
        found[name] = _Point(action, max(1, int(every or 1)))
    return found
