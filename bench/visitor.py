"""Somebody who asks the web server, one request after the other."""

import http.client
import re
import time
from urllib.parse import urlencode

# The server closes a connection over which nothing has come for a while.
IDLE_SECONDS = 5.0


class Visitor:
    """Asks one connection, with the headers of a key or the cookies of a person."""

    def __init__(self, port: int, secret: str = "") -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._asked = time.monotonic()
        self._headers = {"Authorization": f"Bearer {secret}"} if secret else {}

    def get(self, path: str) -> bytes:
        """Return the body of an answer that must be 200."""
        return self._ask("GET", path, None, {200})

    def sign_in(self, user: str) -> None:
        """Sign a person in by the sign-in page."""
        page = self.get("/sign-in").decode()
        found = re.search(r'name="csrf_token" value="([^"]+)"', page)
        form = urlencode({"csrf_token": found[1] if found else "", "user": user})
        self._ask("POST", "/sign-in", form, {303})

    def _ask(self, method: str, path: str, body: str | None, good: set[int]) -> bytes:
        more = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
        if time.monotonic() - self._asked > IDLE_SECONDS:
            self._connection.close()
        self._connection.request(method, path, body, {**self._headers, **more})
        answer = self._connection.getresponse()
        text = answer.read()
        self._asked = time.monotonic()
        if answer.status not in good:
            raise RuntimeError(f"{method} {path}: {answer.status} {text[:300]!r}")
        if cookie := answer.getheader("Set-Cookie"):
            self._headers["Cookie"] = cookie.partition(";")[0]
        return text
