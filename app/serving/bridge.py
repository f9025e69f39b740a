"""Gives Granian's requests to a WSGI application, with the path exactly as it was sent.

Granian's own WSGI interface decodes the path, so that no signature can cover how it was written. Its ASGI
protocol has the raw path. Here that protocol is driven by callbacks, without an event loop: each step runs
on one of Granian's threads, and none of them waits for the client. A request goes to the application when its
body is whole, and a long answer goes on when there is room for more (docs/adr/0010-the-path-as-sent.md).
"""

import io
import sys
from collections.abc import Callable, Iterable, Iterator
from contextvars import copy_context
from functools import partial
from itertools import chain
from tempfile import SpooledTemporaryFile
from typing import IO, Any
from urllib.parse import unquote_to_bytes

Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., None]], Iterable[bytes]]
Headers = list[tuple[bytes, bytes]]
Future = Any
# What a step waits for, and the step after it.
Wait = tuple[Future, Callable[[Future], Any]]

# What is read of a body before the application sees the request: as much as any body may have that is no
# upload, and one byte more, which tells the application that there is too much. Uploads wait in a file.
PLAIN_BYTES = (1 << 20) + 1
UPLOAD_BYTES = (16 << 20) + 1
UPLOADS = "multipart/"
# Announced for a longer body, so that whoever asks for it refuses it.
TOO_LONG = str(1 << 62)

_UNPREFIXED = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}
_KNOWN_NAMES = 1_000


class Names(dict[bytes, str]):
    """The keys of the environment for the names of headers; "" for one whose `_` would pass for a `-`."""

    def __missing__(self, name: bytes) -> str:
        text = name.decode("latin-1")
        key = "" if "_" in text else _UNPREFIXED.get(text) or "HTTP_" + text.replace("-", "_").upper()
        if len(self) < _KNOWN_NAMES:
            self[name] = key
        return key


