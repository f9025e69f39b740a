"""A process that archives what waits and is killed at one point: `python -m tests.services.killed_archiver
POINT`.
"""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from app import clock
from app.factory import create_app
from app.gateways.files import DirectoryStore
from app.services import archive_files, archive_steps, archive_tables, archives
from tests.services.archived import LATER, SYSTEM

Patch = tuple[Any, str]

# Before or after which function the process dies; most of them are called inside of an open transaction.
POINTS: dict[str, tuple[str, Patch]] = {
    "before the file is stored": ("before", (DirectoryStore, "put")),
    "when the file is stored": ("after", (DirectoryStore, "put")),
    "when the file is known": ("after", (archive_steps, "write")),
    "when the partition is detached and not committed": ("after", (archive_tables, "detach")),
    "when the partition is detached": ("after", (archive_steps, "detach")),
}
RESTORE_POINTS: dict[str, tuple[str, Patch]] = {
    "when the events are loaded": ("after", (archive_files, "load")),
    "when the events are back and not committed": ("after", (archive_steps.audit, "record")),
}


def kill_at(when: str, patch: Patch) -> None:
    """Make the process die before or after a function of the product."""
    module, name = patch
    original: Callable[..., Any] = getattr(module, name)

    def dying(*args: Any, **more: Any) -> None:
        if when == "after":
            original(*args, **more)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(module, name, dying)


def main() -> None:
    """Die at the point that the command line names."""
    application = create_app()
    with application.app_context():
        assert clock.now() < LATER
        kill_at(*{**POINTS, **RESTORE_POINTS}[sys.argv[1]])
        archives.work(at=LATER, actor=SYSTEM, again=True)


if __name__ == "__main__":
    main()
