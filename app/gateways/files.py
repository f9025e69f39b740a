"""The file store behind a Protocol: a directory by default, an S3 bucket by setting.

A key is a path of plain names such as `invoices/2026-27/OT-000001.pdf`. Both stores check what they read
against the checksum that the database remembers, so a document that was changed on disk is never handed out.
"""

import hashlib
import os
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, Protocol

from app.config import Settings
from app.errors import DomainError, NotFound
from app.lazy import Lazy

# Loaded only where a bucket is set.
boto3 = Lazy("boto3")
boto3_errors = Lazy("boto3.exceptions")
botocore_config = Lazy("botocore.config")
botocore_errors = Lazy("botocore.exceptions")

SAFE_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")
KEY_LENGTH = 512
TIMEOUT_SECONDS = 10
CHUNK_BYTES = 1 << 20
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

    def save(self, key: str, content: bytes, *, content_type: str) -> bytes:
        """Write atomically: a reader sees the old bytes or the new ones, also after a power cut."""
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
            _flush_directory(target.parent)
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
        with _answers():
            content: bytes = self._client.get_object(Bucket=self._bucket, Key=checked_key(key))["Body"].read()
        return checked_content(content, sha256)

    def put(self, key: str, source: Path, *, content_type: str) -> bytes:
        """Upload in parts, each with a checksum."""
        extra = {"ContentType": content_type, "ChecksumAlgorithm": "SHA256"}
        try:
            self._client.upload_file(str(source), self._bucket, checked_key(key), ExtraArgs=extra)
        except (botocore_errors.BotoCoreError, boto3_errors.S3UploadFailedError) as error:
            raise StoreUnavailable("The file store did not take the document.") from error
        return sha256_of(source)

    @contextmanager
    def lend(self, key: str) -> Iterator[Path]:
        """Download to a directory that goes afterwards."""
        with TemporaryDirectory(prefix="lent-") as folder:
            path = Path(folder, checked_key(key).rpartition("/")[2])
            with _answers():
                self._client.download_file(self._bucket, key, str(path))
            yield path

    def size(self, key: str) -> int:
        """Ask for the head of the object."""
        with _answers():
            length: int = self._client.head_object(Bucket=self._bucket, Key=checked_key(key))["ContentLength"]
        return length

    def delete(self, key: str) -> None:
        """Delete the object."""
        with _answers():
            self._client.delete_object(Bucket=self._bucket, Key=checked_key(key))


@contextmanager
def _answers() -> Iterator[None]:
    """Turn what S3 refuses into the errors of a `FileStore`."""
    try:
        yield
    except botocore_errors.ClientError as error:
        if error.response["Error"]["Code"] in MISSING:
            raise NotFound("There is no such file.") from error
        raise StoreUnavailable("The file store did not answer.") from error
    except botocore_errors.BotoCoreError as error:
        raise StoreUnavailable("The file store did not answer.") from error


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


def sha256_of(path: Path) -> bytes:
    """Return the SHA-256 of a file of any size."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _make_private(directory: Path) -> None:
    """Make a directory and those above it that are missing, each for its owner alone."""
    if not directory.is_dir():
        _make_private(directory.parent)
        directory.mkdir(mode=0o700, exist_ok=True)


def _flush_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
