"""Rows of usage from a file: CSV or JSON lines, plain or gzipped, checked from end to end before any row
counts.

A file is read twice: `survey` proves that every row can be read and tells how many there are, `rows` yields
them. So a file that breaks off in its last line stores nothing at all.
"""

import csv
import gzip
import json
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import chain
from pathlib import Path
from typing import IO, Any

from app.errors import Invalid

DELIMITERS = (",", ";", "\t")
LONGEST_CELL = 65_536
# The line by which programs tell Excel the delimiter; it is no row.
SEPARATOR = re.compile(r"sep=.", re.IGNORECASE)
# What no text of PostgreSQL and no page can hold: NUL, and half of a surrogate pair.
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")

Row = dict[str, Any]


class UnreadableFile(Invalid):
    """The file cannot be read as rows; the message says where and why."""

    code = "unreadable_file"


@dataclass(frozen=True, slots=True)
class Survey:
    """What a whole pass over a file found: its kind (`csv`, `jsonl`), its columns in order, its rows."""

    path: Path
    kind: str
    columns: tuple[str, ...]
    rows: int


def survey(path: Path) -> Survey:
    """Read all of `path` once and tell what it holds.

    Raises:
        UnreadableFile: no such file, not gzip though named so, not UTF-8, a broken line, no rows, or a
            column whose name cannot be kept.
    """
    with _explained(path), _opened(path) as stream:
        kind = _kind(path, stream)
    columns: dict[str, None] = {}
    count = 0
    for _line, row in rows(path, kind):
        columns.update(dict.fromkeys(row))
        count += 1
    if not count:
        raise UnreadableFile(f"{path.name} has no rows.")
    if unnamed := [name for name in columns if UNSTORABLE.search(name)]:
        raise UnreadableFile(f"{path.name} has a column whose name cannot be kept: {unnamed[0]!a}.")
    return Survey(path, kind, tuple(columns), count)


def rows(path: Path, kind: str) -> Iterator[tuple[int, Row]]:
    """Yield the rows of a file with their line numbers, counted from 1 with the header.

    Cells of CSV are text, empty ones None. Numbers of JSON are int or Decimal.

    Raises:
        UnreadableFile: as `survey` says.
    """
    with _explained(path), _opened(path) as stream:
        yield from (_csv_rows if kind == "csv" else _jsonl_rows)(stream, path.name)


@contextmanager
def _opened(path: Path) -> Iterator[IO[str]]:
    if path.suffix == ".gz":
        with gzip.open(path, "rt", encoding="utf-8-sig", newline="") as stream:
            yield stream
    else:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            yield stream


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn what the libraries raise while reading into one sentence about the file."""
    try:
        yield
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UnreadableFile(f"{path.name} is not a whole gzip file: {error}. Copy it again.") from None
    except UnicodeDecodeError as error:
        problem = f"{path.name} is not UTF-8: byte {error.object[error.start]:#04x} cannot be read."
        raise UnreadableFile(f"{problem} Save it as UTF-8.") from None
    except csv.Error as error:
        raise UnreadableFile(f"{path.name} is not CSV: {error}.") from None
    except OSError as error:
        raise UnreadableFile(f"{path} cannot be opened: {error.strerror}.") from None


def _kind(path: Path, stream: IO[str]) -> str:
    """Return `csv` or `jsonl`, by the name where it tells, else by the first character."""
    suffixes = [suffix for suffix in path.suffixes if suffix != ".gz"]
    named = {".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
    start = stream.read(4096)
    return named.get(suffixes[-1] if suffixes else "", "jsonl" if start.lstrip()[:1] == "{" else "csv")


def _csv_rows(stream: IO[str], name: str) -> Iterator[tuple[int, Row]]:
    csv.field_size_limit(LONGEST_CELL)
    before, first = _first_line(stream)
    reader = csv.reader(chain([first], stream), delimiter=max(DELIMITERS, key=first.count), strict=True)
    written = [cell.strip() for cell in next(reader, [])]
    # Spreadsheets write columns and rows that were used once and are empty now.
    header = written[: max((n for n, cell in enumerate(written, start=1) if cell), default=0)]
    if len(set(header)) != len(header) or not all(header):
        raise UnreadableFile(
            f"The header of {name} needs a name of its own for each column: {first.strip()!r}"
        )
    for cells in reader:
        if not any(cells):
            continue
        line = before + reader.line_num
        if len(cells) != len(written):
            raise UnreadableFile(
                f"Line {line} of {name} has {len(cells)} cells; the header names {len(written)}."
            )
        if any(cells[len(header) :]):
            raise UnreadableFile(f"Line {line} of {name} has a value in a column without a name.")
        yield line, {column: cell or None for column, cell in zip(header, cells, strict=False)}


def _first_line(stream: IO[str]) -> tuple[int, str]:
    """Return the first line of the header, and how many lines came before it."""
    for before, line in enumerate(stream):
        if line.strip() and not SEPARATOR.fullmatch(line.strip()):
            return before, line
    return 0, ""


def _jsonl_rows(stream: IO[str], name: str) -> Iterator[tuple[int, Row]]:
    for line, text in enumerate(stream, start=1):
        if not text.strip():
            continue
        try:
            row = json.loads(text, parse_float=Decimal, parse_constant=_no_number)
        except (ValueError, InvalidOperation, RecursionError) as error:
            why = error if isinstance(error, ValueError) else "a number or a nesting without end"
            raise UnreadableFile(f"Line {line} of {name} is not JSON: {why}.") from None
        if not isinstance(row, dict):
            raise UnreadableFile(f"Line {line} of {name} is not a JSON object.")
        yield line, row


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is not a number")
