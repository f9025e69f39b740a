"""A sandbox gateway for the whole session, as a real process, and what receives its webhooks."""

from collections.abc import Iterator
from dataclasses import asdict

import pytest

from app.gateways.sandbox_server.checkouts import Controls
from tests.support.sandbox import Receiver, SandboxProcess, running_receiver, running_sandbox


@pytest.fixture(scope="session")
def receiver_process() -> Iterator[Receiver]:
    with running_receiver() as receiver:
        yield receiver


@pytest.fixture(scope="session")
def sandbox_process(receiver_process, tmp_path_factory) -> Iterator[SandboxProcess]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox"), receiver_process.url) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(sandbox_process) -> SandboxProcess:
    sandbox_process.control(**{**asdict(Controls()), "delay_seconds": 0.3})
    return sandbox_process


@pytest.fixture
def receiver(receiver_process) -> Receiver:
    receiver_process.received.clear()
    receiver_process.answer = 200
    return receiver_process
