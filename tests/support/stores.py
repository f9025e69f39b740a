"""A real PostgreSQL and a real Redis for the whole session, and a database made by the migrations for each
worker.

The servers are embedded ones unless DATABASE_URL (with OWNER_DATABASE_URL) and REDIS_URL name others. The
tests sign in as the runtime role, which owns nothing; the owner makes their databases. With xdist the
controller starts them before its workers. The schema is made once, in a template that each worker and each
test with processes of its own clones.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import astuple, dataclass, replace
from pathlib import Path

import flask_migrate
import psycopg
import pytest
from psycopg import sql
from redis import Redis

from app.config import Settings
from app.db import db
from app.embedded.postgres import OWNER, RUNTIME, SUPERUSER, Postgres
from app.embedded.processes import wait_until
from app.embedded.stores import Stores, open_stores
from app.factory import create_app

ANNOUNCED = "OTPLESS_TEST_STORES"
TEMPLATE_LOCK = 7_310_042
VACUUM_SECONDS = 60
PATIENT = "socket_timeout=10&socket_connect_timeout=10"
_opened = ExitStack()


@dataclass(frozen=True, slots=True)
class Servers:
    """The addresses of both servers; `prefix` begins the name of every database that this session makes. On a
    server that was there before us we are no superuser."""

    database_url: str
    owner_url: str
    superuser_url: str
    redis_url: str
    prefix: str

    @property
    def template(self) -> str:
        """The name of the database that the migrations made."""
        return f"{self.prefix}_template"

    def at(self, database: str) -> dict[str, str]:
        """Return the settings that name another database on the same server, for both roles."""
        return {
            "database_url": _another(self.database_url, database),
            "owner_database_url": _another(self.owner_url, database),
        }

    def redis_url_of(self, number: int) -> str:
        """Return the address of Redis database `number`, which is waited for longer than a page would: on a
        machine full of tests, what was to be kept would be asked of the database again."""
        if self.redis_url.startswith("unix:"):
            return f"{self.redis_url.partition('?')[0]}?db={number}&{PATIENT}"
        return f"{self.redis_url.rstrip('/').removesuffix('/0')}/{number}?{PATIENT}"

    def superuser_at(self, database: str) -> str:
        """Return a superuser's address of another database on the same server, empty where we have none."""
        return _another(self.superuser_url, database) if self.superuser_url else ""

    @contextmanager
    def administer(self) -> Iterator[psycopg.Connection]:
        """Yield a connection that can create and drop databases."""
        with psycopg.connect(self.owner_url, autocommit=True) as connection:
            yield connection

    def clone(self, name: str) -> dict[str, str]:
        """Create a database from the template, in the place of an older one of that name, and return the
        settings that name it.
        """
        self.make_template_once()
        self.drop(name)
        with self.administer() as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                    sql.Identifier(name), sql.Identifier(self.template)
                )
            )
        return self.at(name)

    def drop(self, name: str) -> None:
        """Drop a database, whoever is connected; a vacuum in it, which we may not end, is waited for."""

        def dropped() -> bool:
            try:
                connection.execute(
                    sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
                )
            except psycopg.errors.InsufficientPrivilege:
                return False
            return True

        with self.administer() as connection:
            if not wait_until(dropped, patience_seconds=VACUUM_SECONDS):
                pytest.fail(f"The database {name} could not be dropped within {VACUUM_SECONDS} s.")

    def make_template_once(self) -> None:
        """Migrate an empty database up to the newest revision, in whichever worker comes first."""
        half_made = f"{self.prefix}_migrating"
        with self.administer() as connection:
            connection.execute("SELECT pg_advisory_lock(%s)", [TEMPLATE_LOCK])
            if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [self.template]).fetchone():
                return
            self.drop(half_made)
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(half_made))
            )
            migrate(replace(settings_for_tests(), **self.at(half_made), redis_url=self.redis_url))
            connection.execute(
                sql.SQL("ALTER DATABASE {} RENAME TO {}").format(
                    sql.Identifier(half_made), sql.Identifier(self.template)
                )
            )

    def drop_all(self) -> None:
        """Drop every database that this session made."""
        with self.administer() as connection:
            names = connection.execute(
                "SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [self.prefix]
            )
            for (name,) in names.fetchall():
                self.drop(name)


