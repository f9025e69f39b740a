"""`flask archive`: months into files and back, told in a few lines."""

from collections.abc import Callable, Iterator

import pytest
from click.testing import Result
from flask import current_app

from app import clock
from app.config import Settings
from tests.services.archived import LATER, Shop, events, open_shop, rows_of, statuses
from tests.support.own import OwnDatabase

Run = Callable[..., Result]
KEY = "archives/usage-events/2025-03-1.csv.gz"


@pytest.fixture
def shop(own_database: OwnDatabase, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.setattr(clock, "now", lambda: LATER)
    with open_shop(own_database) as shop:
        yield shop


def run(*arguments: str, expect: int = 0) -> list[str]:
    """Run a command and return its lines, each without the space around it."""
    result = current_app.test_cli_runner().invoke(args=["archive", *arguments])
    assert result.exit_code == expect, (result.output, result.exception)
    told = result.stdout if expect == 0 else result.output
    return [line.strip() for line in told.splitlines() if line.strip()]


def test_old_months_go_into_files_and_come_back(shop: Shop) -> None:
    before = events()
    assert run("run", "--before", "2025-04") == ["archived  1", "restored  0", "failed    0"]
    (row,) = rows_of()
    assert run("list") == [
        f"2025-03  1  archived              7 events   {row.size} bytes  {row.sha256.hex()[:16]}  {KEY}"
    ]
    assert run("verify") == ["1 files are whole."]
    assert run("restore", "2025-03", "--days", "7") == ["archived  0", "restored  1", "failed    0"]
    assert events() == before
    assert (rows_of()[0].keep_until - LATER).days == 7


def test_a_dry_run_tells_what_goes_and_what_stays_and_changes_nothing(
    shop: Shop, own_database: OwnDatabase
) -> None:
    run("run", "--month", "2025-03")
    run("restore", "2025-03")
    told = run("run", "--dry-run")
    assert [line.partition(": ")[2] for line in told] == [
        "stays: It was restored and stays until 2028-07-10.",
        "would be archived",
    ]
    assert [line.partition(": ")[2] for line in run("run", "--dry-run", "--month", "2025-03")] == [
        "would be archived"
    ]
    assert (statuses("2025-03"), statuses("2025-04")) == (["restored"], [])


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("run", "--month", "2028-06"), "Error: There are no events of 2028-06."),
        (("run", "--before", "soon"), "Error: Write a month as a year and a month: 2026-10."),
        (("restore", "2025-03"), "Error: No events of 2025-03 are archived."),
    ],
)
def test_what_cannot_be_done_is_told_in_a_sentence(
    shop: Shop, arguments: tuple[str, ...], error: str
) -> None:
    assert run(*arguments, expect=1)[-1] == error
    assert rows_of() == []


def test_a_damaged_file_is_named(shop: Shop) -> None:
    run("run", "--month", "2025-03")
    settings: Settings = shop.own.settings
    (settings.files_dir / KEY).write_bytes(b"rubbish")
    damaged = "The archive was changed or damaged. Restore it from a backup."
    assert run("verify", expect=1) == [f"{KEY}: {damaged}", "1 of 1 files are not as they were written."]
    assert run("restore", "2025-03", expect=1)[-1] == f"2025-03, file 1: {damaged}"
    assert events() == []
