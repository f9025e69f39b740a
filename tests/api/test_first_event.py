"""The page that a newcomer follows is run as it stands."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from app import clock
from app.db import transaction
from app.services import keys
from tests.api.conftest import TEST
from tests.support.own import OwnDatabase

PAGE = Path(__file__).resolve().parents[2] / "docs" / "integration" / "first-event.md"


@pytest.mark.processes
def test_the_page_of_the_first_event_works_as_written(own_database: OwnDatabase) -> None:
    with own_database.app(), transaction():
        _, secret = keys.create("newcomer", scopes=["all"], actor=TEST, at=clock.now())
    url = own_database.start_web()
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)[1:]
    script = "\n".join(["set -eu", *blocks])

    run = subprocess.run(
        ["bash", "-c", script],
        env={**own_database.environment, "BILLING": url, "KEY": secret},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    account, metric, sent, listed, usage = map(json.loads, run.stdout.splitlines())
    assert account["data"]["attributes"]["external_id"] == "asha"
    assert metric["data"]["attributes"]["code"] == "my.otp"
    assert sent["data"]["attributes"]["results"] == [
        {"index": 0, "event_id": "otp-0001", "status": "accepted"}
    ]
    assert [row["id"] for row in listed["data"]] == ["otp-0001"]
    assert usage["status"] == "success"
