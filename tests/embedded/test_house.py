"""The data directory: taken once, checked for space, its secret kept; and the logs in it."""

import os
import stat
from pathlib import Path

import pytest

from app.embedded.accounts import CannotStart
from app.embedded.house import names_of_settings, open_house
from app.embedded.logtail import LogTail
from app.embedded.processes import Child, wait_until
from tests.embedded.discover import find_services


def test_the_secret_is_made_once_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    with open_house(tmp_path / "var") as house:
        secret = house.secret_key()
        assert len(secret) == 64
        assert house.secret_key() == secret
    assert stat.S_IMODE((tmp_path / "var" / "secret.key").stat().st_mode) == 0o600


def test_too_little_space_is_told_before_anything_starts(tmp_path: Path) -> None:
    needed = 2**60
    with pytest.raises(CannotStart) as refusal, open_house(tmp_path / "var", needed_bytes=needed):
        pass
    message = str(refusal.value)
    assert message.startswith(f"The disk is full: {tmp_path / 'var'} has ")
    assert message.endswith(" MB are needed. Free some space, or choose another directory with DATA=…")


def test_a_data_directory_that_cannot_be_made_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("a file, not a directory")
    with pytest.raises(CannotStart) as refusal, open_house(tmp_path / "var"):
        pass
    assert str(refusal.value) == (
        f"{tmp_path / 'var'} cannot be used (File exists): choose another directory with DATA=…"
    )


def test_the_announcement_of_a_dead_supervisor_is_not_believed(tmp_path: Path) -> None:
    gone = os.spawnlp(os.P_NOWAIT, "true", "true")
    os.waitpid(gone, 0)
    (tmp_path / "services.json").write_text(f'{{"pid": {gone}, "DATABASE_URL": "postgresql:///x"}}')
    assert find_services(tmp_path) is None


def test_the_settings_are_those_that_the_example_has_a_line_for(tmp_path: Path) -> None:
    example = tmp_path / ".env.example"
    example.write_text("# A note, NOT_THIS=one\n#MASTER_KEY=\nKMS_KEY_ID=alias/x\n#S3_BUCKET=\n")
    assert names_of_settings(example) == ["MASTER_KEY", "KMS_KEY_ID", "S3_BUCKET"]


def test_a_start_forgets_what_a_killed_supervisor_left(tmp_path: Path) -> None:
    sockets = tmp_path / "otpless-left"
    sockets.mkdir()
    (tmp_path / "services.json").write_text(f'{{"pid": 1, "sockets": "{sockets}"}}')
    with open_house(tmp_path) as house:
        assert not sockets.exists()
        assert not house.services.exists()


def test_the_last_words_of_a_child_are_none_of_an_earlier_run(tmp_path: Path) -> None:
    log = tmp_path / "migrate.log"
    log.write_text("the trouble of yesterday\n")
    child = Child("migrate", ("/bin/echo", "the trouble of today"), log, {})
    child.start()
    assert wait_until(lambda: child.reap() == 0, patience_seconds=30)
    assert child.last_words(15) == "the trouble of today"
    assert log.read_text() == "the trouble of yesterday\nthe trouble of today\n"


def test_only_errors_of_a_log_are_shown_and_each_once(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    log.write_text("ERROR from an earlier run\n")
    tail = LogTail("web", log)
    with log.open("a") as file:
        file.write('{"event": "served", "level": "info"}\n{"event": "broken", "level": "error"}\nFATAL: no\n')
        file.write("FATAL:  the database system is starting up\n")
        file.write('ERROR:  no partition of relation "usage_events" found for row\n')
    assert tail.new_errors() == ['web | {"event": "broken", "level": "error"}', "web | FATAL: no"]
    assert tail.new_errors() == []


def test_a_long_line_is_cut_where_it_is_shown(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    tail = LogTail("web", log)
    log.write_text("ERROR " + "x" * 1000 + "\n")
    assert tail.new_errors() == ["web | ERROR " + "x" * 294 + "…"]


def test_a_log_that_has_grown_too_large_is_begun_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.embedded.logtail.LARGEST_BYTES", 10)
    log = tmp_path / "web.log"
    tail = LogTail("web", log)
    with log.open("a") as file:
        file.write("more than ten bytes\n")
        file.flush()
        assert tail.new_errors() == []
        file.write("ERROR after it\n")
    assert log.read_text() == "ERROR after it\n"
    assert (tmp_path / "web.log.1").read_text() == "more than ten bytes\n"
    assert tail.new_errors() == ["web | ERROR after it"]
