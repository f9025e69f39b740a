"""What a body may be, told by the real web server: the length, also where it is not announced, the type, the
encoding.
"""

import json
import socket
from contextlib import suppress
from http.client import HTTPResponse
from typing import Any
from urllib.parse import urlsplit

import pytest

from app import clock
from app.db import transaction
from app.services import keys
from tests import factories
from tests.api.conftest import TEST
from tests.support.own import OwnDatabase

MEBIBYTE = 1024 * 1024
GOOD = {"event_id": "e", "account_id": "acme", "metric": "auth.otp"}


class Wire:
    """Sends raw requests to the web server, each on a connection of its own."""

    def __init__(self, url: str, secret: str) -> None:
        self.host, self.port = urlsplit(url).hostname or "", urlsplit(url).port or 0
        self.secret = secret

    def post(self, body: bytes, *headers: str, path: str = "/api/v1/events") -> tuple[int, dict[str, Any]]:
        """Post bytes as they are, and return the status and what was answered."""
        lines = (
            f"POST {path} HTTP/1.1",
            f"Host: {self.host}",
            f"Authorization: Bearer {self.secret}",
            "Connection: close",
            *headers,
        )
        with socket.create_connection((self.host, self.port), timeout=30) as connection:
            connection.sendall("\r\n".join((*lines, "", "")).encode())
            # The server may have answered already, and reads no further.
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(body)
            response = HTTPResponse(connection)
            response.begin()
            return response.status, json.loads(response.read())


def chunked(*parts: bytes) -> bytes:
    """Return a body in chunks, which does not say how long it is."""
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (*parts, b""))


def length(body: bytes) -> str:
    return f"Content-Length: {len(body)}"


JSON = "Content-Type: application/json"
IN_CHUNKS = "Transfer-Encoding: chunked"


@pytest.mark.processes
def test_bodies_over_the_wire(own_database: OwnDatabase) -> None:
    with own_database.app(), transaction():
        factories.make_account(external_id="acme")
        factories.make_metric("auth.otp")
        _, secret = keys.create("wire", scopes=["all"], actor=TEST, at=clock.now())
    wire = Wire(own_database.start_web(), secret)
    good = json.dumps(GOOD).encode()
    large = json.dumps({**GOOD, "properties": {"note": "x" * 2 * MEBIBYTE}}).encode()
    fits = json.dumps([{**GOOD, "event_id": "other"}]).encode().ljust(MEBIBYTE)
    many = json.dumps([{**GOOD, "event_id": str(n)} for n in range(1_001)]).encode()

    cases = {
        "too large, as announced": (wire.post(large, JSON, length(large)), 413, "too_large"),
        "too large by a byte": (
            wire.post(fits + b" ", JSON, f"Content-Length: {MEBIBYTE + 1}"),
            413,
            "too_large",
        ),
        "too large, in chunks": (
            wire.post(
                chunked(*[large[n : n + 65_536] for n in range(0, len(large), 65_536)]), JSON, IN_CHUNKS
            ),
            413,
            "too_large",
        ),
        "another type": (
            wire.post(good, "Content-Type: text/plain", length(good)),
            415,
            "unsupported_media_type",
        ),
        "a form": (
            wire.post(good, "Content-Type: application/x-www-form-urlencoded", length(good)),
            415,
            "unsupported_media_type",
        ),
        "no type": (wire.post(good, length(good)), 415, "unsupported_media_type"),
        "compressed": (
            wire.post(good, JSON, "Content-Encoding: gzip", length(good)),
            415,
            "unsupported_media_type",
        ),
        "nothing": (wire.post(b"", JSON, "Content-Length: 0"), 400, "bad_json"),
        "cut short in chunks": (wire.post(chunked(good[:-1]), JSON, IN_CHUNKS), 400, "bad_json"),
        "too many": (wire.post(many, JSON, length(many)), 400, "batch_size"),
    }

    found = {name: (status, code_of(body)) for name, ((status, body), _, _) in cases.items()}
    assert found == {name: (status, code) for name, (_, status, code) in cases.items()}
    with own_database.connect() as connection:
        assert connection.execute("SELECT count(*) FROM usage_events").fetchone() == (0,)

    assert wire.post(fits, JSON, length(fits))[0] == 202
    assert wire.post(chunked(good[:20], good[20:]), JSON, IN_CHUNKS)[0] == 202
    with own_database.connect() as connection:
        assert connection.execute("SELECT count(*) FROM usage_events").fetchone() == (2,)


def code_of(answer: dict[str, Any]) -> str:
    """Return what went wrong, by the field where there is one."""
    error = answer["error"]
    return str(error["fields"][0]["code"] if error["fields"] else error["code"])
