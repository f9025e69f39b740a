"""`make run` from start to stop, with a small product in the place of the real one."""

import json
import os
import signal
import socket
import stat
from pathlib import Path

import psutil
import pytest

from app.embedded.processes import is_running, wait_until
from tests.embedded.conftest import Open
from tests.embedded.discover import find_services
from tests.embedded.running import House, plain_account

pytestmark = pytest.mark.processes

as_root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


def horse_of(house: House) -> int:
    return int((house.data / "horse.pid").read_text())


def wait_for_new_horse(house: House, old: int) -> None:
    assert wait_until(lambda: horse_of(house) != old and is_running(horse_of(house)), patience_seconds=10)


def test_a_second_start_keeps_the_data_and_does_not_seed_again(open_house: Open) -> None:
    house = open_house()
    first = house.start()
    assert len(first["seeds"]) == 1
    assert house.stop()[0] == 0
    second = house.start()
    assert second["seeds"] == first["seeds"]


def test_ctrl_c_leaves_no_process_and_no_announcement(open_house: Open) -> None:
    house = open_house()
    house.start()
    sockets = json.loads(house.services.read_text())["sockets"]
    assert is_running(horse_of(house))
    status, said, complaint = house.stop(signal.SIGINT)
    assert (status, complaint) == (0, "")
    assert said.splitlines()[-1] == "Stopping"
    assert house.processes() == {}
    assert not house.services.exists()
    assert not Path(sockets).exists()


def test_what_runs_is_announced_to_the_owner_only(open_house: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KMS_KEY_ID", "alias/of-the-env-file")
    house = open_house()
    assert find_services(house.data) is None
    house.start()
    found = find_services(house.data)
    assert found is not None
    assert found["PUBLIC_URL"] == f"http://127.0.0.1:{house.port}"
    assert found["KMS_KEY_ID"] == "alias/of-the-env-file"
    assert "PATH" not in found
    assert found["SECRET_KEY"] == (house.data / "secret.key").read_text().strip()
    for name in ("services.json", "secret.key"):
        assert stat.S_IMODE((house.data / name).stat().st_mode) == 0o600
    house.stop()
    assert find_services(house.data) is None


def test_a_killed_child_is_started_again_and_what_it_left_is_ended(open_house: Open) -> None:
    house = open_house()
    web, horse = house.start()["pid"], horse_of(house)
    os.kill(psutil.Process(horse).ppid(), signal.SIGKILL)
    os.kill(web, signal.SIGKILL)
    house.wait_for(lambda said: bool(said) and said["pid"] != web)
    wait_for_new_horse(house, horse)
    assert not is_running(horse)
    said = house.stop()[1].splitlines()
    assert "web ended (signal SIGKILL); starting it again in 0.25 s" in said
    assert "worker ended (signal SIGKILL); starting it again in 0.25 s" in said


def test_killed_data_stores_come_back_with_their_data(open_house: Open) -> None:
    house = open_house()
    before = house.start()
    old = house.find("valkey-server") | house.find("bin/postgres -D")
    assert len(old) == 2
    for pid in old:
        os.kill(pid, signal.SIGKILL)
    house.wait_for(lambda said: said == before and not old & house.processes().keys())
    assert wait_until(lambda: len(house.find("valkey-server")) == 1, patience_seconds=10)
    assert house.stop()[0] == 0


def test_killing_the_supervisor_leaves_no_orphan_and_the_next_start_works(open_house: Open) -> None:
    house = open_house()
    before = house.start()
    os.kill(house.pid, signal.SIGKILL)
    assert house.end()[0] == -signal.SIGKILL
    assert wait_until(lambda: house.processes().keys() <= {horse_of(house)}, patience_seconds=15)
    os.kill(horse_of(house), signal.SIGKILL)
    assert house.start()["seeds"] == before["seeds"]


def test_a_port_in_use_is_told_before_anything_is_touched(open_house: Open) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        house = open_house(port=port)
        house.begin()
        assert house.end() == (
            1,
            "",
            f"Port {port} is in use: stop the program that listens there, "
            f"or choose another with PORT={port + 1}.\n",
        )
    assert not house.data.exists()


def test_a_second_supervisor_over_the_same_data_is_refused(open_house: Open) -> None:
    first, second = open_house(), open_house()
    first.start()
    second.begin()
    assert second.end() == (
        1,
        "",
        f"Another `make run` uses {first.data} (process {first.pid}, http://127.0.0.1:{first.port}): "
        "stop it, or choose another directory with DATA=…\n",
    )
    assert len(first.ask()["seeds"]) == 1


def test_a_data_directory_of_another_postgresql_is_refused_and_left_alone(open_house: Open) -> None:
    house = open_house()
    pg = house.data / "pg"
    pg.mkdir(parents=True)
    (pg / "PG_VERSION").write_text("9\n")
    house.begin()
    status, _, complaint = house.end()
    assert (status, complaint.count("\n")) == (1, 1)
    assert complaint.startswith(f"{pg} was made by PostgreSQL 9 and this is ")
    assert [path.name for path in pg.iterdir()] == ["PG_VERSION"]
    assert house.processes() == {}


@as_root_only
def test_a_plain_user_can_run_it(open_house: Open, place: Path) -> None:
    account = plain_account()
    account.own(place)
    house = open_house(account)
    assert house.start()["uid"] == account.uid
    owners = {psutil.Process(pid).uids().real for pid in house.processes()}
    assert owners == {account.uid}
    assert house.stop()[0] == 0
    assert house.processes() == {}


@as_root_only
def test_a_plain_user_is_told_whose_data_it_is(open_house: Open, place: Path) -> None:
    house = open_house(plain_account())
    pg = house.data / "pg"
    pg.mkdir(parents=True)
    for path in (place, house.data):
        plain_account().own(path)
    pg.chmod(0o755)
    (pg / "PG_VERSION").write_text("18\n")
    house.begin()
    assert house.end() == (
        1,
        "Starting PostgreSQL and Redis\n",
        f"{pg} belongs to the user root: run as that user, or choose another directory with DATA=…\n",
    )


@as_root_only
def test_root_keeps_the_stores_elsewhere_when_their_account_cannot_enter(
    open_house: Open, place: Path
) -> None:
    place.chmod(0o700)
    house = open_house()
    first = house.start()
    store = (house.data / "store").resolve()
    assert store.parent == Path("/var/lib/otpless-billing")
    assert sorted(path.name for path in store.iterdir()) == ["pg", "redis"]
    assert house.stop()[0] == 0
    assert house.start()["seeds"] == first["seeds"]
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
