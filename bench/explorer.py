"""How fast usage is read with ten million events in the table: `python -m bench.explorer` prints one line of
JSON.

Fills a PostgreSQL of its own, then asks the real web server over HTTP, one request after the other: the event
explorer by its filters on its first and on its 10,000th page, as JSON and as the screen, and usage by day, of
one account and of all, kept and not kept in Redis. Beside each stands the same SQL by bare psycopg.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec
import psycopg
from flask import Flask
from redis import Redis
from sqlalchemy import event, select, text

from admin_views.keys import encode
from app import clock
from app.db import db, transaction
from app.factory import create_app
from app.models import Account, Metric
from app.permissions import Role
from app.services import keys, marks, users
from bench.load import milliseconds
from bench.many_events import fill
from bench.stack import ACTOR, Stack, directory_for, open_stack, running
from bench.visitor import Visitor

PAGE = 50
# What is read: a month of a year.
DAYS = 30
FILLED_DAYS = 365
ACCOUNTS = 1_000
MOST_MS = 100.0
CHART = "/portal/usage?period=30d"
BIGGEST = "SELECT account_id FROM usage_rollups GROUP BY 1 ORDER BY sum(events) DESC LIMIT 1"
KEY_AT = """
    SELECT occurred_at, account_id, event_id FROM usage_events
    ORDER BY occurred_at DESC, account_id DESC, event_id DESC OFFSET %s LIMIT 1
