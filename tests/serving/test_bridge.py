"""The web server over real sockets: what an application is given, and how its answers go out."""

import hashlib
import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPResponse, IncompleteRead
from pathlib import Path
from typing import Any

import psutil
import pytest
from flask import Flask

from app.api.body import LARGEST_BODY
from app.embedded.processes import Child, last_lines, wait_until
from app.serving.bridge import PLAIN_BYTES, TOO_LONG, UPLOAD_BYTES
from tests.serving.toy import CHUNK
from tests.support.machine import ROOT, answers, free_port

pytestmark = pytest.mark.processes

MEBIBYTE = 1 << 20
PATIENCE_SECONDS = 60.0
JSON = "application/json"
UPLOAD = "Multipart/form-data; boundary=x"


class Server:
    """A running web server with the toy behind it; `hold` is the file by which a request is held."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.port, self.hold = free_port(), directory / "hold"
        self._opened: list[HTTPConnection] = []
        command = (sys.executable, "-m", "app.serving", "--port", str(self.port), *options)
        environment = {**os.environ, "HOLD": str(self.hold)}
        self.child = Child(
            "toy", (*command, "tests.serving.toy:app"), directory / "log", environment, cwd=ROOT
        )
        self.child.start()
        self.wait_for(lambda: answers(f"http://127.0.0.1:{self.port}/counts"))

    def wait_for(self, happened: Callable[[], bool]) -> None:
        assert wait_until(happened, patience_seconds=PATIENCE_SECONDS), self.said()

    def said(self) -> str:
        return last_lines(self.child.log, 40)

    def connect(self) -> HTTPConnection:
        self._opened.append(HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS))
        return self._opened[-1]

    def send(self, request: bytes) -> socket.socket:
        """Send raw bytes; return the connection they went by."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_SECONDS)
        connection.sendall(request)
        return connection

    def raw(self, request: bytes) -> tuple[int, bytes]:
        """Send raw bytes; return the status and the body of the answer."""
        with self.send(request) as connection:
            return read(connection)

    def counts(self) -> dict[str, int]:
        return dict(json.loads(self.raw(b"GET /counts HTTP/1.1\r\nHost: x\r\n\r\n")[1]))

    def stop(self) -> None:
        for connection in self._opened:
            connection.close()
        self.child.ask_to_stop()
        self.child.wait_stopped()


def read(connection: socket.socket) -> tuple[int, bytes]:
    answer = HTTPResponse(connection)
    answer.begin()
    return answer.status, answer.read()


def told(connection: HTTPConnection, method: str, path: str, body: Any = None, **headers: str) -> Any:
    """Return what the toy tells of a request."""
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    content = answer.read()
    return json.loads(content) if answer.status == 200 else answer.status


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    running = Server(tmp_path, "--blocking-threads", "2")
    yield running
    running.stop()


def test_the_path_is_told_as_it_was_sent_and_decoded(server: Server) -> None:
    written = {
        b"/a/%65%2Fx;p=%c3%A9//b/../c?q=%20&q": ("/a/e/x;p=\xc3\xa9//b/../c", "q=%20&q"),
        b"//a": ("//a", ""),
        b"/%": ("/%", ""),
    }
    for target, (path, query) in written.items():
        found = json.loads(server.raw(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % target)[1])
        assert (found["RAW_URI"], found["PATH_INFO"], found["QUERY_STRING"]) == (
            target.decode(),
            path,
            query,
        )
    absolute = {b"http://h/%65?q": "/%65?q", b"http://h": "/", b"/a?": "/a"}
    for target, uri in absolute.items():
        found = json.loads(server.raw(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % target)[1])
        assert found["RAW_URI"] == uri
    assert (found["REQUEST_METHOD"], found["SERVER_PROTOCOL"], found["REMOTE_ADDR"]) == (
        "GET",
        "HTTP/1.1",
        "127.0.0.1",
    )


