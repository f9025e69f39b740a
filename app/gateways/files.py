"""The file store behind a Protocol: a directory by default, an S3 bucket by setting.

A key is a path of plain names such as `invoices/2026-27/OT-000001.pdf`. Both stores check what they read
against the checksum that the database remembers, so a document that was changed on disk is never handed out.
"""

import hashlib
import os
import re
import secrets
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from app.config import Settings
from app.errors import DomainError, NotFound
from app.lazy import Lazy

# Loaded only where a bucket is set.
boto3 = Lazy("boto3")
botocore_config = Lazy("botocore.config")
botocore_errors = Lazy("botocore.exceptions")

SAFE_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")
KEY_LENGTH = 512
TIMEOUT_SECONDS = 10
MISSING = frozenset({"NoSuchKey", "404", "NotFound"})


class DamagedFile(DomainError):
    """The stored bytes are not those that were stored; nobody is given them."""

    code = "damaged_file"
    status = 500


class StoreUnavailable(DomainError):
    """The file store did not answer; try again."""

    code = "file_store_unavailable"
    status = 503


class FileStore(Protocol):
    """Where documents are kept."""

    def save(self, key: str, content: bytes, *, content_type: str) -> bytes:
        """Store `content` under `key`, replacing what was there; returns its SHA-256. Durable on return.

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


class DirectoryStore:
    """A `FileStore` in a directory: written beside its place, flushed to disk, then renamed into it."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def save(self, key: str, content: bytes, *, content_type: str) -> bytes:
        """Write atomically: a reader sees the old bytes or the new ones, also after a power cut."""
        target = self._root / checked_key(key)
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
        try:
            with beside.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(target)
            _flush_directory(target.parent)
        finally:
            beside.unlink(missing_ok=True)
        return hashlib.sha256(content).digest()

    def load(self, key: str, *, sha256: bytes | None = None) -> bytes:
        """Read a file, checked against its checksum."""
        try:
            content = (self._root / checked_key(key)).read_bytes()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            raise NotFound("There is no such file.") from error
        return checked_content(content, sha256)


class S3Store:
    """A `FileStore` in an S3 bucket; S3 verifies the checksum that goes along with the upload."""

    def __init__(
        self, *, bucket: str, endpoint_url: str = "", access_key_id: str = "", secret_key: str = ""
    ) -> None:
        self._bucket = bucket
        self._client = boto3.client(
            "s3",
            endpoint_url=endpoint_url or None,
            aws_access_key_id=access_key_id or None,
            aws_secret_access_key=secret_key or None,
            config=botocore_config.Config(
                connect_timeout=TIMEOUT_SECONDS, read_timeout=TIMEOUT_SECONDS, retries={"max_attempts": 3}
            ),
        )

    def save(self, key: str, content: bytes, *, content_type: str) -> bytes:
        """Upload with a checksum."""
        try:
            self._client.put_object(
                Bucket=self._bucket,
                Key=checked_key(key),
                Body=content,
                ContentType=content_type,
                ChecksumAlgorithm="SHA256",
            )
        except (botocore_errors.BotoCoreError, botocore_errors.ClientError) as error:
            raise StoreUnavailable("The file store did not take the document.") from error
        return hashlib.sha256(content).digest()

    def load(self, key: str, *, sha256: bytes | None = None) -> bytes:
        """Download, checked against its checksum."""
        try:
            content: bytes = self._client.get_object(Bucket=self._bucket, Key=checked_key(key))["Body"].read()
        except botocore_errors.ClientError as error:
            if error.response["Error"]["Code"] in MISSING:
                raise NotFound("There is no such file.") from error
            raise StoreUnavailable("The file store did not answer.") from error
        except botocore_errors.BotoCoreError as error:
            raise StoreUnavailable("The file store did not answer.") from error
        return checked_content(content, sha256)


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
    )


def checked_key(key: str) -> str:
    """Return `key` if it is a plain relative path: no empty or dotted part, nothing that leaves the store.

    Raises:
        ValueError: it is not.
    """
    if len(key) > KEY_LENGTH or not SAFE_KEY.fullmatch(key):
        raise ValueError(f"{key[:80]!r} is not a key: use letters, digits, '_', '-', '.' and '/'.")
    return key


def checked_content(content: bytes, sha256: bytes | None) -> bytes:
    """Return `content` if it has that checksum.

    Raises:
        DamagedFile: it has another one.
    """
    if sha256 is not None and hashlib.sha256(content).digest() != sha256:
        raise DamagedFile("The stored document was changed or damaged. Restore it from a backup.")
    return content


def _flush_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
