"""What every file store keeps to: plain keys, checksums, and how it refuses."""

import hashlib
import re
from pathlib import Path

from app.errors import DomainError

SAFE_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")
KEY_LENGTH = 512
CHUNK_BYTES = 1 << 20


class DamagedFile(DomainError):
    """The stored bytes are not those that were stored; nobody is given them."""

    code = "damaged_file"
    status = 500


class StoreUnavailable(DomainError):
    """The file store did not answer; try again."""

    code = "file_store_unavailable"
    status = 503


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
