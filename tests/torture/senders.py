"""Senders that keep a history: what was confirmed to them, and what they cannot know of."""

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException
from random import Random
from typing import Any

ACCOUNTS = 10
SENDERS = 8
SIZES = (1, 1, 1, 5, 20)
# A sender pauses this long between two requests, so that a long run does not fill the disk.
PAUSE_SECONDS = 0.02


@dataclass
class History:
    """Event ids: `confirmed` by an answer, `unknown` where none came; `wrong` answers as they were."""

    confirmed: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    wrong: list[tuple[int, Any]] = field(default_factory=list)
    broken: int = 0

    def note(self, ids: Sequence[str], status: int | None, results: Sequence[dict[str, Any]]) -> None:
        """Note what was answered to events; no status where the connection broke."""
        if status is None or status == 503:
            self.broken += 1
            self.unknown.update(set(ids) - self.confirmed)
        elif status == 202 and [result["event_id"] for result in results] == list(ids):
            self.confirmed.update(ids)
            self.unknown.difference_update(ids)
        else:
            self.wrong.append((status, results))


class Sender(threading.Thread):
    """Posts new events, alone and in batches; sends every other unknown one again."""

    def __init__(self, number: int, port: int, secret: str, seed: int, over: threading.Event) -> None:
        super().__init__(name=f"sender-{number}", daemon=True)
        self.history = History()
        self._number, self._port, self._over = number, port, over
        self._random = Random(f"{seed}/{number}")
        self._headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
        self._connection = HTTPConnection("127.0.0.1", port, timeout=40)
        self._sent = 0

    def run(self) -> None:
        while not self._over.is_set():
            ids = self._new_ids()
            answered = self._post(ids)
            # Who gives up leaves an unknown outcome behind; who sends again must find out.
            persistent = self._random.random() < 0.5
            while not answered and persistent and not self._over.is_set():
                answered = self._post(ids)
            self._over.wait(PAUSE_SECONDS)
        self._connection.close()

    def _new_ids(self) -> list[str]:
        first, self._sent = self._sent, self._sent + self._random.choice(SIZES)
        return [f"s{self._number}-{n}" for n in range(first, self._sent)]

    def _post(self, ids: Sequence[str]) -> bool:
        """Post the events with these ids once, note the answer, and tell whether there was one."""
        at = datetime.now(UTC).isoformat()
        events = [
            {
                "event_id": each,
                "account_id": f"account-{hash_of(each) % ACCOUNTS}",
                "metric": "auth.otp",
                "timestamp": at,
            }
            for each in ids
        ]
        status, results = None, []
        try:
            self._connection.request("POST", "/api/v1/events", json.dumps(events), self._headers)
            response = self._connection.getresponse()
            status, body = response.status, json.loads(response.read())
            results = body.get("data", {}).get("attributes", {}).get("results", [])
        except (OSError, HTTPException, ValueError):
            status = None
            self._connection.close()
            self._over.wait(0.05)
        self.history.note(ids, status, results)
        return status is not None and status != 503


def hash_of(event_id: str) -> int:
    """Return a number that the same id always gives."""
    return int(event_id.rpartition("-")[2])


@dataclass
class Crowd:
    """Senders at work."""

    senders: list[Sender]
    over: threading.Event

    @classmethod
    def start(cls, port: int, secrets: Sequence[str], seed: int) -> "Crowd":
        """Start eight senders, each with one of the keys."""
        over = threading.Event()
        senders = [Sender(n, port, secrets[n % len(secrets)], seed, over) for n in range(SENDERS)]
        for sender in senders:
            sender.start()
        return cls(senders, over)

    @property
    def confirmed(self) -> int:
        """How many events are confirmed so far."""
        return sum(len(sender.history.confirmed) for sender in self.senders)

    def stop(self) -> History:
        """Stop all and return their common history."""
        self.over.set()
        total = History()
        for sender in self.senders:
            sender.join()
            total.confirmed |= sender.history.confirmed
            total.unknown |= sender.history.unknown
            total.wrong += sender.history.wrong
            total.broken += sender.history.broken
        return total
