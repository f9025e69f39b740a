"""The file store in an S3 bucket, of Amazon or of whoever speaks its protocol (MinIO)."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from app.errors import NotFound
from app.gateways.stored import StoreUnavailable, checked_content, checked_key, sha256_of
from app.lazy import Lazy

# Loaded only where a bucket is set.
boto3 = Lazy("boto3")
boto3_errors = Lazy("boto3.exceptions")
botocore_config = Lazy("botocore.config")
botocore_errors = Lazy("botocore.exceptions")

TIMEOUT_SECONDS = 10
MISSING = frozenset({"NoSuchKey", "404", "NotFound"})


class S3Store:
    """A `FileStore` in an S3 bucket; S3 verifies the checksum that goes along with the upload. With `locks`,
    which needs a bucket with Object Lock, nobody deletes a document before the time it is kept for.
    """

    def __init__(
        self,
        *,
        bucket: str,
        endpoint_url: str = "",
        access_key_id: str = "",
        secret_key: str = "",
        locks: bool = False,
    ) -> None:
        self._bucket, self._locks = bucket, locks
        self._client = boto3.client(
            "s3",
            endpoint_url=endpoint_url or None,
            aws_access_key_id=access_key_id or None,
            aws_secret_access_key=secret_key or None,
            config=botocore_config.Config(
                connect_timeout=TIMEOUT_SECONDS, read_timeout=TIMEOUT_SECONDS, retries={"max_attempts": 3}
            ),
        )

    def save(
        self, key: str, content: bytes, *, content_type: str, retain_until: datetime | None = None
    ) -> bytes:
        """Upload with a checksum, locked where the store locks."""
        lock: dict[str, Any] = {}
        if self._locks and retain_until is not None:
            lock = {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": retain_until}
        try:
            self._client.put_object(
                Bucket=self._bucket,
                Key=checked_key(key),
                Body=content,
                ContentType=content_type,
                ChecksumAlgorithm="SHA256",
                **lock,
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
