"""Signed keys: the secret signs each request and is never sent (docs/integration/signing.md)."""

import time
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from app.db import db
from app.domain.signatures import Claim, is_signed_by
from app.models import ApiKey
from app.models.users import KeyKind
from app.services.callers.memory import Caller, Memory
from app.services.key_secrets import Sealed, reveal

# Verified for a key that there is not, so that its refusal takes as long.
NOBODYS_SECRET = "otps_nobody"  # noqa: S105  (it opens nothing)


@dataclass(frozen=True, slots=True)
class Signer:
    """Whom a signed key stands for, and its secrets with their ends: in this process's memory only."""

    caller: Caller
    secrets: tuple[tuple[str, datetime | None], ...]

    def __repr__(self) -> str:
        return f"Signer({self.caller.actor.id})"


@dataclass(frozen=True, slots=True)
class StoredSigner:
    """The same as the database has it, asked at `asked` (monotonic seconds)."""

    caller: Caller
    secrets: tuple[tuple[Sealed, datetime | None], ...]
    asked: float


memory: Memory[Signer] = Memory()


def remembered(key_id: str) -> Signer | None:
    """Return whom this id stood for at most 5 seconds ago, without asking the database."""
    return memory.recall(key_id.encode())


def load(key_id: str) -> StoredSigner | None:
    """Return the signed key with this id, None where there is none or it is revoked."""
    asked = time.monotonic()
    query = (
        select(ApiKey)
        .where(ApiKey.id == UUID(key_id), ApiKey.kind == KeyKind.hmac, ApiKey.revoked_at.is_(None))
        .options(selectinload(ApiKey.secrets))
    )
    key = db.session.scalar(query.execution_options(populate_existing=True))
    if key is None:
        memory.drop(key_id.encode())
        return None
    return StoredSigner(
        Caller.of(key), tuple((Sealed.of(kept), kept.expires_at) for kept in key.secrets), asked
    )


def unlock(stored: StoredSigner) -> Signer:
    """Return a stored signer with its secrets in the clear, and remember it for 5 seconds.

    Raises:
        KeyServiceUnavailable: the secrets cannot be decrypted now.
    """
    signer = Signer(stored.caller, tuple((reveal(sealed), end) for sealed, end in stored.secrets))
    memory.keep(stored.caller.actor.id.encode(), signer, asked=stored.asked)
    return signer


def is_signed(signer: Signer | None, claim: Claim, text: bytes, *, at: datetime) -> bool:
    """Tell whether one of the signer's active secrets made the signature. Nobody (None) never did."""
    if signer is None:
        is_signed_by([NOBODYS_SECRET], text, claim.signature)
        return False
    active = [secret for secret, end in signer.secrets if end is None or at < end]
    return is_signed_by(active or [NOBODYS_SECRET], text, claim.signature) and bool(active)
