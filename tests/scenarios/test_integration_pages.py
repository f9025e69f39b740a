"""The pages from which somebody sends the first events are run as they stand, one after the other."""

import json
import re
import subprocess
import sys
from pathlib import Path
from shlex import quote

import pytest

from tests.support.machine import ROOT
from tests.support.own import OwnDatabase

PAGES = ROOT / "docs" / "integration"


def blocks(page: str, language: str) -> list[str]:
    """Return the code of a page in one language."""
    return re.findall(rf"```{language}\n(.*?)```", (PAGES / page).read_text("utf-8"), re.DOTALL)


def run(command: list[str], own: OwnDatabase, **more: str) -> list[str]:
    """Run a command of a page as its reader would, and return the lines that it printed."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**own.environment, **more},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def shell(script: list[str], own: OwnDatabase, **more: str) -> list[str]:
    """Run shell blocks as one script that ends with its first failure."""
    return run(["bash", "-c", "\n".join(["set -euo pipefail", *script])], own, **more)


def make_key(line: str, own: OwnDatabase) -> str:
    """Run the command that makes a key, with the `flask` of this environment, and return the secret."""
    command = line.partition("#")[0].replace(".venv/bin/flask", f"{quote(sys.executable)} -m flask")
    return shell([command], own)[-1]


@pytest.mark.processes
def test_the_pages_for_senders_work_as_written(own_database: OwnDatabase) -> None:
    key, *first = blocks("first-event.md", "sh")
    secret = make_key(key.splitlines()[0], own_database)
    here = {"BILLING": own_database.start_web(), "KEY": secret}

    account, metric, sent, listed, usage = map(json.loads, shell(first, own_database, **here))
    assert account["data"]["attributes"]["external_id"] == "asha"
    assert metric["data"]["attributes"]["code"] == "my.otp"
    accepted = {"index": 0, "event_id": "otp-0001", "status": "accepted"}
    assert sent["data"]["attributes"]["results"] == [accepted]
    assert [row["id"] for row in listed["data"]] == ["otp-0001"]
    assert usage["status"] == "success"

    answers = [
        line for line in shell(blocks("cloudevents.md", "sh"), own_database, **here) if "HTTP/" in line
    ]
    assert [answer.split()[1] for answer in answers] == ["204", "204"]
    (program,) = blocks("cloudevents.md", "python")
    assert run([sys.executable, "-c", program], own_database, **here) == ["204"]

    (program,) = blocks("lago.md", "python")
    assert run([sys.executable, "-c", program], own_database, **here) == [
        "otp-0005",
        "{'transaction_id': ['value_already_exist']}",
    ]
    (told,) = shell(blocks("lago.md", "sh"), own_database, **here)
    assert json.loads(told)["event"]["transaction_id"] == "otp-0008"

    with own_database.connect() as connection:
        stored = connection.execute("SELECT event_id FROM usage_events ORDER BY event_id").fetchall()
    assert stored == [(f"otp-{n:04}",) for n in range(1, 9)]


@pytest.mark.parametrize("page", sorted(path.name for path in PAGES.glob("*.md")))
def test_every_link_of_a_page_leads_somewhere(page: str) -> None:
    text = (PAGES / page).read_text("utf-8")
    targets = [target for target in re.findall(r"\]\(([^)]+)\)", text) if not target.startswith("http")]

    assert targets
    for target in targets:
        path, _, heading = target.partition("#")
        assert (PAGES / path).exists(), target
        assert not heading or heading in _anchors(PAGES / path), target


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}