"""


class Bare:
    """Runs the statements that a page costs on one bare connection."""

    def __init__(self, app: Flask, url: str) -> None:
        self._app, self._connection = app, psycopg.connect(url, autocommit=True)
        self._connection.prepare_threshold = None

    def statements_of(self, path: str, headers: dict[str, str]) -> list[tuple[str, Any]]:
        """Return the statements over usage that the application runs for an address."""
        seen: list[tuple[str, Any]] = []

        def note(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
            if "usage_" in statement:
                seen.append((statement, parameters))

        with self._app.app_context():
            event.listen(db.engine, "before_cursor_execute", note)
            answer = self._app.test_client().get(path, headers=headers)
            event.remove(db.engine, "before_cursor_execute", note)
        if answer.status_code != 200:
            raise RuntimeError(f"GET {path}: {answer.status_code}")
        return seen

    def run(self, statements: list[tuple[str, Any]]) -> None:
        """Run them and fetch their rows."""
        for statement, parameters in statements:
            self._connection.execute(statement, parameters).fetchall()


def timed(times: int, act: Callable[[], object], before: Callable[[], object] = lambda: None) -> list[float]:
    """Return how long an act took, in seconds, each time but the first two."""
    found = []
    for _ in range(times + 2):
        before()
        begun = time.perf_counter()
        act()
        found.append(time.perf_counter() - begun)
    return found[2:]


def questions(url: str, page: int) -> dict[str, dict[str, Any]]:
    """Return what the explorer is asked, by name: the query of the API."""
    with psycopg.connect(url) as connection:
        (biggest,) = connection.execute(BIGGEST).fetchone() or ()
        deep = connection.execute(KEY_AT, (page * PAGE - 1,)).fetchone() or ()
        (metric,) = connection.execute("SELECT event_id FROM usage_events LIMIT 1").fetchone() or ()
    cursor = msgspec.json.encode(list(deep)).hex()
    own_cursor = msgspec.json.encode([deep[0], deep[2]]).hex()
    return {
        "first": {},
        "account": {"account_id": biggest},
        "metric": {"metric": "auth.otp"},
        "metric_of_a_hundredth": {"metric": "fraud.check"},
        "metric_of_a_millionth": {"metric": "audit.export"},
        "account_and_metric": {"account_id": biggest, "metric": "fraud.check"},
        "property": {"account_id": biggest, "property": "country=AE"},
        "event_id": {"event_id": metric},
        "event_id_begins": {"event_id": f"{metric[:-2]}*"},
        f"page_{page}": {"cursor": cursor},
        f"page_{page}_of_account": {"account_id": biggest, "cursor": own_cursor},
        f"page_{page}_of_metric": {"metric": "auth.otp", "cursor": cursor},
    }


def measure(options: argparse.Namespace, data: Path) -> dict[str, Any]:
    """Return all figures of one run."""
    kept = data / "filled.json"
    with open_stack(data, accounts=options.accounts, prepared=kept.exists()) as stack:
        settings = replace(stack.settings, development_sign_in=True, rate_limits=options.rate_limits)
        stack = replace(stack, settings=settings)
        if not kept.exists():
            made = fill(settings.owner_database_url, options.events, options.accounts, FILLED_DAYS)
            kept.write_text(json.dumps({**made, "accounts": options.accounts}))
        filled = json.loads(kept.read_text())
        app = create_app(stack.settings)
        with app.app_context(), transaction():
            _, secret = keys.create(
                "reader", scopes=["usage:read"], actor=ACTOR, at=clock.now(), kind="bearer"
            )
            people = _people(db.session)
        with running(stack, worker=False):
            figures = _measure_all(app, stack, options, secret, people)
        with app.app_context():
            db.engine.dispose()
    return {"bench": "explorer", "cores": os.cpu_count(), "filled": filled, **figures}


def _people(session: Any) -> list[str]:
    """Make a super admin and somebody of the customer with the busiest account; return their ids."""
    busiest = session.get(Account, session.execute(text(BIGGEST)).scalar())
    begin = f"bench-{clock.now():%Y%m%d%H%M%S}"
    admin = users.create(f"{begin}@otpless.example", role=Role.super_admin, actor=ACTOR)
    own = users.create(f"{begin}@x.example", role=Role.customer, actor=ACTOR, customer=busiest.customer)
    return [str(admin.id), str(own.id)]


def _measure_all(
    app: Flask, stack: Stack, options: argparse.Namespace, secret: str, people: list[str]
) -> dict[str, Any]:
    reader, staff, customer = Visitor(stack.port, secret), Visitor(stack.port), Visitor(stack.port)
    staff.sign_in(people[0])
    customer.sign_in(people[1])
    bare = Bare(app, stack.settings.database_url)
    asked = questions(stack.settings.database_url, options.page)
    explorer = {}
    for name, query in asked.items():
        path = f"/api/v1/events?{urlencode({**query, 'limit': PAGE})}"
        statements = bare.statements_of(path, {"Authorization": f"Bearer {secret}"})
        explorer[name] = _figures(
            timed(options.times, lambda path=path: reader.get(path)),  # type: ignore[misc]
            timed(options.times, lambda statements=statements: bare.run(statements)),  # type: ignore[misc]
        )
    screens = {
        name: milliseconds(timed(options.times, lambda path=path: staff.get(path)))  # type: ignore[misc]
        for name, path in _screens(app, asked, options.page).items()
    }
    return {
        "explorer": explorer,
        "screens": screens,
        "usage": _usage(stack, (reader, staff, customer), bare, asked, secret, options),
    }


def _screens(app: Flask, asked: dict[str, dict[str, Any]], page: int) -> dict[str, str]:
    deep = msgspec.json.decode(bytes.fromhex(asked[f"page_{page}"]["cursor"]))
    key = encode([datetime.fromisoformat(deep[0]), deep[1], deep[2]])
    with app.app_context():
        account = db.session.get(Account, asked["account"]["account_id"])
        metric = db.session.scalar(select(Metric.id).where(Metric.code == "fraud.check"))
        db.session.remove()
    base = "/admin/usage-events/"
    return {
        "first": base,
        "account": f"{base}?account={account.id if account else ''}",
        "metric_of_a_hundredth": f"{base}?metric={metric}",
        f"page_{page}": f"{base}?after={key}",
    }


def _usage(
    stack: Stack,
    visitors: tuple[Visitor, Visitor, Visitor],
    bare: Bare,
    asked: dict[str, Any],
    secret: str,
    options: argparse.Namespace,
) -> dict[str, Any]:
    """Return the figures of a month by day: of the busiest account, and of all on the dashboard."""
    reader, staff, customer = visitors
    redis = Redis.from_url(stack.settings.redis_url)

    def forget() -> None:
        for key in redis.scan_iter("cache:*"):
            redis.delete(key)

    until = datetime.now(UTC)
    window = {"from": (until - timedelta(days=DAYS)).isoformat(), "to": until.isoformat()}
    path = f"/api/v1/usage?{urlencode({**asked['account'], **window, 'granularity': 'day', 'limit': 200})}"
    forget()
    statements = bare.statements_of(path, {"Authorization": f"Bearer {secret}"})
    few = max(5, options.times // 10)

    def a_day_grew() -> None:
        redis.set(f"mark:{marks.usage_at(until)}", os.urandom(8).hex())

    return {
        "account": _figures(
            timed(options.times, lambda: reader.get(path), forget), timed(few, lambda: bare.run(statements))
        ),
        "account_kept": milliseconds(timed(options.times, lambda: reader.get(path))),
        "chart": milliseconds(timed(few, lambda: customer.get(CHART), forget)),
        "chart_kept": milliseconds(timed(few, lambda: customer.get(CHART))),
        "dashboard": milliseconds(timed(few, lambda: staff.get("/admin/"), forget)),
        "dashboard_after_new_usage": milliseconds(timed(few, lambda: staff.get("/admin/"), a_day_grew)),
        "dashboard_kept": milliseconds(timed(options.times, lambda: staff.get("/admin/"))),
    }


def _figures(over_http: list[float], by_psycopg: list[float]) -> dict[str, float]:
    figures, bare = milliseconds(over_http), milliseconds(by_psycopg)
    return {
        **figures,
        "bare_p50_ms": bare["p50_ms"],
        "ratio": round(figures["p50_ms"] / max(bare["p50_ms"], 0.1), 1),
    }


def too_slow(figures: dict[str, Any], most_ms: float) -> list[str]:
    """Return what took longer than it may: by p99 what the explorer is asked, and usage as it is mostly
    seen."""
    pages = {**figures["explorer"], **{f"screen {name}": one for name, one in figures["screens"].items()}}
    seldom = {"dashboard"}
    charts = {name: one for name, one in figures["usage"].items() if name not in seldom}
    return [name for name, one in {**pages, **charts}.items() if one["p99_ms"] > most_ms]


def main() -> int:
    """Run the measurement; fail when a page or a chart took longer than 100 ms."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--page", type=int, default=10_000, help="how deep the deep page is")
    parser.add_argument("--times", type=int, default=100, help="requests of each kind")
    parser.add_argument("--most-ms", type=float, default=MOST_MS)
    parser.add_argument("--rate-limits", default="off", help="as RATE_LIMITS: one caller asks all of it")
    parser.add_argument("--accounts", type=int, default=ACCOUNTS)
    parser.add_argument(
        "--keep", type=Path, help="fill this directory, or measure what an earlier run filled"
    )
    options = parser.parse_args()
    with directory_for(options.keep) as directory:
        figures = measure(options, directory)
    slow = too_slow(figures, options.most_ms)
    print(json.dumps({**figures, "too_slow": slow}))
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
