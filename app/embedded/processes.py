"""One child process: started in a session of its own, logged to a file, ended with everything it started."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from app.embedded.accounts import Account

PR_SET_PDEATHSIG = 1
POLL_SECONDS = 0.02
FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 10.0
HEALTHY_AFTER_SECONDS = 30.0

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def spawn(
    command: Sequence[str],
    *,
    log: Path,
    env: Mapping[str, str],
    cwd: Path,
    account: Account | None = None,
    death_signal: signal.Signals = signal.SIGTERM,
) -> subprocess.Popen[bytes]:
    """Start `command` in a new session, its output appended to `log`, running as `account`.

    On Linux the kernel sends `death_signal` to it when this process dies, however it dies: a `kill -9` of the
    supervisor leaves no orphan.

    Raises:
        OSError: the program cannot be executed or the log cannot be written.
    """
    parent = os.getpid()

    def follow_parent() -> None:
        if _libc is None:
            return
        _libc.prctl(PR_SET_PDEATHSIG, int(death_signal))
        if os.getppid() != parent:  # it died between the fork and the line above
            os._exit(1)

    with log.open("ab") as output:
        return subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(env),
            cwd=cwd,
            start_new_session=True,
            # Safe while no other thread holds a lock: those who call this have one thread, or are tests.
            preexec_fn=follow_parent,  # noqa: PLW1509
            **({} if account is None else account.as_popen_arguments()),
        )


def is_running(pid: int) -> bool:
    """True when `pid` is a process that still runs; a zombie does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def session_members(session: int) -> list[int]:
    """Return the running processes of a session: the child itself and whatever it left behind."""
    members = []
    for pid in psutil.pids():
        try:
            if os.getsid(pid) == session and is_running(pid):
                members.append(pid)
        except (ProcessLookupError, PermissionError):
            continue
    return members


def kill_all(pids: Sequence[int]) -> None:
    """Kill these processes and wait until they are gone; one that is gone already is fine."""
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    wait_until(lambda: not any(is_running(pid) for pid in pids), patience_seconds=5)


def wait_until(happened: Callable[[], bool], *, patience_seconds: float) -> bool:
    """Ask `happened` again and again until it says yes; False when the patience ran out."""
    deadline = time.monotonic() + patience_seconds
    while not happened():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def last_lines(log: Path, count: int = 5, *, since: int = 0) -> str:
    """Return the end of a log, for an error message, of what was written after the byte `since`."""
    try:
        written = log.read_bytes()[since:]
    except OSError:
        return ""
    return "\n".join(written.decode("utf-8", errors="replace").strip().splitlines()[-count:])


def _nothing() -> None:
    return None


def _always() -> bool:
    return True


def _never() -> bool:
    return False


@dataclass
class Child:
    """A process that is kept running: what it is, and how it has fared.

    `prepare` runs before every start and `ready` tells when the process can be used. The pause before a
    restart doubles with every death, from a quarter of a second to ten, and starts anew after thirty healthy
    seconds.
    """

    name: str
    command: tuple[str, ...]
    log: Path
    env: Mapping[str, str]
    cwd: Path = Path("/")
    account: Account | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    patience_seconds: float = 10.0
    prepare: Callable[[], None] = _nothing
    ready: Callable[[], bool] = _always
    deaths: int = 0
    restart_at: float = field(default=0.0, repr=False)
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _started_at: float = field(default=0.0, repr=False)
    _log_began_at: int = field(default=0, repr=False)

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Prepare and start the process.

        Raises:
            CannotStart: by `prepare`.
            OSError: the program cannot be executed.
        """
        self.prepare()
        self._log_began_at = self.log.stat().st_size if self.log.exists() else 0
        self._process = spawn(
            self.command,
            log=self.log,
            env=self.env,
            cwd=self.cwd,
            account=self.account,
            death_signal=self.stop_signal,
        )
        self._started_at = time.monotonic()

    def last_words(self, count: int) -> str:
        """Return the end of the log, as far as it was written since the last start."""
        return last_lines(self.log, count, since=self._log_began_at)

    def reap(self) -> int | None:
        """Return the exit status of a process that has just died, None otherwise; what it left is ended."""
        if self._process is None or (status := self._process.poll()) is None:
            return None
        kill_all(session_members(self._process.pid))
        self._process = None
        self.plan_restart(healthy=time.monotonic() - self._started_at > HEALTHY_AFTER_SECONDS)
        return status

    def plan_restart(self, *, healthy: bool = False) -> None:
        """Count a death and set the time of the next start."""
        self.deaths = 1 if healthy else self.deaths + 1
        self.restart_at = time.monotonic() + self.pause_seconds

    @property
    def pause_seconds(self) -> float:
        """How long to wait before the next start."""
        return float(min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** (self.deaths - 1)))

    @property
    def due(self) -> bool:
        """True when it is down and its pause is over."""
        return self._process is None and time.monotonic() >= self.restart_at

    def ask_to_stop(self) -> None:
        """Send the stop signal; returns at once."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(self.stop_signal)

    def wait_stopped(self, hurry: Callable[[], bool] = _never) -> None:
        """Wait for the end; kill the whole session when the patience is over or `hurry` says so."""
        if self._process is None:
            return
        process, self._process = self._process, None
        wait_until(lambda: process.poll() is not None or hurry(), patience_seconds=self.patience_seconds)
        kill_all(session_members(process.pid))
        process.wait()
