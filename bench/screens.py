"""How long every screen takes over large tables: `python -m bench.screens` prints one line of JSON.

A PostgreSQL of its own gets 200,000 customers with all that belongs to them, a million transactions of one
wallet, 200,000 invoices and ten million events (`bench/screens_rows.py`, `bench/many_events.py`); `--data`
keeps it for the next run. Then every list is asked for its pages, orders, searches and filters, and the other
pages, the portal and the API as well (`bench/screens_asked.py`), through the application in this process.
"""

import argparse
import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Connection, Engine, event

from app import clock
from app.db import db, in_transaction, transaction
from app.embedded.postgres import SUPERUSER
from app.embedded.stores import Stores
from app.ids import new_id
from app.models import Customer
from app.permissions import Role
from app.services import demo, keys, reference, users
from bench import many_events, screens_rows
from bench.books import ACTOR, open_books
from bench.screens_asked import Question, find_big, of_all
from bench.stack import directory_for
from tests.admin.movements import make_movements
from tests.admin.world import make_world
from tests.auth.people import sign_in
from tests.support.application import Client

EVENTS, EVENT_ACCOUNTS, EVENT_DAYS = 10_000_000, 1_000, 365
MOST_MS = 300.0
# One that took this long is not asked as often.
PATIENCE_SECONDS = 3.0
WORLDS = 3


@dataclass(frozen=True, slots=True)
class Answer:
    """How an address was answered: the best and the median time on the clock, the least processor time of
    this process and of the database's, which hardly depends on what else the machine does, the statements."""

    screen: str
    what: str
    path: str
    status: int
    best_ms: float
    p50_ms: float
    python_ms: float
    database_ms: float
    statements: int


class Statements:
    """Counts the statements of this process, and knows which servers of the database work for it."""

    def __init__(self) -> None:
        self.count, self.servers = 0, set[int]()

    def note(self, connection: Connection, *_: Any) -> None:
        """Count a statement."""
        self.count += 1
        self.servers.add(connection.connection.dbapi_connection.info.backend_pid)  # type: ignore[union-attr]

    def processor_seconds(self) -> float:
        """Return what the servers have worked so far; without the helpers of a parallel plan."""
        stats = [Path(f"/proc/{pid}/schedstat") for pid in self.servers]
        return sum(int(each.read_text().split()[0]) for each in stats if each.exists()) / 1e9


@contextmanager
def counted() -> Iterator[Statements]:
    """Yield what counts the statements of the block."""
    statements = Statements()
    event.listen(Engine, "before_cursor_execute", statements.note)
    try:
        yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", statements.note)


def ask(
    client: FlaskClient, question: Question, headers: Mapping[str, str], times: int, statements: Statements
) -> Answer:
    """Ask one address several times."""
    taken: list[tuple[float, float, float, int]] = []
    status = 0
    while len(taken) < times and not (taken and taken[-1][0] > PATIENCE_SECONDS):
        counted_before, worked = statements.count, statements.processor_seconds()
        spent, begun = time.process_time(), time.perf_counter()
        status = client.get(question.path, headers=dict(headers), buffered=True).status_code
        seconds, processor = time.perf_counter() - begun, time.process_time() - spent
        count = statements.count - counted_before
        taken.append((seconds, processor, statements.processor_seconds() - worked, count))
    clocks, pythons, databases, counts = zip(*taken, strict=True)
    return Answer(
        screen=question.screen,
        what=question.what,
        path=question.path,
        status=status,
        best_ms=_ms(min(clocks)),
        p50_ms=_ms(median(clocks)),
        python_ms=_ms(min(pythons)),
        database_ms=_ms(min(databases)),
        # What the first one keeps in Redis costs the others nothing, unless Redis was slow to answer.
        statements=min(counts),
    )


def _ms(seconds: float) -> float:
    return round(1000 * seconds, 1)


