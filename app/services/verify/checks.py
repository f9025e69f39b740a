"""What a check is, what it finds, and the registry of all of them."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import text

from app.db import db
from app.registry import Registry

MOST_PROBLEMS = 50
# How many rows a server-side cursor brings at a time.
CHUNK = 5_000


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: where (`posting 7 of wallet …`) and how."""

    where: str
    message: str


@dataclass(slots=True)
class Findings:
    """What a check collects while it runs: counts by what was counted, and problems, the first of them
    kept."""

    counted: dict[str, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    failures: int = 0

    def count(self, what: str, number: int = 1) -> None:
        """Add to the count of something that was looked at."""
        self.counted[what] = self.counted.get(what, 0) + number

    def add(self, where: str, message: str) -> None:
        """Note a problem."""
        self.failures += 1
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(Problem(where, message))


Find = Callable[[Findings, datetime], None]


@dataclass(frozen=True, slots=True)
class Check:
    """An entry of the registry: a sentence that should hold, and the function that tries to refute it at an
    instant."""

    title: str
    find: Find


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one check. `counted` is how many things it looked at; `failures` how many are wrong."""

    name: str
    title: str
    counted: dict[str, int]
    problems: tuple[Problem, ...]
    failures: int
    milliseconds: int

    @property
    def ok(self) -> bool:
        """True when nothing is wrong."""
        return self.failures == 0


@dataclass(frozen=True, slots=True)
class Report:
    """All results of one run at one instant."""

    at: datetime
    results: tuple[Result, ...]

    @property
    def ok(self) -> bool:
        """True when every check holds."""
        return all(result.ok for result in self.results)

    def as_json(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        return {
            "at": self.at.isoformat(),
            "ok": self.ok,
            "checks": [
                {
                    "name": each.name,
                    "title": each.title,
                    "ok": each.ok,
                    "counted": each.counted,
                    "failures": each.failures,
                    "problems": [{"where": one.where, "message": one.message} for one in each.problems],
                    "milliseconds": each.milliseconds,
                }
                for each in self.results
            ],
        }


checks: Registry[Check] = Registry("check")


def check(name: str, title: str) -> Callable[[Find], Find]:
    """Return a decorator that enters a function under `name`; `title` is the sentence that should hold."""

    def enter(find: Find) -> Find:
        checks.register(name)(Check(title, find))
        return find

    return enter


def stream(statement: str, **parameters: Any) -> Iterator[Any]:
    """Yield the rows of a statement through a server-side cursor, so that memory stays flat whatever their
    number."""
    yield from db.session.execute(text(statement), parameters, execution_options={"yield_per": CHUNK})


def count_rows(findings: Findings, **counted: str) -> None:
    """Count the rows of tables: `count_rows(findings, journals="journals")`."""
    for what, table in counted.items():
        findings.count(what, db.session.scalar(text(f"SELECT count(*) FROM {table}")) or 0)  # noqa: S608


def chunks(rows: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Yield lists of up to `size` of the rows."""
    chunk: list[Any] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
