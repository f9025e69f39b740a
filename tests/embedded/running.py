"""Start the supervisor as a process of its own, ask what runs, and stop it."""

import json
import os
import pwd
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import psutil
import pytest

from app.embedded.accounts import Account
from app.embedded.processes import wait_until
from tests.support.machine import ROOT

PATIENCE_SECONDS = 60


@dataclass
class House:
    """A supervisor over `data`, run as `account` (ourselves without one)."""

    data: Path
    account: Account | None = None
    port: int = 0
    _process: subprocess.Popen[str] | None = None

    def begin(self) -> None:
        """Start the supervisor and return at once."""
        environment = {k: v for k, v in os.environ.items() if k not in {"DATABASE_URL", "REDIS_URL", "DATA"}}
        python, extra = interpreter_for(self.account)
        command = (python, "-m", "tests.embedded.toy", "house")
        options = ("--port", str(self.port), "--data", str(self.data))
        self._process = subprocess.Popen(
            command + options,
            cwd=ROOT,
            env={**environment, **extra},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            **(self.account.as_popen_arguments() if self.account else {}),
        )

    def start(self) -> dict[str, Any]:
        """Start the supervisor, wait until it serves, and return what its web server says."""
        self.begin()
        return self.wait_for(lambda said: bool(said) and (self.data / "horse.pid").exists())

    def ask(self) -> dict[str, Any]:
        """Return what the web server says, {} while it does not answer."""
        try:
            with urlopen(f"http://127.0.0.1:{self.port}/", timeout=2) as response:
                return dict(json.load(response))
        except (URLError, OSError):
            return {}

    def wait_for(self, expected: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until the web server says what is expected, and until the supervisor has announced itself."""
        assert self._process is not None
        process = self._process

        def settled() -> bool:
            return process.poll() is not None or (expected(self.ask()) and self.services.exists())

        assert wait_until(settled, patience_seconds=PATIENCE_SECONDS)
        assert process.poll() is None, self.end()
        return self.ask()

    @property
    def services(self) -> Path:
        """The announcement of the running supervisor."""
        return self.data / "services.json"

    @property
    def pid(self) -> int:
        """The supervisor's process id."""
        assert self._process is not None
        return self._process.pid

    def end(self) -> tuple[int, str, str]:
        """Wait until the supervisor has ended; return its exit status, what it said, and its complaint."""
        assert self._process is not None
        said, complaint = self._process.communicate(timeout=PATIENCE_SECONDS)
        status, self._process = self._process.returncode, None
        return status, said, complaint

    def stop(self, number: signal.Signals = signal.SIGINT) -> tuple[int, str, str]:
        """Send the signal, by default that of Ctrl-C, and wait for the end."""
        os.kill(self.pid, number)
        return self.end()

    def clean_up(self) -> None:
        """End whatever a failed test left."""
        if self._process is not None:
            self.stop(signal.SIGTERM)

    def processes(self) -> dict[int, str]:
        """Return every running process that belongs to this house, by id, with its command line."""
        found = {}
        for process in psutil.process_iter():
            try:
                if process.status() != psutil.STATUS_ZOMBIE and self._owns(process):
                    found[process.pid] = " ".join(process.cmdline())
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return found

    def find(self, words: str) -> set[int]:
        """Return the processes whose command line has these words."""
        return {pid for pid, command in self.processes().items() if words in command}

    def _owns(self, process: psutil.Process) -> bool:
        place = str((self.data / "store").resolve() if (self.data / "store").is_symlink() else self.data)
        return (
            process.environ().get("DATA_DIR") == str(self.data)
            or process.cwd() in {f"{place}/pg", f"{place}/redis"}
            or str(self.data) in process.cmdline()
        )


def interpreter_for(account: Account | None) -> tuple[str, dict[str, str]]:
    """Return a Python that the account can run with our packages, and the environment that it needs.

    An environment in root's home is out of a plain user's reach; the system's Python may read its packages.
    Where neither works (the whole checkout lies in root's home) the test is skipped.
    """
    if account is None:
        return sys.executable, {}
    home = {"HOME": "/tmp", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": sysconfig.get_path("purelib")}
    attempt = 'cd "$1" && PYTHONPATH="$2" PYTHONDONTWRITEBYTECODE=1 "$3" -c "import app.embedded.supervisor"'
    for python in (sys.executable, "/usr/bin/python3.11"):
        if account.can_run("/bin/sh", "-c", attempt, "sh", str(ROOT), home["PYTHONPATH"], python):
            return python, home
    pytest.skip(f"{account.name} can run no Python 3.11 with this checkout and its packages")


def plain_account() -> Account:
    """Return a user who is not root and not the one that root's data stores run as."""
    entry = pwd.getpwnam("nobody")
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