def visitors(app: Flask, customer: Customer) -> dict[str, tuple[FlaskClient, dict[str, str]]]:
    """Return who asks: somebody at the desk, somebody of the big customer, and a program."""
    mark = f"bench-{new_id()}"
    with transaction():
        admin = users.create(f"{mark}@otpless.example", role=Role.super_admin, actor=ACTOR)
        own = users.create(f"{mark}@x.example", role=Role.customer, actor=ACTOR, customer=customer)
        _, secret = keys.create("Screens", scopes=["all"], actor=ACTOR, at=clock.now())
    desk, portal = app.test_client(), app.test_client()
    sign_in(desk, admin)
    sign_in(portal, own)
    bearer = {"Authorization": f"Bearer {secret}"}
    return {"desk": (desk, {}), "portal": (portal, {}), "api": (app.test_client(), bearer)}


def measure(app: Flask, times: int, only: Sequence[str] = ("",)) -> list[Answer]:
    """Ask everything, or the screens whose names begin as `only` says."""
    app.test_client_class = Client
    people = visitors(app, find_big().customer)
    questions = [one for one in of_all(app) if one.screen.startswith(tuple(only))]
    db.session.remove()
    found = []
    with counted() as statements:
        for question in questions:
            client, headers = people[question.who]
            found.append(ask(client, question, headers, times, statements))
    return found


def seed() -> None:
    """Make what is multiplied: the demonstration, and a world with a row of every kind."""
    at = clock.now()
    in_transaction(lambda: reference.load(at=at, actor=ACTOR))
    for step in demo.steps(at=at, actor=ACTOR):
        step.run(lambda _: None)
        db.session.remove()
    with transaction():
        for number in range(1, WORLDS + 1):
            make_movements(make_world(number).customer)


def prepare(stores: Stores, data: Path, scale: float) -> dict[str, Any]:
    """Fill the tables where an earlier run has not; return what they hold."""
    kept = data / "filled.json"
    if not kept.exists():
        seed()
        assert stores.postgres is not None
        url = stores.postgres.url(user=SUPERUSER)
        rows = screens_rows.fill(url, scale)
        events = many_events.fill(url, round(EVENTS * scale), EVENT_ACCOUNTS, EVENT_DAYS)
        kept.write_text(json.dumps({"rows": rows, "events": events}))
    return dict(json.loads(kept.read_text()))


def summary(answers: list[Answer]) -> dict[str, Any]:
    """Return the figures of each screen, what took too long, and what cost too many statements."""
    screens = defaultdict(list)
    for one in answers:
        screens[one.screen].append(one)
    return {
        "screens": {
            name: {
                "asked": len(found),
                "worst_ms": max(one.best_ms for one in found),
                "p50_ms": median(one.p50_ms for one in found),
                "statements": max(one.statements for one in found),
            }
            for name, found in screens.items()
        },
        "asked": len(answers),
        "failed": [asdict(one) for one in answers if one.status >= 500],
        "too_slow": [asdict(one) for one in answers if one.best_ms > MOST_MS],
        "worst_ms": max(one.best_ms for one in answers),
        "p50_ms": median(one.p50_ms for one in answers),
    }


def main() -> int:
    """Run the measurement; fail when a screen took longer than 300 ms or did not answer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="0.01 fills a hundredth of the rows")
    parser.add_argument("--times", type=int, default=5, help="how often each address is asked")
    parser.add_argument("--only", nargs="*", default=[""], help="only screens whose names begin so")
    parser.add_argument(
        "--data", type=Path, help="fill this directory, or measure what an earlier run filled"
    )
    parser.add_argument("--answers", type=Path, help="write every answer here, a JSON line each")
    options = parser.parse_args()
    with (
        directory_for(options.data) as data,
        open_books(data, development_sign_in=True, rate_limits="off") as books,
    ):
        app, stores = books
        filled = prepare(stores, data, options.scale)
        answers = measure(app, options.times, options.only)
    if options.answers:
        options.answers.write_text("".join(json.dumps(asdict(one)) + "\n" for one in answers))
    figures = summary(answers)
    print(json.dumps({"bench": "screens", "cores": os.cpu_count(), "filled": filled, **figures}))
    return 1 if figures["too_slow"] or figures["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