def _another(url: str, database: str) -> str:
    address, _, options = url.partition("?")
    return f"{address.rpartition('/')[0]}/{database}" + (f"?{options}" if options else "")


def settings_for_tests() -> Settings:
    """Return settings for tests, without addresses."""
    return Settings(
        environment="test",
        secret_key="a secret for tests only, 32 characters",
        public_url="http://localhost",
        development_sign_in=True,
        log_level="WARNING",
        database_pool_size=4,
    )


def migrate(settings: Settings) -> None:
    """Run all migrations on the database of `settings`."""
    application = create_app(settings)
    with application.app_context():
        flask_migrate.upgrade()
        db.session.remove()
        db.engine.dispose()


def start_servers() -> Servers:
    """Start what is needed and tell the workers, which inherit our environment."""
    data = Path(tempfile.mkdtemp(prefix="otpless-tests-"))
    _opened.callback(_remove, data)
    data.chmod(0o711)
    stores = _opened.enter_context(open_stores(data, os.environ, durable=False))
    stores.start()
    power = stores.postgres.url(user=SUPERUSER) if stores.postgres else ""
    prefix = f"otpless_test_{os.getpid()}"
    servers = Servers(stores.database_url, stores.owner_url, power, stores.redis_url, prefix)
    if stores.postgres is None:
        _opened.callback(servers.drop_all)
    else:
        _give_tests_power(stores.postgres)
    os.environ[ANNOUNCED] = json.dumps(astuple(servers))
    return servers


def _give_tests_power(server: Postgres) -> None:
    """Allow the runtime role `SET ROLE` to the owner, whose rights it does not have until it says so, for the
    tests that tamper; and the owner to end connections, for those that cut them and to drop databases."""
    with psycopg.connect(server.url("postgres", SUPERUSER), autocommit=True) as connection:
        connection.execute(f"GRANT {OWNER} TO {RUNTIME}")
        connection.execute(f"GRANT pg_signal_backend TO {OWNER}")


def _remove(data: Path) -> None:
    shutil.rmtree((data / "store").resolve(), ignore_errors=True)
    shutil.rmtree(data, ignore_errors=True)


def pytest_configure(config: pytest.Config) -> None:
    """Start the servers in the controller of a parallel run; a single process starts them when a test needs
    them.
    """
    if hasattr(config, "workerinput"):
        return
    os.environ.pop(ANNOUNCED, None)
    if config.getoption("numprocesses", None) and not config.option.collectonly:
        start_servers()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop what this process started."""
    _opened.close()


@pytest.fixture(scope="session")
def servers() -> Servers:
    """The running PostgreSQL and Redis."""
    announced = os.environ.get(ANNOUNCED)
    return Servers(*json.loads(announced)) if announced else start_servers()


@pytest.fixture(scope="session")
def worker_number(worker_id: str) -> int:
    """This xdist worker's number, 0 without xdist."""
    return int(worker_id.removeprefix("gw")) if worker_id.startswith("gw") else 0


@pytest.fixture(scope="session")
def settings(servers: Servers, worker_number: int, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The settings of this worker: its own database and its own Redis database."""
    return replace(
        settings_for_tests(),
        **servers.clone(f"{servers.prefix}_{worker_number}"),
        redis_url=servers.redis_url_of(1 + 2 * worker_number),
        data_dir=tmp_path_factory.mktemp("data"),
    )


@pytest.fixture
def redis(settings: Settings) -> Iterator[Redis]:
    """This worker's Redis database, empty."""
    with Redis.from_url(settings.redis_url) as connection:
        connection.flushdb()
        yield connection


@pytest.fixture
def own_redis() -> Iterator[Stores]:
    """A Redis of this test alone, running: it may be killed."""
    with tempfile.TemporaryDirectory(prefix="otpless-limits-") as folder:
        Path(folder).chmod(0o711)
        with open_stores(Path(folder), {"DATABASE_URL": "postgresql:///not-used"}, durable=False) as stores:
            stores.start()
            yield stores
