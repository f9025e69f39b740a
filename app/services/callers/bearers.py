"""Bearer keys: the secret itself is sent."""

import hmac
import time
from datetime import datetime
from hashlib import sha256

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from app.db import db
from app.models import ApiKey, ApiKeySecret
from app.models.users import KeyKind
from app.permissions import Actor
from app.services import key_secrets
from app.services.callers.memory import Caller, Memory, note_use

memory: Memory[Caller] = Memory()


def remembered(secret: str) -> Caller | None:
    """Return whom this secret stood for at most 5 seconds ago, without asking the database."""
    return memory.recall(_name(secret))


def recognise(secret: str, *, at: datetime, ip: str | None) -> Caller | None:
    """Return whom a secret stands for, None if it is wrong, its key is revoked, or it may not call now and
    from there.

    The answer is remembered for 5 seconds; that the key is in use is noted on it about once a minute.
    """
    asked = time.monotonic()
    found = find(secret)
    if found is None or found.key.revoked_at is not None:
        memory.drop(_name(secret))
        return None
    caller = Caller.of(found.key, found.expires_at)
    memory.keep(_name(secret), caller, asked=asked)
    if not caller.may_call(at=at, ip=ip):
        return None
    note_use(found.key_id, at)
    return caller


def known(secret: str) -> Actor | None:
    """Return whose secret it is, whether or not the key may still call: for the audit trail."""
    found = find(secret)
    return None if found is None else Caller.of(found.key).actor


def find(secret: str) -> ApiKeySecret | None:
    """Return what is kept of this secret, whatever its key's state; None for a secret that is not one."""
    match = key_secrets.BEARER.fullmatch(secret)
    if match is None:
        return None
    query = (
        select(ApiKey)
        .where(ApiKey.prefix == match.group(1), ApiKey.kind == KeyKind.bearer)
        .options(selectinload(ApiKey.secrets))
    )
    key = db.session.scalar(query.execution_options(populate_existing=True))
    hashed, found = key_secrets.hash_secret(secret), None
    for kept in key.secrets if key else ():
        if hmac.compare_digest(kept.secret_hash or b"", hashed):
            found = kept
    return found


def _name(secret: str) -> bytes:
    return sha256(secret.encode()).digest()
