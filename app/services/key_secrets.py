"""The secrets of API keys as they are kept: a bearer's as a keyed hash, a signed key's encrypted.

A signed key's secret is encrypted by AES-256-GCM with a data key of its own, and that by the key service
(envelope encryption); both are bound to the id of the API key.
"""

import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from hashlib import sha256

from sqlalchemy import select

from app.config import current_settings
from app.db import db
from app.gateways.key_service import KEY_BYTES, decrypt, encrypt, open_key_service
from app.models import ApiKey, ApiKeySecret
from app.models.users import KeyKind

BEARER = re.compile(r"otpb_([a-z0-9]{10})_([A-Za-z0-9_-]{43})")
STARTS = {KeyKind.bearer: "otpb", KeyKind.hmac: "otps"}


@dataclass(frozen=True, slots=True)
class Sealed:
    """A signed key's secret as it is stored, apart from its row: opened when no transaction is."""

    key_id: str
    service: str
    wrapped_key: bytes
    ciphertext: bytes

    @classmethod
    def of(cls, kept: ApiKeySecret) -> "Sealed":
        """Return what a row holds; it must be one of a signed key."""
        assert kept.key_service is not None
        assert kept.wrapped_key is not None
        assert kept.ciphertext is not None
        return cls(str(kept.key_id), kept.key_service, kept.wrapped_key, kept.ciphertext)


def add(key: ApiKey, *, at: datetime) -> str:
    """Give a key one more secret and return it.

    Raises:
        KeyServiceUnavailable: it cannot be encrypted now.
    """
    secret = f"{STARTS[key.kind]}_{key.prefix}_{secrets.token_urlsafe(32)}"
    kept = ApiKeySecret(key_id=key.id, created_at=at)
    if key.kind == KeyKind.bearer:
        kept.secret_hash = hash_secret(secret)
    else:
        settings, data_key = current_settings(), secrets.token_bytes(KEY_BYTES)
        service = open_key_service(settings.key_service, settings)
        kept.ciphertext = encrypt(data_key, secret.encode(), context=str(key.id))
        kept.wrapped_key = service.wrap(data_key, context=str(key.id))
        kept.key_service = settings.key_service
    key.secrets.append(kept)
    return secret


def reveal(sealed: Sealed) -> str:
    """Return a signed key's secret in the clear. It is for verifying, and never leaves the process.

    Raises:
        KeyServiceUnavailable: the key service did not answer, or what is stored does not open.
    """
    return decrypt(_data_key(sealed), sealed.ciphertext, context=sealed.key_id).decode()


def rewrap() -> int:
    """Have every data key wrapped anew by the present key service and master key; return how many there are.

    Raises:
        KeyServiceUnavailable: one of them does not open; nothing was changed.
    """
    settings = current_settings()
    service = open_key_service(settings.key_service, settings)
    query = select(ApiKeySecret).where(ApiKeySecret.key_service.is_not(None)).order_by(ApiKeySecret.id)
    found = list(db.session.scalars(query.with_for_update()))
    for kept in found:
        sealed = Sealed.of(kept)
        kept.wrapped_key = service.wrap(_data_key(sealed), context=sealed.key_id)
        kept.key_service = settings.key_service
    return len(found)


def _data_key(sealed: Sealed) -> bytes:
    service = open_key_service(sealed.service, current_settings())
    return service.unwrap(sealed.wrapped_key, context=sealed.key_id)


def hash_secret(secret: str) -> bytes:
    """Return the keyed hash under which a bearer secret is stored: the table alone tells nobody a secret."""
    return hmac.digest(_hash_key(current_settings().secret_key), secret.encode(), "sha256")


@lru_cache(maxsize=4)
def _hash_key(secret_key: str) -> bytes:
    return hmac.digest(secret_key.encode(), b"otpless-billing api keys", sha256)
