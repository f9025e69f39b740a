"""A place to run in that is gone after the test."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that the account of the data stores may enter."""
    top = Path(tempfile.mkdtemp(prefix="otpless-fire-"))
    top.chmod(0o755)
    yield top
    shutil.rmtree((top / "var" / "store").resolve(), ignore_errors=True)
    shutil.rmtree(top)