def test_headers_that_come_twice_are_joined_and_a_name_with_an_underscore_is_none(server: Server) -> None:
    lines = (
        *("Host: x", "X-Key: a", "x-key: b", "Cookie: a=1", "Cookie: b=2", "X_Key: forged"),
        *("X_Forwarded_For: 1.2.3.4", "Content_Length: 5", "X-Latin: \xe9"),
    )
    request = "\r\n".join(("GET /told HTTP/1.1", *lines, "", "")).encode("latin-1")
    assert json.loads(server.raw(request)[1])["headers"] == {
        "HTTP_HOST": "x",
        "HTTP_X_KEY": "a,b",
        "HTTP_COOKIE": "a=1;b=2",
        "HTTP_X_LATIN": "\xe9",
    }


def test_bodies_of_every_size_come_whole_on_one_connection(server: Server) -> None:
    connection = server.connect()
    sizes = (0, 1, 65_535, 300_000, MEBIBYTE, PLAIN_BYTES)
    for body in [bytes(n % 251 for n in range(size)) for size in sizes]:
        expected = (len(body), hashlib.sha256(body).hexdigest())
        found = told(connection, "POST", "/told", body, Content_Type=JSON)
        assert (found["size"], found["sha256"]) == expected
        parts = [body[begin : begin + 100_000] for begin in range(0, len(body), 100_000)]
        found = told(connection, "POST", "/told", iter(parts), Content_Type=JSON)
        assert (found["size"], found["sha256"]) == expected
        assert told(connection, "GET", "/told")["size"] == 0


def test_an_upload_may_be_larger_and_what_is_too_long_is_announced_as_such_and_not_read(
    server: Server,
) -> None:
    upload = b"u" * (5 * MEBIBYTE)
    assert told(server.connect(), "POST", "/told", upload, Content_Type=UPLOAD)["size"] == len(upload)
    head = b"POST /told HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\n"
    for kind, most in ((JSON, PLAIN_BYTES), (UPLOAD, UPLOAD_BYTES)):
        begin = head % kind.encode()
        _, answer = server.raw(begin + b"Content-Length: %d\r\n\r\n" % (most + 1))
        found = json.loads(answer)
        assert (found["size"], found["headers"]["CONTENT_LENGTH"]) == (0, TOO_LONG)
        body = b"%x\r\n%s\r\n" % (most + 1, b"u" * (most + 1))
        _, answer = server.raw(begin + b"Transfer-Encoding: chunked\r\n\r\n" + body)
        found = json.loads(answer)
        assert (found["size"], found["headers"]["CONTENT_LENGTH"]) == (0, TOO_LONG)


def test_as_much_is_read_as_the_product_takes_and_a_byte_more(app: Flask) -> None:
    assert PLAIN_BYTES == LARGEST_BODY + 1
    assert app.config["MAX_CONTENT_LENGTH"] + 1 == UPLOAD_BYTES


def test_a_body_that_is_cut_short_never_gets_to_the_application(server: Server) -> None:
    before = server.counts()["calls"]
    head = b"POST /told HTTP/1.1\r\nHost: x\r\n"
    for begun in (b"Content-Length: 10\r\n\r\nabc", b"Transfer-Encoding: chunked\r\n\r\n5\r\nab"):
        with server.send(head + begun) as connection:
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(100)[:12] in (b"", b"HTTP/1.1 400")
    assert server.counts()["calls"] == before + 1


def test_senders_that_stall_hold_no_thread(server: Server) -> None:
    half = b"POST /told HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nabc"
    stalled = [server.send(half) for _ in range(8)]
    assert told(server.connect(), "POST", "/told", b"abcdef")["size"] == 6
    for connection in stalled:
        connection.sendall(b"def")
        status, answer = read(connection)
        assert (status, json.loads(answer)["size"]) == (200, 6)
        connection.close()


