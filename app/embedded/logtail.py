"""The children's logs: errors shown on the terminal as they are written, sizes kept in bounds."""

import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path

LARGEST_BYTES = 20 * 1024 * 1024
LONGEST_READ_BYTES = 256 * 1024
LINES_AT_ONCE = 20
LONGEST_LINE = 300

_ERROR = re.compile(
    r'"level": ?"(error|critical)"|\[(error|critical) *\]|\b(ERROR|CRITICAL|FATAL|PANIC)\b|^Traceback'
)
# PostgreSQL calls it fatal to the connection when somebody asks while it starts or stops, and an error when
# the first event of a month finds no table, which is made then.
_HARMLESS = re.compile(
    r"the database system is (starting up|shutting down|not yet accepting connections)"
    r'|no partition of relation "usage_events" found for row'
)


@dataclass
class LogTail:
    """Follows one log from where it ends now."""

    name: str
    path: Path
    _position: int = field(init=False)

    def __post_init__(self) -> None:
        self._position = self._size()

    def new_errors(self) -> list[str]:
        """Return the lines written since the last call that tell of an error, each with the child's name
        before it.

        A log over 20 MB is moved to `.1` and begun anew; whoever appends to it goes on in the emptied file.
        """
        size = self._size()
        if size < self._position:
            self._position = 0
        if size == self._position:
            return []
        with self.path.open("rb") as file:
            file.seek(max(self._position, size - LONGEST_READ_BYTES))
            text = file.read(LONGEST_READ_BYTES)
            self._position = file.tell()
        if size > LARGEST_BYTES:
            self._rotate()
        lines = text.decode("utf-8", errors="replace").splitlines()
        errors = [line for line in lines if _ERROR.search(line) and not _HARMLESS.search(line)]
        return [f"{self.name} | {shorten(line)}" for line in errors[-LINES_AT_ONCE:]]

    def _rotate(self) -> None:
        shutil.copyfile(self.path, self.path.with_suffix(".log.1"))
        with self.path.open("r+b") as file:
            file.truncate(0)
        self._position = 0

    def _size(self) -> int:
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0


def shorten(line: str) -> str:
    """Return the line as it is shown: a long one, a trace in JSON say, is cut; the log has the whole."""
    return line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]}…"
