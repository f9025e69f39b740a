"""A WSGI application that tells what it was given, and gives long answers."""

import hashlib
import json
import os
import time
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

CHUNK = b"x" * 65_536
TOLD = ("REQUEST_METHOD", "PATH_INFO", "QUERY_STRING", "RAW_URI", "SERVER_PROTOCOL", "REMOTE_ADDR")

kept: ContextVar[str] = ContextVar("kept")
counts = {"calls": 0, "chunks": 0, "closed": 0}


class Long:
    """An answer of many chunks that reads a context variable for each, and counts when it is closed."""

    def __init__(self, chunks: int, break_at: int = -1) -> None:
        self._numbers, self._break_at = iter(range(chunks)), break_at

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        number = next(self._numbers)
        if number == self._break_at:
            raise ValueError("broken on the way")
        assert kept.get() == "mine"
        counts["chunks"] += 1
        return CHUNK

    def close(self) -> None:
        counts["closed"] += 1


def app(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
    """Answer by the first part of the path."""
    counts["calls"] += 1
    kept.set("mine")
    _, what, *words = environ["PATH_INFO"].split("/")
    if what == "broken":
        raise ValueError("broken at once")
    start("200 OK", [("Content-Type", "text/plain"), ("X-One", "1"), ("X-One", "2")])
    if what == "long":
        return Long(*map(int, words))
    if what == "lazy":
        return (part for part in (b"one chunk",))
    if what == "hold":
        _hold(Path(os.environ["HOLD"]))
    if what == "counts":
        return [json.dumps(counts).encode()]
    return [json.dumps(_told(environ)).encode()]


def _told(environ: dict[str, Any]) -> dict[str, Any]:
    body = environ["wsgi.input"].read()
    headers = {key: value for key, value in environ.items() if key.startswith(("HTTP_", "CONTENT_"))}
    told = {key: environ[key] for key in TOLD}
    return {**told, "headers": headers, "size": len(body), "sha256": hashlib.sha256(body).hexdigest()}


def _hold(file: Path) -> None:
    """Say that the request is here, and wait until the file is gone."""
    file.touch()
    until = time.monotonic() + 30
    while file.exists() and time.monotonic() < until:
        time.sleep(0.01)
