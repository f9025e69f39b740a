"""The path of a signed request on the wire: only the bytes that were signed are let in, however else the same
place could be written.
"""

import socket
from http.client import HTTPResponse
from urllib.parse import urlsplit

import pytest

from app.db import transaction
from tests.api.signing import Sender, make_sender
from tests.domain.test_signatures import recorded
from tests.support.own import OwnDatabase

pytestmark = pytest.mark.processes

EVENTS = "/api/v1/events"
CAPITALS, SMALL, BYTES = (f"/api/v1/customers/caf{end}" for end in ("%C3%A9", "%c3%a9", "\u00c3\u00a9"))

# Whatever else could be taken for /api/v1/events?limit=1.
OTHERS = {
    "a letter encoded": "/api/v1/%65vents?limit=1",
    "a digit encoded": "/api/v%31/events?limit=1",
    "a slash encoded": "/api%2Fv1/events?limit=1",
    "encoded twice": "/api/v1/%2565vents?limit=1",
    "all encoded": "/%61%70%69/%76%31/%65%76%65%6E%74%73?limit=1",
    "a dot segment": "/api/v1/./events?limit=1",
    "two dots": "/api/v1/customers/../events?limit=1",
    "encoded dots": "/api/v1/customers/%2E%2E/events?limit=1",
    "a double slash": "/api/v1//events?limit=1",
    "a double slash at the begin": "//api/v1/events?limit=1",
    "a slash at the end": "/api/v1/events/?limit=1",
    "a parameter": "/api/v1/events;a=1?limit=1",
    "an empty parameter": "/api/v1/events;?limit=1",
    "a question mark encoded": "/api/v1/events%3Flimit=1",
    "a question mark too many": "/api/v1/events??limit=1",
    "a question mark at the end": "/api/v1/events?limit=1?",
    "a zero byte": "/api/v1/events%00?limit=1",
    "a blank": "/api/v1/events%20?limit=1",
    "another case": "/api/v1/Events?limit=1",
    "absolute and encoded": "http://localhost/api/v1/%65vents?limit=1",
    "the query encoded": "/api/v1/events?limit=%31",
}


class Wire:
    """Sends request lines as they are."""

    def __init__(self, own: OwnDatabase) -> None:
        with own.app(), transaction():
            self.sender: Sender = make_sender()[1]
        self.address = urlsplit(own.start_web()).netloc.split(":")

    def status(self, target: str, headers: dict[str, str], method: str = "GET", body: bytes = b"") -> int:
        lines = (
            f"{method} {target} HTTP/1.1",
            "Host: localhost",
            "Connection: close",
            f"Content-Length: {len(body)}",
            *(f"{name}: {value}" for name, value in headers.items()),
        )
        host, port = self.address
        with socket.create_connection((host, int(port)), timeout=30) as connection:
            connection.sendall("\r\n".join((*lines, "", "")).encode("latin-1") + body)
            answer = HTTPResponse(connection)
            answer.begin()
            return answer.status


@pytest.fixture
def wire(own_database: OwnDatabase) -> Wire:
    return Wire(own_database)


def test_a_signed_path_is_let_in_as_it_was_signed_and_in_no_other_writing(wire: Wire) -> None:
    headers = wire.sender.headers("GET", EVENTS, "limit=1")
    answers = {name: wire.status(target, headers) for name, target in OTHERS.items()}
    assert answers == dict.fromkeys(OTHERS, 401)
    assert wire.status(f"{EVENTS}?limit=1", headers) == 200
    assert wire.status(f"{EVENTS}?limit=1", headers) == 401


def test_a_sender_signs_the_writing_that_it_sends(wire: Wire) -> None:
    found = {
        (signed, sent): wire.status(sent, wire.sender.headers("GET", signed))
        for signed in (CAPITALS, SMALL, BYTES)
        for sent in (CAPITALS, SMALL, BYTES)
    }
    assert found == {(signed, sent): 404 if signed == sent else 401 for signed, sent in found}
    encoded = "/api/v1/%65vents"
    assert wire.status(encoded, wire.sender.headers("GET", encoded)) == 200
    assert wire.status(EVENTS, wire.sender.headers("GET", encoded)) == 401


def test_the_absolute_form_and_an_empty_query_are_the_same_path(wire: Wire) -> None:
    host, port = wire.address
    origin = f"http://{host}:{port}"
    same = {
        f"{EVENTS}?": (EVENTS, 200),
        f"{origin}{EVENTS}": (EVENTS, 200),
        f"http://elsewhere{EVENTS}": (EVENTS, 200),
        "/healthz": ("/healthz", 200),
        f"{origin}/healthz?": ("/healthz", 200),
        "*": ("/", 401),
    }
    answers = {
        target: wire.status(target, wire.sender.headers("GET", path)) for target, (path, _) in same.items()
    }
    assert answers == {target: status for target, (_, status) in same.items()}
    root = wire.status("/", wire.sender.headers("GET", "/"))
    assert root != 401
    assert wire.status(origin, wire.sender.headers("GET", "/")) == root
    assert wire.status(origin, wire.sender.headers("GET", EVENTS)) == 401


def test_each_recorded_request_is_let_in_and_with_a_character_of_its_path_encoded_it_is_not(
    wire: Wire,
) -> None:
    for request in recorded():
        method, path, query = (part.decode() for part in (request.method, request.path, request.query))
        headers = wire.sender.headers(method, path, query, request.body)
        end = f"?{query}" if query else ""
        places = [
            place
            for place in range(1, len(path))
            if path[place].isalnum() and "%" not in path[place - 2 : place]
        ]
        for place in places[::5]:
            other = f"{path[:place]}%{ord(path[place]):02X}{path[place + 1 :]}"
            assert wire.status(other + end, headers, method, request.body) == 401, other
        assert wire.status(path + end, headers, method, request.body) != 401, path
        assert wire.status(path + end, headers, method, request.body) == 401, path
