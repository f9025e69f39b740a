"""The load generator: many connections kept open by one thread, raw sockets and epoll, so that it takes
little of the machine that it measures.
"""

import hmac
import select
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from itertools import count
from typing import NamedTuple

PATH = "/api/v1/events"
# An answer of a thousand lines is not what a sender of batches wants to read.
BATCH_QUERY = "results=errors"
CHANNELS = ("sms", "whatsapp", "email")
PATIENCE_SECONDS = 60.0

Body = Callable[[], tuple[bytes, bytes]]


class Key(NamedTuple):
    """How to prove who calls: a bearer secret, or with an `id` the secret that signs."""

    secret: str
    id: str = ""

    def headers(self, body: bytes, query: str) -> str:
        """Return the header lines that prove a request with this body (docs/integration/signing.md)."""
        if not self.id:
            return f"Authorization: Bearer {self.secret}\r\n"
        at, nonce = int(time.time()), f"{time.time_ns():x}-{id(body):x}"
        text = f"v1\n{at}\n{nonce}\nPOST\n{PATH}\n{query}\n{sha256(body).hexdigest()}"
        signature = hmac.digest(self.secret.encode(), text.encode(), "sha256").hex()
        lines = (
            f"X-Api-Key: {self.id}",
            f"X-Timestamp: {at}",
            f"X-Nonce: {nonce}",
            f"X-Signature: v1={signature}",
        )
        return "".join(f"{line}\r\n" for line in lines)


@dataclass
class Load:
    """What one phase of posting gave; `begun` and `latencies` in seconds, in the order of the answers."""

    connections: int
    requests: int = 0
    events: int = 0
    errors: int = 0
    seconds: float = 0.0
    begun: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    statuses: dict[str, int] = field(default_factory=dict)

    def figures(self) -> dict[str, object]:
        """Return what is printed."""
        return {
            "connections": self.connections,
            "events_per_second": round(self.events / self.seconds),
            **milliseconds(self.latencies),
            "requests": self.requests,
            "errors": self.errors,
            **({"statuses": self.statuses} if self.errors else {}),
        }


def milliseconds(latencies: list[float]) -> dict[str, float]:
    """Return the figures of a list of seconds."""
    ordered = sorted(latencies) or [0.0]
    shares = {"p50_ms": 0.5, "p99_ms": 0.99}
    figures = {name: round(ordered[int(len(ordered) * share)] * 1e3, 1) for name, share in shares.items()}
    return {**figures, "max_ms": round(ordered[-1] * 1e3, 1)}


class Events:
    """Makes events whose ids never repeat."""

    def __init__(self, accounts: int, prefix: str = "bench") -> None:
        self._accounts, self._prefix, self._numbers = accounts, prefix, count()

    def body(self, size: int) -> tuple[bytes, bytes]:
        """Return the body of a request with `size` new events, and what its answer must contain."""
        events = ",".join(self._event() for _ in range(size))
        return (events if size == 1 else f"[{events}]").encode(), b'"accepted":%d,' % size

    def _event(self) -> str:
        n = next(self._numbers)
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        return (
            f'{{"event_id":"{self._prefix}-{n:010}","account_id":"account-{n % self._accounts}",'
            f'"metric":"auth.otp","timestamp":"{at}",'
            f'"properties":{{"channel":"{CHANNELS[n % 3]}","country":"IN"}}}}'
        )


class _Connection:
    __slots__ = ("answer", "begun", "expected", "key", "size", "socket")

    def __init__(self, port: int, key: Key) -> None:
        self.key, self.answer, self.expected, self.begun, self.size = key, b"", b"", 0.0, 0
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, request: bytes, expected: bytes, size: int, begun: float) -> None:
        self.answer, self.expected, self.size, self.begun = b"", expected, size, begun
        self.socket.sendall(request)

    def receive(self) -> bool:
        """Read what has come; tell whether the answer is whole.

        Raises:
            ConnectionError: the server has closed.
        """
        part = self.socket.recv(1 << 18)
        if not part:
            raise ConnectionError("The server closed the connection.")
        self.answer += part
        head, found, body = self.answer.partition(b"\r\n\r\n")
        return bool(found) and len(body) >= int(
            head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]
        )

    @property
    def right(self) -> bool:
        """True when everything was accepted."""
        return self.answer[9:12] == b"202" and self.expected in self.answer


