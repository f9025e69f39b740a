"""The key service behind a Protocol: it encrypts the small data keys that encrypt everything else (envelope
encryption), and its own master key never leaves it.

`local` (the default) has its master key in DATA/master.key or in the setting MASTER_KEY; `kms` is AWS KMS. A
wrapped key opens only in the context that it was wrapped for, the id of its API key.
"""

import os
import secrets
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from app.config import Settings
from app.errors import Unavailable
from app.gateways.files import flush_directory
from app.lazy import Lazy
from app.registry import Registry

# Loaded only where a signed key is used.
aead = Lazy("cryptography.hazmat.primitives.ciphers.aead")
cryptography_errors = Lazy("cryptography.exceptions")
boto3 = Lazy("boto3")
botocore_config = Lazy("botocore.config")
botocore_errors = Lazy("botocore.exceptions")

KEY_BYTES = 32
NONCE_BYTES = 12
NAME_BYTES = 8
TIMEOUT_SECONDS = 5


class KeyServiceUnavailable(Unavailable):
    """The master key is missing, or the service that holds it did not answer."""

    code = "key_service_unavailable"


class KeyService(Protocol):
    """Who wraps and unwraps data keys."""

    def wrap(self, data_key: bytes, *, context: str) -> bytes:
        """Return 32 bytes encrypted by the master key.

        Raises:
            KeyServiceUnavailable: it did not answer.
        """

    def unwrap(self, wrapped: bytes, *, context: str) -> bytes:
        """Return what was wrapped.

        Raises:
            KeyServiceUnavailable: it did not answer, or it was wrapped in another context, by another master
                key, or changed since.
        """

    def renew(self) -> None:
        """Have what is wrapped from now on wrapped by a new master key; the older ones still unwrap.

        Raises:
            KeyServiceUnavailable: its master key is not changed from here.
        """


key_services: Registry[type] = Registry("key service")


@lru_cache(maxsize=4)
def open_key_service(name: str, settings: Settings) -> KeyService:
    """Return the key service of that name.

    Raises:
        UnknownName: there is none; the message lists those there are.
    """
    service: KeyService = key_services[name](settings)
    return service


def encrypt(key: bytes, plain: bytes, *, context: str) -> bytes:
    """Return nonce, AES-256-GCM ciphertext and tag; `context` is authenticated along."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    sealed: bytes = aead.AESGCM(key).encrypt(nonce, plain, context.encode())
    return nonce + sealed


def decrypt(key: bytes, sealed: bytes, *, context: str) -> bytes:
    """Return what `encrypt` was given.

    Raises:
        KeyServiceUnavailable: the key or the context is another, or it was changed.
    """
    nonce, rest = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
    try:
        plain: bytes = aead.AESGCM(key).decrypt(nonce, rest, context.encode())
    except (cryptography_errors.InvalidTag, ValueError):
        raise KeyServiceUnavailable("A stored secret cannot be opened with the present keys.") from None
    return plain


@key_services.register("local")
class LocalKeyService:
    """A `KeyService` with its master keys at hand, the newest first; a wrapped key begins with its master's
    name.
    """

    def __init__(self, settings: Settings) -> None:
        self._given = settings.master_key
        self._file = settings.data_dir / "master.key"

    def wrap(self, data_key: bytes, *, context: str) -> bytes:
        """Wrap by the newest master key, which is made on first use."""
        master = self._masters()[0]
        return _name(master) + encrypt(master, data_key, context=context)

    def unwrap(self, wrapped: bytes, *, context: str) -> bytes:
        """Unwrap by the master key that it names."""
        name, sealed = wrapped[:NAME_BYTES], wrapped[NAME_BYTES:]
        for master in self._masters():
            if _name(master) == name:
                return decrypt(master, sealed, context=context)
        raise KeyServiceUnavailable("The master key of a stored secret is missing: restore master.key.")

    def renew(self) -> None:
        """Put a new master key before the others in the file."""
        if self._given:
            raise KeyServiceUnavailable("Put a new key before the others in MASTER_KEY, then do this again.")
        kept = [master.hex() for master in self._masters()]
        beside = _write_beside(self._file, [secrets.token_hex(KEY_BYTES), *kept])
        beside.replace(self._file)
        flush_directory(self._file.parent)

    def _masters(self) -> list[bytes]:
        if self._given:
            return [bytes.fromhex(text) for text in self._given]
        try:
            lines = self._file.read_text("ascii").split()
        except FileNotFoundError:
            _make_once(self._file)
            lines = self._file.read_text("ascii").split()
        return [bytes.fromhex(line) for line in lines]


def _name(master: bytes) -> bytes:
    return sha256(b"otpless-billing master key" + master).digest()[:NAME_BYTES]


def _make_once(file: Path) -> None:
    """Make the file; of several processes that do this at once, all see the key of the first."""
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = _write_beside(file, [secrets.token_hex(KEY_BYTES)])
    try:
        os.link(beside, file)
    except FileExistsError:
        return
    finally:
        beside.unlink()
    flush_directory(file.parent)


def _write_beside(file: Path, lines: list[str]) -> Path:
    beside = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as opened:
        opened.write("\n".join(lines) + "\n")
        opened.flush()
        os.fsync(opened.fileno())
    return beside


@key_services.register("kms")
class KmsKeyService:
    """A `KeyService` of AWS KMS, which rotates its key material itself; region and credentials are those
    that boto3 finds.
    """

    def __init__(self, settings: Settings) -> None:
        self._key_id = settings.kms_key_id
        self._client = boto3.client(
            "kms",
            endpoint_url=settings.kms_endpoint_url or None,
            config=botocore_config.Config(
                connect_timeout=TIMEOUT_SECONDS, read_timeout=TIMEOUT_SECONDS, retries={"max_attempts": 2}
            ),
        )

    def wrap(self, data_key: bytes, *, context: str) -> bytes:
        """Ask KMS to encrypt; the context is part of its own record of who did what."""
        return self._ask("encrypt", "CiphertextBlob", Plaintext=data_key, context=context)

    def unwrap(self, wrapped: bytes, *, context: str) -> bytes:
        """Ask KMS to decrypt."""
        return self._ask("decrypt", "Plaintext", CiphertextBlob=wrapped, context=context)

    def renew(self) -> None:
        """KMS does this itself, by schedule."""
        raise KeyServiceUnavailable("KMS renews its key material itself; set its rotation there.")

    def _ask(self, act: str, answer: str, *, context: str, **values: bytes) -> bytes:
        try:
            answered = getattr(self._client, act)(
                KeyId=self._key_id, EncryptionContext={"api_key": context}, **values
            )
        except (botocore_errors.BotoCoreError, botocore_errors.ClientError) as error:
            raise KeyServiceUnavailable(f"KMS could not {act} a key: {type(error).__name__}.") from error
        found: bytes = answered[answer]
        return found
