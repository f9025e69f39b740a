"""Files of usage that people upload: checked from end to end, then kept in the file store with their
checksum until they are imported, and after.
"""

import gzip
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

from app.config import current_settings
from app.db import db
from app.errors import Invalid, NotFound
from app.gateways.files import open_store
from app.ids import new_id
from app.models import StoredFile
from app.services.imports import files
from app.services.imports.files import Row, Survey, UnreadableFile

RESOURCE = "Import"
MOST_BYTES = 16_000_000
MOST_UNPACKED_BYTES = 200_000_000
CHUNK_BYTES = 1 << 20
SHOWN_ROWS = 5

GZIP, ZIP = b"\x1f\x8b", b"PK\x03\x04"
UNSAFE = re.compile(r"[^A-Za-z0-9_.-]+")
# Digits with the signs of numbers, dates and addresses: a value, where a column's name is expected.
VALUE = re.compile(r"[\d\s.,:+/TZ-]*\d[\d\s.,:+/TZ-]*")
CONTENT_TYPES = {"csv": "text/csv", "jsonl": "application/x-ndjson"}


@dataclass(frozen=True, slots=True)
class Preview:
    """What a file holds, with its first rows."""

    survey: Survey
    first: tuple[Row, ...]


def keep(name: str, content: bytes) -> StoredFile:
    """Check an uploaded file to its end and keep it under a plain form of its name.

    Raises:
        Invalid: at `/file`, what is wrong with it and how to mend that.
        StoreUnavailable: the file store did not take it.
    """
    upload_id = new_id()
    safe = _safe_name(name, content)
    try:
        _refuse_what_is_no_rows(safe, content)
        with _written(safe, content) as path:
            kind = _checked(path).kind
    except UnreadableFile as error:
        raise Invalid.at("/file", error.message, code=error.code) from None
    content_type = "application/gzip" if safe.endswith(".gz") else CONTENT_TYPES[kind]
    key = f"imports/{upload_id}/{safe}"
    digest = open_store(current_settings()).save(key, content, content_type=content_type)
    stored = StoredFile(
        id=upload_id,
        key=key,
        content_type=content_type,
        size=len(content),
        sha256=digest,
        resource_type=RESOURCE,
        resource_id=str(upload_id),
    )
    db.session.add(stored)
    db.session.flush()
    return stored


def get(upload_id: str | UUID) -> StoredFile:
    """Return an uploaded file by its id.

    Raises:
        NotFound: there is none, or the id is malformed.
    """
    try:
        stored = db.session.get(StoredFile, UUID(str(upload_id)))
    except ValueError:
        stored = None
    if stored is None or stored.resource_type != RESOURCE:
        raise NotFound("There is no such file. Upload it again.")
    return stored


def name_of(stored: StoredFile) -> str:
    """Return the name that the file came under."""
    return stored.key.rpartition("/")[2]


@contextmanager
def opened(stored: StoredFile) -> Iterator[Path]:
    """Lend a copy of an uploaded file on this machine's disk.

    Raises:
        NotFound, DamagedFile, StoreUnavailable: as `FileStore.load` says.
    """
    content = open_store(current_settings()).load(stored.key, sha256=stored.sha256)
    with _written(name_of(stored), content) as path:
        yield path


def preview(path: Path) -> Preview:
    """Return what a file holds with its first five rows.

    Raises:
        UnreadableFile: as `files.survey` says.
    """
    survey = files.survey(path)
    first = islice(files.rows(path, survey.kind), SHOWN_ROWS)
    return Preview(
        survey, tuple({name: _shown(value) for name, value in row.items()} for _line, row in first)
    )


def _shown(value: Any) -> Any:
    """Return a value as a page can hold it: a text without what no UTF-8 has."""
    return files.UNSTORABLE.sub("\ufffd", value) if isinstance(value, str) else value


@contextmanager
def _written(name: str, content: bytes) -> Iterator[Path]:
    with TemporaryDirectory(prefix="import-") as folder:
        path = Path(folder, name)
        path.write_bytes(content)
        yield path


def _safe_name(name: str, content: bytes) -> str:
    """Return the last part of a name with plain characters only, `.gz` at its end where it is packed."""
    plain = UNSAFE.sub("-", name.replace("\\", "/").rpartition("/")[2]).lstrip(".-")[-100:] or "usage"
    plain = plain.lstrip(".-") or "usage"
    if plain.lower().endswith(".gz"):
        return f"{plain[:-3]}.gz"
    return f"{plain}.gz" if content.startswith(GZIP) else plain


def _refuse_what_is_no_rows(name: str, content: bytes) -> None:
    if not content:
        raise UnreadableFile("Choose a file that is not empty.")
    if len(content) > MOST_BYTES:
        raise UnreadableFile("The file is larger than 16 MB. Pack it with gzip, or split it.")
    if content.startswith(ZIP):
        raise UnreadableFile("This is a spreadsheet or a zip file. Save it as CSV, plain or packed by gzip.")
    if name.endswith(".gz") and not content.startswith(GZIP):
        raise UnreadableFile(f"{name} is not packed by gzip. Pack it, or take .gz off its name.")


def _checked(path: Path) -> Survey:
    if path.suffix == ".gz" and _unpacked_size(path) > MOST_UNPACKED_BYTES:
        raise UnreadableFile("Unpacked, the file is larger than 200 MB. Split it.")
    survey = files.survey(path)
    values = [name for name in survey.columns if VALUE.fullmatch(name)]
    if survey.kind == "csv" and values:
        raise UnreadableFile(
            f"The first line holds values such as {values[0]}, not the names of columns. "
            "Add a header line, for instance event_id,account_id,timestamp."
        )
    return survey


def _unpacked_size(path: Path) -> int:
    """Return the size of a packed file, read no further than matters; a broken one is left to `survey`."""
    size = 0
    try:
        with gzip.open(path) as packed:
            while size <= MOST_UNPACKED_BYTES and (chunk := packed.read(CHUNK_BYTES)):
                size += len(chunk)
    except (OSError, EOFError, zlib.error):
        return 0
    return size
