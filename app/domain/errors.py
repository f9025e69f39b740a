"""The refusals of the pure domain. Services turn them into `app.errors`; nothing here knows HTTP."""

from collections.abc import Callable, Iterable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class RuleBroken(ValueError):
    """An input breaks a rule of the domain.

    `pointer` is the RFC 6901 JSON pointer of the offending field ("" is the whole input), `code` a stable
    word for programs, `message` one sentence for a person. `others` are what else was found in the same
    input.
    """

    def __init__(self, pointer: str, code: str, message: str) -> None:
        super().__init__(f"{pointer}: {message}" if pointer else message)
        self.pointer, self.code, self.message = pointer, code, message
        self.others: tuple[RuleBroken, ...] = ()

    @property
    def all(self) -> tuple["RuleBroken", ...]:
        """This one and the others."""
        return (self, *self.others)


class MixedCurrencies(RuleBroken):
    """Two currencies meet in one sum; they are never added."""

    def __init__(self, left: str, right: str, *, pointer: str = "") -> None:
        super().__init__(pointer, "currency_mismatch", f"{left} and {right} cannot be added or compared.")
        self.left, self.right = left, right


class IllegalMove(ValueError):
    """A state table does not list this move; the message names both states and what is allowed."""

    def __init__(self, machine: str, current: str, target: str, allowed: Iterable[str]) -> None:
        self.machine, self.current, self.target, self.allowed = machine, current, target, tuple(allowed)
        ways = ", ".join(self.allowed) if self.allowed else "nothing: it is final"
        what = machine.replace("_", " ")
        super().__init__(f"A {what} cannot go from {current} to {target}. Allowed from {current}: {ways}.")


class Unbalanced(ValueError):
    """The postings of a journal do not sum to zero in every currency."""


class Faults:
    """Gathers what is wrong with an input, so that a person is told all of it at once."""

    def __init__(self) -> None:
        self._found: list[RuleBroken] = []

    def read(self, reader: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """Return what a reader returns; None where it refuses, which is kept."""
        try:
            return reader(*args, **kwargs)
        except RuleBroken as broken:
            self._found += broken.all
            return None

    def add(self, pointer: str, code: str, message: str) -> None:
        """Keep a fault."""
        self._found.append(RuleBroken(pointer, code, message))

    def refuse(self) -> None:
        """Return if nothing is wrong.

        Raises:
            RuleBroken: the first fault, with the others.
        """
        if self._found:
            first, *others = self._found
            first.others = tuple(others)
            raise first
