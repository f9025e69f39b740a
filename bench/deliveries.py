"""Every event delivered twice, by many at once: `python -m bench.deliveries` prints one line of JSON.

A million deliveries of half a million ids, shuffled, by 16 concurrent clients, alone and in batches up to
1,000; one delivery in fifty has another content under its id. Afterwards what is stored must be what was
sent, once, the sums must agree, and each of the million answers must be right: one `accepted` for each id,
`duplicate` for the others, `conflict` exactly where the content differs from what is stored.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import psycopg

from app.embedded.processes import wait_until
from bench.load import PATH, Key
from bench.stack import ACCOUNTS, open_stack, running

CLIENTS = 16
SIZES = (1, 1, 1, 7, 50, 300, 1_000)
CONFLICTS_IN = 50
MOST_TRIES = 100
DRAINED_WITHIN_SECONDS = 120
AT = datetime.now(UTC).replace(microsecond=0).isoformat()


class Delivery(NamedTuple):
    """One delivery: the number of an event, and what its contents differ in: its country."""

    number: int
    country: str


class Tables(NamedTuple):
    """What the tables hold: the country by event, how many rows, and the usage by country made of them."""

    countries: dict[int, str]
    rows: int
    usage: dict[str, int]


def shuffle(events: int, deliveries: int, seed: int) -> list[Delivery]:
    """Return the deliveries in their order; each event is among them."""
    random = Random(seed)
    numbers = [n % events for n in range(deliveries)]
    random.shuffle(numbers)
    return [Delivery(n, "IN" if random.randrange(CONFLICTS_IN) else "NP") for n in numbers]


def deliver(port: int, keys: Sequence[Key], deliveries: Sequence[Delivery]) -> list[tuple[Delivery, str]]:
    """Deliver everything by sixteen clients at once; return each delivery with its answer.

    Raises:
        ValueError: an answer is not one of `accepted`, `duplicate` and `conflict`, or none came.
    """

    def post_share(client: int) -> list[tuple[Delivery, str]]:
        sizes, key, share = Random(client), keys[client % len(keys)], deliveries[client::CLIENTS]
        connection, answers = HTTPConnection("127.0.0.1", port, timeout=60), []
        while len(answers) < len(share):
            group = share[len(answers) : len(answers) + sizes.choice(SIZES)]
            answers += zip(group, post(connection, key, [event_of(each) for each in group]), strict=True)
        connection.close()
        return answers

    with ThreadPoolExecutor(CLIENTS) as pool:
        return [answer for share in pool.map(post_share, range(CLIENTS)) for answer in share]


def event_of(delivery: Delivery) -> dict[str, Any]:
    """Return the event as it is sent."""
    return {
        "event_id": f"d-{delivery.number}",
        "account_id": f"account-{delivery.number % ACCOUNTS}",
        "metric": "auth.otp",
        "timestamp": AT,
        "properties": {"channel": "sms", "country": delivery.country},
    }


def post(connection: HTTPConnection, key: Key, events: Sequence[dict[str, Any]]) -> list[str]:
    """Post one request, again while the server is busy, and return one answer for each event."""
    body = json.dumps(events[0] if len(events) == 1 else events).encode()
    for _ in range(MOST_TRIES):
        proof = dict(line.split(": ", 1) for line in key.headers(body, "").splitlines())
        connection.request("POST", PATH, body, {**proof, "Content-Type": "application/json"})
        response = connection.getresponse()
        answer = json.loads(response.read())
        if response.status == 202:
            results = answer["data"]["attributes"]["results"]
            return [read_result(*pair) for pair in zip(results, events, strict=True)]
        if response.status not in {429, 503}:
            break
        time.sleep(int(response.headers["Retry-After"]))
    raise ValueError(f"{response.status}: {answer}")


def read_result(result: dict[str, Any], event: dict[str, Any]) -> str:
    """Return what was answered to one event."""
    if result["event_id"] != event["event_id"] or result["status"] not in {"accepted", "duplicate"}:
        raise ValueError(f"A wrong answer: {result}")
    return "conflict" if result.get("conflict") else str(result["status"])


def look(url: str) -> Tables:
    """Return what is stored, once everything is metered."""
    with psycopg.connect(url, autocommit=True) as connection:

        def is_drained() -> bool:
            return connection.execute("SELECT 1 FROM usage_deltas LIMIT 1").fetchone() is None

        wait_until(is_drained, patience_seconds=DRAINED_WITHIN_SECONDS)
        found = connection.execute("SELECT event_id, properties->>'country' FROM usage_events").fetchall()
        usage = connection.execute(
            "SELECT dimensions->>'country', sum(quantity)::bigint FROM usage_rollups GROUP BY 1"
        ).fetchall()
    return Tables({int(each[2:]): country for each, country in found}, len(found), dict(usage))


def count_wrong(answered: Sequence[tuple[Delivery, str]], tables: Tables) -> dict[str, int]:
    """Return how much is wrong, by kind; nothing is where everything was right."""
    wrong: Counter[str] = Counter()
    accepted: Counter[int] = Counter()
    for (number, country), answer in answered:
        same = tables.countries.get(number) == country
        accepted[number] += answer == "accepted"
        wrong["accepted with other content"] += answer == "accepted" and not same
        wrong["duplicate that is a conflict"] += answer == "duplicate" and not same
        wrong["conflict that is none"] += answer == "conflict" and same
    sent = {delivery.number for delivery, _ in answered}
    wrong["not accepted once"] = sum(accepted[number] != 1 for number in sent)
    wrong["missing"] = len(sent - tables.countries.keys())
    wrong["stored twice"] = tables.rows - len(tables.countries)
    wrong["never sent"] = len(tables.countries.keys() - sent)
    wrong["not in the sums"] = (Counter(tables.countries.values()) - Counter(tables.usage)).total()
    wrong["too much in the sums"] = (Counter(tables.usage) - Counter(tables.countries.values())).total()
    return {name: times for name, times in wrong.items() if times}


def measure(options: argparse.Namespace, data: Path) -> dict[str, object]:
    """Return what one run gave."""
    with open_stack(data, signed=options.signed) as stack:
        deliveries = shuffle(options.events, options.deliveries, options.seed)
        with running(stack):
            begun = time.perf_counter()
            answered = deliver(stack.port, stack.keys, deliveries)
            seconds = time.perf_counter() - begun
            tables = look(stack.stores.database_url)
    return {
        "bench": "deliveries",
        "seed": options.seed,
        "cores": os.cpu_count(),
        "fsync": True,
        "clients": CLIENTS,
        "deliveries": len(answered),
        "ids": len({delivery.number for delivery in deliveries}),
        "stored": tables.rows,
        "answers": dict(Counter(answer for _, answer in answered)),
        "seconds": round(seconds, 1),
        "deliveries_per_second": round(len(answered) / seconds),
        "wrong": count_wrong(answered, tables),
    }


def main() -> int:
    """Run the measurement; fail when an answer was wrong or the tables are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=500_000, help="how many ids")
    parser.add_argument("--deliveries", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--signed", action="store_true", help="sign each request (HMAC-SHA256)")
    parser.add_argument("--quick", action="store_true", help="20,000 deliveries, to see that it works")
    options = parser.parse_args()
    if options.quick:
        options.events, options.deliveries = 10_000, 20_000
    with tempfile.TemporaryDirectory(prefix="otpless-bench-") as directory:
        figures = measure(options, Path(directory))
    print(json.dumps(figures))
    return 1 if figures["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