class Sender:
    """Posts events on one port, each connection with one of the keys."""

    def __init__(self, port: int, keys: list[Key], events: Events) -> None:
        self._port, self._keys, self._events = port, keys, events
        self._head = f" HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"

    def request(self, size: int, key: Key) -> tuple[bytes, bytes]:
        """Return a request with `size` new events, and what its answer must contain."""
        body, expected = self._events.body(size)
        query = BATCH_QUERY if size > 1 else ""
        target = f"{PATH}?{query}" if query else PATH
        head = f"POST {target}{self._head}{key.headers(body, query)}Content-Length: {len(body)}\r\n\r\n"
        return head.encode() + body, expected

    def flood(self, size: int, connections: int, seconds: float) -> Load:
        """Post on every connection, each request right after the answer to the one before, for so long."""
        load = Load(connections)
        with _Connections(self._port, self._keys, connections) as lines:
            until = time.perf_counter() + seconds
            for line in lines.idle:
                self._post(line, size, time.perf_counter())
            busy = len(lines.idle)
            while busy:
                for line in lines.answered(load):
                    now = time.perf_counter()
                    if now < until:
                        self._post(line, size, now)
                    else:
                        busy -= 1
            load.seconds = time.perf_counter() - until + seconds
        return load

    def steadily(self, rate: float, connections: int, seconds: float) -> Load:
        """Post single events at `rate` a second.

        Latency counts from the moment at which a request was due, also where no connection was free for it:
        a server that stalls cannot hide behind a generator that waits for it.
        """
        load, total = Load(connections), int(rate * seconds)
        with _Connections(self._port, self._keys, connections) as lines:
            start, sent = time.perf_counter() + 0.05, 0
            while load.requests < total:
                now = time.perf_counter()
                while sent < total and lines.idle and start + sent / rate <= now:
                    self._post(lines.idle.popleft(), 1, start + sent / rate)
                    sent += 1
                pause = start + sent / rate - now if lines.idle and sent < total else PATIENCE_SECONDS
                lines.idle.extend(lines.answered(load, max(0.0, pause)))
            load.seconds = time.perf_counter() - start
        return load

    def _post(self, line: _Connection, size: int, begun: float) -> None:
        request, expected = self.request(size, line.key)
        line.send(request, expected, size, begun)


class _Connections:
    """Open connections; `idle` are those that wait for no answer."""

    def __init__(self, port: int, keys: list[Key], number: int) -> None:
        self._all = [_Connection(port, keys[n % len(keys)]) for n in range(number)]
        self._by_number = {line.socket.fileno(): line for line in self._all}
        self._poll = select.epoll()
        for number in self._by_number:
            self._poll.register(number, select.EPOLLIN)
        self.idle = deque(self._all)

    def __enter__(self) -> "_Connections":
        return self

    def __exit__(self, *_: object) -> None:
        self._poll.close()
        for line in self._all:
            line.socket.close()

    def answered(self, load: Load, patience: float = PATIENCE_SECONDS) -> Iterator[_Connection]:
        """Yield the connections whose answer is whole by now, noted in `load`, after `patience` at most.

        Raises:
            TimeoutError: nothing came for a minute.
        """
        found = self._poll.poll(patience)
        if not found and patience >= PATIENCE_SECONDS:
            raise TimeoutError("The server does not answer.")
        for number, _ in found:
            line = self._by_number[number]
            if line.receive():
                load.begun.append(line.begun)
                load.latencies.append(time.perf_counter() - line.begun)
                load.requests += 1
                if line.right:
                    load.events += line.size
                else:
                    load.errors += 1
                    status = line.answer[9:12].decode()
                    load.statuses[status] = load.statuses.get(status, 0) + 1
                yield line
