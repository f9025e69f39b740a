"""What every test can ask for. The fixtures live in `tests/support/`, one concern per module.

* `app`, `client`, `session`    the application in a transaction that is rolled back after the test
* `query_counter`               `with query_counter() as queries:` records the statements
* `settings`, `redis`           this worker's settings, its empty Redis database
* `own_database`                a database of its own, for real workers, web servers and crashes
* `live_server`, `page`         a running web server and Debian's Chromium
* `sandbox`, `receiver`         the sandbox gateway as a process, and what takes its webhooks
"""

import socket
from typing import Any

import hypothesis
import pytest

pytest_plugins = (
    "tests.support.stores",
    "tests.support.application",
    "tests.support.own",
    "tests.support.browser",
    "tests.support.gateways",
)

hypothesis.settings.register_profile("product", deadline=None, print_blob=True)
hypothesis.settings.load_profile("product")

_connect = socket.socket.connect


def _connect_here_only(self: socket.socket, address: Any) -> None:
    if self.family in {socket.AF_INET, socket.AF_INET6} and address[0] not in {
        "127.0.0.1",
        "::1",
        "localhost",
    }:
        raise AssertionError(f"A test wanted to reach {address[0]}: tests stay on this machine.")
    _connect(self, address)


@pytest.fixture(autouse=True)
def stay_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse every connection that leaves the machine."""
    monkeypatch.setattr(socket.socket, "connect", _connect_here_only)
