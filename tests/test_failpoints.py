"""Places at which a process dies or is thrown back on purpose: off, unless the environment names one."""

import os
import signal
import subprocess
import sys

import pytest

from app import failpoints

TWICE = "from app.failpoints import reach; reach('a'); print('once', flush=True); reach('a'); print('twice')"


def run(words: str) -> subprocess.CompletedProcess[str]:
    """Reach a place twice in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", TWICE],
        env={**os.environ, "FAILPOINTS": words},
        capture_output=True,
        text=True,
        check=False,
    )


def test_nothing_happens_unless_a_place_is_named() -> None:
    for words in ("", "b=kill"):
        done = run(words)
        assert (done.returncode, done.stdout) == (0, "once\ntwice\n")


def test_a_process_dies_where_it_was_told_to_at_that_time() -> None:
    killed = run("b=fail, a=kill/2")
    assert (killed.returncode, killed.stdout) == (-signal.SIGKILL, "once\n")
    thrown = run("a=fail/2")
    assert (thrown.returncode, thrown.stdout) == (1, "once\n")
    assert thrown.stderr.endswith("app.failpoints.Forced: a\n")


@pytest.mark.parametrize("words", ["a", "a=explode", "=kill", "a=kill/often"])
def test_what_cannot_be_read_is_refused(words: str) -> None:
    with pytest.raises(ValueError, match=r"FAILPOINTS|invalid literal"):
        failpoints.read(words)
