"""A sandbox gateway as a real process, and a receiver that keeps every webhook it posts."""

import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Condition, Thread
from typing import Any

import requests
from flask import Flask, request
from werkzeug.serving import make_server

from app.gateways.sandbox import sandbox_keys

SECRET_KEY = "a secret key of the tests, long enough"
START_SECONDS = 20
DEADLINE_SECONDS = 20
ROOT = Path(__file__).parents[2]


@dataclass
class Receiver:
    """The app's side of the webhooks: answers what it is told to and keeps (gateway, body, headers)."""

    answer: int = 200
    received: list[tuple[str, bytes, dict[str, str]]] = field(default_factory=list)
    changed: Condition = field(default_factory=Condition)
    url: str = ""

    def wait_for(self, count: int, about: object) -> list[tuple[str, bytes, dict[str, str]]]:
        """Return the messages that name `about` once there are `count`; other tests' may still trickle in."""
        wanted = str(about).encode()

        def found() -> list[tuple[str, bytes, dict[str, str]]]:
            return [message for message in self.received if wanted in message[1]]

        with self.changed:
            assert self.changed.wait_for(lambda: len(found()) >= count, DEADLINE_SECONDS), found()
            return found()

    def take(self, gateway: str) -> tuple[str, int]:
        """Keep one message."""
        with self.changed:
            self.received.append((gateway, request.get_data(), dict(request.headers)))
            self.changed.notify_all()
        return "", self.answer


@contextmanager
def running_receiver() -> Iterator[Receiver]:
    """Serve a receiver on a free port."""
    receiver, app = Receiver(), Flask(__name__)
    app.add_url_rule("/webhooks/<gateway>", view_func=receiver.take, methods=["POST"])
    server = make_server("127.0.0.1", 0, app, threaded=True)
    receiver.url = f"http://127.0.0.1:{server.port}"
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class SandboxProcess:
    """A running sandbox server."""

    url: str
    secret_key: str = SECRET_KEY

    def control(self, **controls: Any) -> None:
        """Switch faults on or off."""
        answer = requests.post(
            f"{self.url}/sandbox/controls", json=controls, headers=self._authorization(), timeout=5
        )
        answer.raise_for_status()

    def finish_refunds(self, *, failed: bool = False) -> None:
        """Let the refunds that are pending succeed, or fail."""
        answer = requests.post(
            f"{self.url}/sandbox/refunds", json={"failed": failed}, headers=self._authorization(), timeout=5
        )
        answer.raise_for_status()

    def deliveries(self) -> list[dict[str, Any]]:
        """Return every webhook with its outcome."""
        answer = requests.get(f"{self.url}/sandbox/deliveries", headers=self._authorization(), timeout=5)
        found: list[dict[str, Any]] = answer.json()["deliveries"]
        return found

    def press(self, checkout_url: str, button: str) -> requests.Response:
        """Press a button on the hosted page, as a browser would; the redirect is returned, not followed."""
        return requests.post(checkout_url, data={"action": button}, allow_redirects=False, timeout=5)

    def _authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {sandbox_keys(SECRET_KEY).stripe_secret_key}"}


@contextmanager
def running_sandbox(data_dir: Path, webhook_url: str) -> Iterator[SandboxProcess]:
    """Start `python -m app.gateways.sandbox_server` on a free port and stop it afterwards."""
    command = [sys.executable, "-m", "app.gateways.sandbox_server", "--port", "0"]
    command += ["--webhook-url", webhook_url, "--data", str(data_dir), "--delay-seconds", "0.3"]
    process = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, "SECRET_KEY": SECRET_KEY}, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        assert select.select([process.stdout], [], [], START_SECONDS)[0], "the sandbox did not start"
        yield SandboxProcess(url=process.stdout.readline().split()[-1])
    finally:
        process.terminate()
        process.wait(timeout=10)
        process.stdout.close()
    assert process.returncode == 0