class Bridge:
    """Answers requests with one WSGI application."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._names = Names()
        self._constant: Environ = {
            "SCRIPT_NAME": "",
            "wsgi.version": (1, 0),
            "wsgi.errors": sys.stderr,
            "wsgi.input_terminated": True,
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
        }

    def begin(self, watcher: Any) -> None:
        """Begin to answer a request. Granian calls this on one of its threads and bears no exception."""
        try:
            exchange = Exchange(self._application, self.environ_of(watcher.scope), watcher)
        except BaseException as problem:
            watcher.err(problem)
        else:
            exchange.step(exchange.begin)

    def environ_of(self, scope: dict[str, Any]) -> Environ:
        """Return the WSGI environment of an ASGI scope, without the body.

        `RAW_URI` is the path as it was sent, and with a `?` the query; for a target in absolute form without
        scheme and host, where an empty path is `/`.
        """
        raw, query = scope["raw_path"].decode("latin-1"), scope["query_string"].decode("latin-1")
        environ = self._constant.copy()
        environ["REQUEST_METHOD"] = scope["method"]
        environ["PATH_INFO"] = unquote_to_bytes(raw).decode("latin-1") if "%" in raw else raw
        environ["QUERY_STRING"] = query
        environ["RAW_URI"] = f"{raw}?{query}" if query else raw
        environ["SERVER_PROTOCOL"] = f"HTTP/{scope['http_version']}"
        environ["SERVER_NAME"], environ["SERVER_PORT"] = scope["server"]
        environ["REMOTE_ADDR"] = scope["client"][0]
        environ["wsgi.url_scheme"] = scope["scheme"]
        names, headers = self._names, scope["headers"]
        found = {names[name]: value.decode("latin-1") for name, value in headers}
        if len(found) < len(headers):
            found = self._joined(headers)
        found.pop("", None)
        environ.update(found)
        return environ

    def _joined(self, headers: Headers) -> dict[str, str]:
        """Return headers of which some have come more than once."""
        found: dict[str, str] = {}
        for name, value in headers:
            key, text = self._names[name], value.decode("latin-1")
            mark = ";" if key == "HTTP_COOKIE" else ","
            found[key] = f"{found[key]}{mark}{text}" if key in found else text
        return found


class Exchange:
    """One request and its answer. Its steps follow each other, each perhaps on another thread."""

    __slots__ = (
        *("_application", "_environ", "_watcher", "_receive", "_send", "_context"),
        *("_body", "_announced", "_most", "_answer", "_chunks", "_gone", "_status", "_headers"),
    )

    def __init__(self, application: Application, environ: Environ, watcher: Any) -> None:
        self._application, self._environ, self._watcher = application, environ, watcher
        self._receive, self._send = watcher.proto.receive, watcher.proto.send
        # One for the whole exchange: what the application keeps in context variables moves with it.
        self._context = copy_context()
        self._body: IO[bytes] | None = None
        self._answer: Iterable[bytes] = ()
        self._gone = False

    def begin(self) -> Wait | None:
        """Read the body, if there is one that can be borne, and then answer."""
        environ = self._environ
        length = environ.get("CONTENT_LENGTH", "0")
        self._announced = -1 if "HTTP_TRANSFER_ENCODING" in environ else int(length)
        is_upload = environ.get("CONTENT_TYPE", "").lower().startswith(UPLOADS)
        self._most = UPLOAD_BYTES if is_upload else PLAIN_BYTES
        if self._announced > self._most:
            return self._take_none()
        return self._take(io.BytesIO()) if self._announced == 0 else (self._receive(), self._read)

    def step(self, step: Callable[..., Wait | None], *arguments: object) -> None:
        """Take a step, and the next one when what it waits for is there.

        A step that fails is the last: it is logged, and the answer is 500 if there is none yet.
        """
        try:
            wait = self._context.run(step, *arguments)
            if wait:
                # Outside of the context: another thread may take the next step before this line is done.
                future, following = wait
                future.add_done_callback(partial(self.step, following))
        except BaseException as problem:
            try:
                self._close()
            finally:
                self._watcher.err(problem)

    def _read(self, future: Future) -> Wait | None:
        """Take the part of the body that has come; a body that is cut short never gets to the application."""
        message = future.result()
        if message["type"] != "http.request":
            self._whole(400, [], b"")
            return None
        part, more = message["body"], message["more_body"]
        if self._body is None:
            if not more or len(part) == self._announced:
                return self._take(io.BytesIO(part))
            self._body = SpooledTemporaryFile(PLAIN_BYTES)  # noqa: SIM115
        self._body.write(part)
        size = self._body.tell()
        if size > self._most:
            return self._take_none()
        if not more or size == self._announced:
            self._body.seek(0)
            return self._take(self._body)
        return self._receive(), self._read

    def _take_none(self) -> Wait | None:
        """Let the application answer a request with a body that is too long for any."""
        self._environ.pop("HTTP_TRANSFER_ENCODING", None)
        self._environ["CONTENT_LENGTH"] = TOO_LONG
        return self._take(io.BytesIO())

    def _take(self, body: IO[bytes]) -> Wait | None:
        """Let the application answer, and send the answer, or the begin of a long one."""
        self._environ["wsgi.input"] = body
        self._answer = self._application(self._environ, self._start)
        chunks = iter(self._answer)
        first, second = next(chunks, b""), next(chunks, None)
        if second is None:
            self._whole(self._status, self._headers, first)
            self._close()
            return None
        self._send({"type": "http.response.start", "status": self._status, "headers": self._headers})
        self._chunks: Iterator[bytes] = chain((first, second), chunks)
        self._watch()
        return self._send_on()

    def _start(self, status: str, headers: list[tuple[str, str]], _: object = None) -> None:
        self._status = int(status[:3])
        self._headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]

    def _whole(self, status: int, headers: Headers, body: bytes) -> None:
        self._send({"type": "http.response.start", "status": status, "headers": headers})
        self._send({"type": "http.response.body", "body": body})

    def _send_on(self, _: Future = None) -> Wait | None:
        """Send chunks until one has to wait for the client, who may be gone."""
        for chunk in self._chunks:
            if self._gone:
                break
            waiting = self._send({"type": "http.response.body", "body": chunk, "more_body": True})
            if hasattr(waiting, "add_done_callback"):
                return waiting, self._send_on
        else:
            self._send({"type": "http.response.body", "body": b""})
        self._close()
        return None

    def _watch(self, seen: Future = None) -> None:
        """Notice when the client goes; what is left of the body comes before and is dropped."""
        if seen is None or seen.result()["type"] == "http.request":
            self._receive().add_done_callback(self._watch)
        else:
            self._gone = True

    def _close(self) -> None:
        answer, self._answer = self._answer, ()
        if hasattr(answer, "close"):
            answer.close()
        if self._body:
            self._body.close()
