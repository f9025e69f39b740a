"""What a request with one event costs in processor time: `python -m bench.request` prints one line of JSON.

The WSGI application is called in this process, one event a request, on a PostgreSQL and a Redis of its own.
Counted is processor time, not time on the clock, and of many rounds the cheapest: so the figure means
something on a busy machine too. `request` is the thread that serves; `process` includes the writer's share,
which is larger here than in a server, where many requests share a commit. `--profile 60` tells where it
goes.
"""

import argparse
import cProfile
import io
import json
import pstats
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.db import db
from app.factory import create_app
from bench.load import Events, Sender
from bench.stack import ACCOUNTS, open_stack


def environ_of(request: bytes) -> dict[str, Any]:
    """Return the WSGI environment of raw HTTP bytes, as the web server makes it."""
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    method, target, protocol = first.split(" ")
    path, _, query = target.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "RAW_URI": target,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": protocol,
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.version": (1, 0),
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for line in lines:
        name, _, value = line.partition(": ")
        name = name.upper().replace("-", "_")
        environ[name if name in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{name}"] = value
    return environ


def serve(app: Any, request: bytes) -> None:
    """Have one request answered.

    Raises:
        AssertionError: the event was not accepted.
    """
    told: list[str] = []
    answer = app.wsgi_app(environ_of(request), lambda status, *_: told.append(status))
    body = b"".join(answer)
    answer.close()
    assert told == ["202 ACCEPTED"], (told, body)


def cheapest(work: Callable[[], None], rounds: int, requests: int) -> dict[str, float]:
    """Return the processor microseconds of one call, of the cheapest round."""
    threads, processes = [], []
    for _ in range(rounds):
        thread, process = time.thread_time(), time.process_time()
        for _ in range(requests):
            work()
        threads.append((time.thread_time() - thread) / requests)
        processes.append((time.process_time() - process) / requests)
    return {"request": round(min(threads) * 1e6, 1), "process": round(min(processes) * 1e6, 1)}


def profile(work: Callable[[], None], requests: int, shown: int, order: str = "tottime") -> str:
    """Return where the time of the serving thread goes."""
    profiler = cProfile.Profile()
    profiler.enable()
    for _ in range(requests):
        work()
    profiler.disable()
    told = io.StringIO()
    pstats.Stats(profiler, stream=told).sort_stats(order).print_stats(shown)
    return told.getvalue()


def main() -> int:
    """Run the measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--requests", type=int, default=300, help="of each round")
    parser.add_argument("--profile", type=int, default=0, help="how many lines of a profile to print")
    parser.add_argument("--signed", action="store_true", help="sign each request (HMAC-SHA256)")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="otpless-bench-") as directory,
        open_stack(Path(directory), signed=options.signed) as stack,
    ):
        sender = Sender(stack.port, stack.keys, Events(ACCOUNTS))
        app = create_app(stack.settings)

        def make() -> bytes:
            return sender.request(1, stack.keys[0])[0]

        def one() -> None:
            serve(app, make())

        empty = cheapest(lambda: environ_of(make()) and None, 3, options.requests)["request"]
        spent = cheapest(one, options.rounds, options.requests)
        told = profile(one, options.requests * 3, options.profile) if options.profile else ""
        with app.app_context():
            db.engine.dispose()
    figures = {name: round(value - empty, 1) for name, value in spent.items()}
    print(json.dumps({"bench": "request", "microseconds": figures}))
    print(told, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
