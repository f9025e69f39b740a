"""Where the product can listen, and what is said where it cannot."""

import errno
import os

import pytest

from app.embedded import options
from app.embedded.accounts import CannotStart
from app.embedded.options import parse
from tests.support.machine import free_port


def refusal(*arguments: str) -> str:
    with pytest.raises(CannotStart) as refused:
        parse(list(arguments))
    return str(refused.value)


@pytest.mark.parametrize("port", ["0", "-1", "65536", "70000"])
def test_a_number_that_is_no_port_is_named(port: str) -> None:
    assert refusal("--port", port) == f"{port} is no port: choose one up to 65535, such as PORT=8000."


def test_a_host_that_is_not_this_machines_is_not_taken_for_a_port_in_use() -> None:
    said = refusal("--host", "192.0.2.1", "--port", str(free_port()))
    assert said == (
        f"192.0.2.1 is no address of this machine ({os.strerror(errno.EADDRNOTAVAIL)}): "
        "choose HOST=127.0.0.1, or HOST=0.0.0.0 for all of them."
    )


def test_a_port_kept_for_root_is_not_taken_for_one_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options, "_why_not_free", lambda _host, _port: PermissionError(errno.EACCES, "no"))
    assert refusal("--port", "80") == "Port 80 is kept for root: choose one from 1024 on, such as PORT=8000."


def test_the_last_port_of_all_can_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options, "_why_not_free", lambda _host, _port: None)
    assert parse(["--port", "65535"]).port == 65535
    monkeypatch.setattr(options, "_why_not_free", lambda _host, _port: OSError(errno.EADDRINUSE, ""))
    assert refusal("--port", "65535").endswith("choose another with PORT=8000.")


def test_an_address_of_ipv6_stands_in_brackets_in_what_people_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options, "_why_not_free", lambda _host, _port: None)
    shown = parse(["--host", "::1", "--port", "8000"])
    assert (shown.public_url, shown.local_host) == ("http://[::1]:8000", "::1")
