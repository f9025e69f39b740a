"""The file of an archived month: gzip; a line of JSON that describes it, then CSV as PostgreSQL's COPY does.

The same events always give the same bytes: rows in the order of their key, instants in UTC, no time in the
gzip header. Everything streams, so the memory is that of one block, whatever the number of events.
"""

import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import psycopg
from psycopg import sql

from app.gateways.files import DamagedFile, sha256_of

FORMAT = "otpless-billing/usage-events"
VERSION = 1
CONTENT_TYPE = "application/gzip"
BLOCK_BYTES = 1 << 18
COMPRESSION = 6
ORDER = sql.SQL('account_id, occurred_at, event_id COLLATE "C"')

Progress = Callable[[int], object]


@dataclass(frozen=True, slots=True)
class Header:
    """The first line: which month, how many events, and what the columns of a row are."""

    month: str
    rows: int
    columns: tuple[str, ...]

    def line(self) -> bytes:
        """Return it as the file has it."""
        told = {
            "format": FORMAT,
            "version": VERSION,
            "month": self.month,
            "rows": self.rows,
            "columns": list(self.columns),
        }
        return json.dumps(told, separators=(",", ":")).encode() + b"\n"

    @classmethod
    def read(cls, line: bytes) -> "Header":
        """Read it back.

        Raises:
            DamagedFile: it is not the first line of an archive, or of a version that is not known here.
        """
        try:
            told = json.loads(line)
            if (told["format"], told["version"]) != (FORMAT, VERSION):
                raise DamagedFile("This is no archive of usage events, or one of a newer version.")
            return cls(told["month"], int(told["rows"]), tuple(told["columns"]))
        except (ValueError, KeyError, TypeError):
            raise DamagedFile("The archive does not begin as an archive does.") from None


def write(
    connection: psycopg.Connection[Any], table: str, header: Header, target: Path, progress: Progress
) -> None:
    """Write the events of a table to `target`; `progress` hears now and then how many are written.

    `connection` is in a transaction whose view does not change, and `header` was counted in it.

    Raises:
        RuntimeError: there are not as many events as the header says.
    """
    columns = sql.SQL(", ").join(map(sql.Identifier, header.columns))
    statement = sql.SQL("COPY (SELECT {} FROM {} ORDER BY {}) TO STDOUT (FORMAT csv)").format(
        columns, sql.Identifier(table), ORDER
    )
    with _packing(target) as packed, connection.cursor() as cursor:
        packed.write(header.line())
        count, told = _Records(), 0
        with cursor.copy(statement) as copy:
            for block in copy:
                packed.write(block)
                count.add(bytes(block))
                if count.bytes - told >= BLOCK_BYTES * 64:
                    told = count.bytes
                    progress(count.records)
        if not cursor.rowcount == count.records == header.rows:
            raise RuntimeError(f"{count.records} events were written, {header.rows} were counted.")


def check(path: Path, sha256: bytes) -> Header:
    """Read a file to its end and return its header: every byte is as it was written, every event is there.

    Raises:
        DamagedFile: not so.
    """
    if sha256_of(path) != sha256:
        raise DamagedFile("The archive was changed or damaged. Restore it from a backup.")
    count = _Records()
    with _unpacked(path) as lines:
        header = Header.read(lines.readline())
        while block := lines.read(BLOCK_BYTES):
            count.add(block)
    if count.records != header.rows or not count.whole:
        raise DamagedFile(f"The archive holds {count.records} events and says {header.rows}.")
    return header


def load(connection: psycopg.Connection[Any], path: Path, table: str, progress: Progress) -> int:
    """Copy the events of a checked file into a table of the same columns; return how many they were."""
    with _unpacked(path) as lines, connection.cursor() as cursor:
        header = Header.read(lines.readline())
        statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(
            sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, header.columns))
        )
        count, told = _Records(), 0
        with cursor.copy(statement) as copy:
            while block := lines.read(BLOCK_BYTES):
                copy.write(block)
                count.add(block)
                if count.bytes - told >= BLOCK_BYTES * 64:
                    told = count.bytes
                    progress(count.records)
        return cursor.rowcount


class _Records:
    """Counts the records of CSV that comes in blocks: a line feed inside quotes ends none."""

    def __init__(self) -> None:
        self.records = 0
        self.bytes = 0
        self.whole = True
        self._quoted = False

    def add(self, block: bytes) -> None:
        """Count one block."""
        self.bytes += len(block)
        if b'"' not in block and not self._quoted:
            self.records += block.count(b"\n")
        else:
            for n, part in enumerate(block.split(b'"')):
                self._quoted ^= n > 0
                self.records += 0 if self._quoted else part.count(b"\n")
        self.whole = not self._quoted and block.endswith(b"\n")


@contextmanager
def _packing(target: Path) -> Iterator[IO[bytes]]:
    with target.open("wb") as file:
        packed = gzip.GzipFile("", "wb", COMPRESSION, fileobj=file, mtime=0)
        with packed, io.BufferedWriter(cast(io.RawIOBase, packed), BLOCK_BYTES) as buffered:
            yield buffered


@contextmanager
def _unpacked(path: Path) -> Iterator[IO[bytes]]:
    try:
        with gzip.open(path) as packed, io.BufferedReader(cast(io.RawIOBase, packed), BLOCK_BYTES) as lines:
            yield lines
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise DamagedFile("The archive is not a whole gzip file.") from None