def test_requests_that_come_at_once_are_answered_in_their_order(server: Server) -> None:
    with server.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % n for n in range(5))) as connection:
        file = connection.makefile("rb")
        paths = []
        for _ in range(5):
            while not (line := file.readline()).lower().startswith(b"content-length"):
                pass
            while file.readline() != b"\r\n":
                pass
            paths.append(json.loads(file.read(int(line.split()[1])))["PATH_INFO"])
    assert paths == ["/0", "/1", "/2", "/3", "/4"]


def test_an_answer_of_one_chunk_has_a_length_and_all_its_headers(server: Server) -> None:
    connection = server.connect()
    connection.request("GET", "/lazy")
    answer = connection.getresponse()
    assert (answer.getheader("Content-Length"), answer.headers.get_all("X-One")) == ("9", ["1", "2"])
    assert answer.read() == b"one chunk"
    connection.request("HEAD", "/lazy")
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (200, b"")


def test_readers_that_stall_hold_no_thread_and_get_all_in_the_end(server: Server) -> None:
    chunks = 300
    request = b"GET /long/%d HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % chunks
    stalled = [server.send(request) for _ in range(6)]
    server.wait_for(lambda: server.counts()["calls"] > 6)
    assert told(server.connect(), "GET", "/told")["size"] == 0
    assert server.counts()["closed"] == 0
    for connection in stalled:
        assert read(connection) == (200, CHUNK * chunks)
        connection.close()
    server.wait_for(lambda: server.counts()["closed"] == 6)
    assert server.counts()["chunks"] == 6 * chunks


def test_when_the_reader_goes_a_long_answer_is_closed_on_the_way(server: Server) -> None:
    chunks = 100_000
    with server.send(b"GET /long/%d HTTP/1.1\r\nHost: x\r\n\r\n" % chunks) as connection:
        connection.recv(1_000)
    server.wait_for(lambda: server.counts()["closed"] == 1)
    assert server.counts()["chunks"] < chunks


def test_an_application_that_breaks_is_a_500_and_logged_and_the_next_request_is_served(
    server: Server,
) -> None:
    assert server.raw(b"GET /broken HTTP/1.1\r\nHost: x\r\n\r\n")[0] == 500
    assert told(server.connect(), "GET", "/told")["size"] == 0
    server.wait_for(lambda: "broken at once" in server.said())


def test_an_answer_that_breaks_on_the_way_is_closed_and_logged(server: Server) -> None:
    request = b"GET /long/5/3 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with server.send(request) as connection, pytest.raises(IncompleteRead):
        read(connection)
    server.wait_for(lambda: "broken on the way" in server.said())
    assert server.counts()["closed"] == 1


def test_a_request_that_is_being_answered_is_finished_when_the_server_stops(tmp_path: Path) -> None:
    server = Server(tmp_path, "--blocking-threads", "2", "--workers-kill-timeout", "20")
    with server.send(b"GET /hold HTTP/1.1\r\nHost: x\r\n\r\n") as connection:
        server.wait_for(server.hold.exists)
        server.child.ask_to_stop()
        server.wait_for(lambda: not _listens(server.port))
        server.hold.unlink()
        assert read(connection)[0] == 200
    server.child.wait_stopped()


def test_a_worker_that_is_killed_is_started_anew(tmp_path: Path) -> None:
    server = Server(tmp_path, "--respawn-failed-workers")
    try:
        (worker,) = psutil.Process(server.child.pid).children()
        worker.send_signal(signal.SIGKILL)
        server.wait_for(lambda: answers(f"http://127.0.0.1:{server.port}/counts"))
        assert [each.pid for each in psutil.Process(server.child.pid).children()] != [worker.pid]
    finally:
        server.stop()


def _listens(port: int) -> bool:
    return any(
        each.laddr.port == port and each.status == psutil.CONN_LISTEN
        for each in psutil.net_connections("tcp")
    )
