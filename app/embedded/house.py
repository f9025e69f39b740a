"""The data directory of one `make run`: its lock, its secret, and the file that tells others where everything
listens.
"""

import errno
import fcntl
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.embedded.accounts import CannotStart

SMALLEST_FREE_BYTES = 300 * 1024 * 1024
SERVICES = "services.json"
_SETTING = re.compile(r"^#?([A-Z][A-Z0-9_]*)=", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class House:
    """A data directory that this process alone uses."""

    data: Path

    @property
    def logs(self) -> Path:
        """Where every child writes its log."""
        return self.data / "logs"

    @property
    def services(self) -> Path:
        """The file that names the addresses of what runs; it exists while it runs."""
        return self.data / SERVICES

    @property
    def seeded(self) -> Path:
        """The mark that the demo data was loaded completely."""
        return self.data / "seeded"

    def secret_key(self) -> str:
        """Return the secret that signs sessions: made on the first start, readable by its owner only."""
        path = self.data / "secret.key"
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return path.read_text("ascii").strip()
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32) + "\n")
        return path.read_text("ascii").strip()

    def announce(self, environment: Mapping[str, str]) -> None:
        """Write `services.json`: the settings that a command started beside us needs, and our process id."""
        half = self.services.with_suffix(".new")
        descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump({"pid": os.getpid(), **environment}, file, indent=2)
        half.rename(self.services)

    def withdraw(self) -> None:
        """Remove `services.json`."""
        self.services.unlink(missing_ok=True)


@contextmanager
def open_house(data: Path, *, needed_bytes: int = SMALLEST_FREE_BYTES) -> Iterator[House]:
    """Make the data directory where it is missing, take it for this process, and let it go at the end.

    Raises:
        CannotStart: it cannot be written, its disk is full, or another supervisor uses it.
    """
    try:
        for directory in (data, data / "logs", data / "files", data / "mail"):
            directory.mkdir(parents=True, exist_ok=True)
        lock = (data / "supervisor.lock").open("a+")
    except OSError as error:
        raise CannotStart(why_not_writable(error, data)) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CannotStart(_who_has(data)) from None
        if (free := shutil.disk_usage(data).free) < needed_bytes:
            raise CannotStart(
                f"The disk is full: {data} has {free // 1024**2} MB left and {needed_bytes // 1024**2} MB "
                "are needed. Free some space, or choose another directory with DATA=…"
            )
        _forget_earlier_run(data)
        yield House(data)


def why_not_writable(error: OSError, data: Path) -> str:
    """Return one line for an error of the file system."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return f"The disk is full: {error.filename or data} cannot be written. Free some space."
    return f"{error.filename or data} cannot be used ({error.strerror}): choose another directory with DATA=…"


def names_of_settings(example: Path) -> list[str]:
    """Return the settings that `.env.example` has a line for."""
    return _SETTING.findall(example.read_text("utf-8"))


def _who_has(data: Path) -> str:
    try:
        found = json.loads((data / SERVICES).read_text("utf-8"))
        at = f" (process {found['pid']}, {found.get('PUBLIC_URL', 'starting')})"
    except (OSError, ValueError, KeyError):
        at = ""
    return f"Another `make run` uses {data}{at}: stop it, or choose another directory with DATA=…"


def _forget_earlier_run(data: Path) -> None:
    """Remove what a supervisor that was killed left behind: its socket directory and its announcement."""
    try:
        sockets = Path(json.loads((data / SERVICES).read_text("utf-8"))["sockets"])
    except (OSError, ValueError, KeyError):
        return
    if sockets.name.startswith("otpless-"):
        shutil.rmtree(sockets, ignore_errors=True)
    (data / SERVICES).unlink(missing_ok=True)
