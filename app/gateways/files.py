"""The file store behind a Protocol: a directory by default, an S3 bucket by setting.

A key is a path of plain names such as `invoices/2026-27/OT-000001.pdf`. Both stores check what they read
against the checksum that the database remembers, so a document that was changed on disk is never handed out.
"""

import hashlib
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, Protocol

from app.config import Settings
from app.errors import NotFound
from app.gateways.s3 import S3Store
from app.gateways.stored import (
    CHUNK_BYTES,
    DamagedFile,
    StoreUnavailable,
    checked_content,
    checked_key,
    sha256_of,
)

__all__ = [
    "DamagedFile",
    "DirectoryStore",
    "FileStore",
    "S3Store",
    "StoreUnavailable",
    "checked_content",
    "checked_key",
    "open_store",
    "sha256_of",
]


class FileStore(Protocol):
    """Where documents are kept."""

    def save(
        self, key: str, content: bytes, *, content_type: str, retain_until: datetime | None = None
    ) -> bytes:
        """Store `content` under `key`, replacing what was there; returns its SHA-256. Durable on return.
        A store that can keeps this version of it from being deleted before `retain_until`.

        Raises:
            ValueError: the key is not a plain path.
            StoreUnavailable: the store did not answer.
        """

    def load(self, key: str, *, sha256: bytes | None = None) -> bytes:
        """Return what is stored under `key`.

        Raises:
            NotFound: nothing is.
            DamagedFile: it does not have the checksum `sha256`.
            StoreUnavailable: the store did not answer.
        """

    def put(self, key: str, source: Path, *, content_type: str) -> bytes:
        """Store a file of any size under `key`, as `save` does, with the same memory whatever its size.

        Raises:
            ValueError, StoreUnavailable: as `save` says.
        """

    def lend(self, key: str) -> AbstractContextManager[Path]:
        """Lend what is stored under `key` as a file of this machine, to be read only. It is not checked:
        see `sha256_of`.

        Raises:
            NotFound, StoreUnavailable: as `load` says.
        """

    def size(self, key: str) -> int:
        """Return how many bytes are stored under `key`.

        Raises:
            NotFound, StoreUnavailable: as `load` says.
        """

    def delete(self, key: str) -> None:
        """Delete what is stored under `key`; what is not there is well.

        Raises:
            StoreUnavailable: as `load` says.
        """


class DirectoryStore:
    """A `FileStore` in a directory: written beside its place, flushed to disk, then renamed into it. Nobody
    but the account that runs the product may read it.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def save(
        self, key: str, content: bytes, *, content_type: str, retain_until: datetime | None = None
    ) -> bytes:
        """Write atomically: a reader sees the old bytes or the new ones, also after a power cut. Whoever may
        write in the directory may delete from it: retention is the bucket's."""
        self._write(key, lambda file: file.write(content))
        return hashlib.sha256(content).digest()

    def put(self, key: str, source: Path, *, content_type: str) -> bytes:
        """Copy a file as atomically."""
        digest = hashlib.sha256()

        def copy(file: BinaryIO) -> None:
            with source.open("rb") as given:
                while chunk := given.read(CHUNK_BYTES):
                    digest.update(chunk)
                    file.write(chunk)

        self._write(key, copy)
        return digest.digest()

    def _write(self, key: str, fill: Callable[[BinaryIO], object]) -> None:
        target = self._root / checked_key(key)
        _make_private(target.parent)
        beside = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
        try:
            with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                fill(file)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(target)
            flush_directory(target.parent)
        finally:
            beside.unlink(missing_ok=True)

    def load(self, key: str, *, sha256: bytes | None = None) -> bytes:
        """Read a file, checked against its checksum."""
        try:
            content = (self._root / checked_key(key)).read_bytes()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            raise NotFound("There is no such file.") from error
        return checked_content(content, sha256)

    @contextmanager
    def lend(self, key: str) -> Iterator[Path]:
        """Lend the stored file itself."""
        self.size(key)
        yield self._root / checked_key(key)

    def size(self, key: str) -> int:
        """Ask the file system."""
        path = self._root / checked_key(key)
        if not path.is_file():
            raise NotFound("There is no such file.")
        return path.stat().st_size

    def delete(self, key: str) -> None:
        """Unlink the file; its directories stay."""
        (self._root / checked_key(key)).unlink(missing_ok=True)


@lru_cache(maxsize=8)
def open_store(settings: Settings) -> FileStore:
    """Return the store that the settings name: a bucket where one is set, else the data directory."""
    if not settings.s3_bucket:
        return DirectoryStore(settings.files_dir)
    return S3Store(
        bucket=settings.s3_bucket,
        endpoint_url=settings.s3_endpoint_url,
        access_key_id=settings.s3_access_key_id,
        secret_key=settings.s3_secret_access_key,
        locks=settings.s3_object_lock,
    )


def _make_private(directory: Path) -> None:
    """Make a directory and those above it that are missing, each for its owner alone."""
    if not directory.is_dir():
        _make_private(directory.parent)
        directory.mkdir(mode=0o700, exist_ok=True)


def flush_directory(directory: Path) -> None:
    """Bring the names in a directory to the disk, as a new file's own content is by its `fsync`."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
