"""Data directories and supervisors that are gone after the test."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.embedded.accounts import Account
from tests.embedded.running import House
from tests.support.machine import free_port

Open = Callable[..., House]


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that every account may enter, with spaces in its path."""
    top = Path(tempfile.mkdtemp(prefix="otpless house "))
    top.chmod(0o755)
    yield top
    shutil.rmtree((top / "var" / "store").resolve(), ignore_errors=True)
    shutil.rmtree(top)


@pytest.fixture
def open_house(place: Path) -> Iterator[Open]:
    """`open_house(account=…)` makes a supervisor over `place/var`, to be started by the test."""
    houses = []

    def make(account: Account | None = None, port: int | None = None) -> House:
        house = House(place / "var", account, port or free_port())
        houses.append(house)
        return house

    yield make
    for house in houses:
        house.clean_up()
