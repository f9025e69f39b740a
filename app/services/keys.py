"""API keys: made, recognised, revoked. A bearer secret is shown once and kept only as a keyed hash."""

import hmac
import re
import secrets
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy import Select, or_, select, update
from sqlalchemy.orm import joinedload

from app.config import current_settings
from app.db import db, is_isolated
from app.errors import Invalid, NotFound
from app.models import Account, ApiKey
from app.models.users import KeyKind
from app.permissions import SCOPES, Actor, Role
from app.services import audit

SECRET = re.compile(r"otpb_([a-z0-9]{10})_([A-Za-z0-9_-]{43})")
PREFIX_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
# A revocation is effective in every process after this long at most.
REMEMBERED_SECONDS = 5.0
# From here on one request asks again, and the others need not.
RENEWED_SECONDS = 3.0
MOST_REMEMBERED = 10_000
USE_NOTED_EVERY = timedelta(minutes=1)


@dataclass(slots=True)
class _Recognised:
    actor: Actor
    expires_at: datetime | None
    renew_at: float
    until: float


_recognised: dict[bytes, _Recognised] = {}


def create(
    name: str,
    *,
    kind: KeyKind | str = KeyKind.bearer,
    scopes: list[str],
    account: Account | None = None,
    expires_at: datetime | None = None,
    actor: Actor,
    at: datetime,
) -> tuple[ApiKey, str]:
    """Make a key and return it with its secret, which is never seen again.

    `scopes` are keys of `permissions.SCOPES`, or `all`; `account` narrows the key to one account.

    Raises:
        Invalid: an empty name, an unknown or no scope, an expiry in the past, a kind that cannot be made yet.
    """
    if not name.strip() or len(name) > 200:
        raise Invalid.at("/name", "A name of 1 to 200 characters is needed.")
    unknown = [scope for scope in scopes if scope not in SCOPES and scope != "all"]
    choices = ", ".join((*SCOPES, "all"))
    if unknown:
        raise Invalid.at("/scopes", f"There is no scope {unknown[0]!r}. Choose of: {choices}.")
    if not scopes:
        raise Invalid.at("/scopes", f"Choose at least one scope of: {choices}.")
    if expires_at is not None and expires_at <= at:
        raise Invalid.at("/expires_at", "The expiry is in the past.")
    if kind != KeyKind.bearer:
        raise Invalid.at("/kind", "Keys of this kind are not made here; choose bearer.")
    prefix = "".join(secrets.choice(PREFIX_ALPHABET) for _ in range(10))
    secret = f"otpb_{prefix}_{secrets.token_urlsafe(32)}"
    key = ApiKey(
        name=name.strip(),
        kind=KeyKind.bearer,
        prefix=prefix,
        secret_hash=hash_secret(secret),
        scopes=sorted(set(scopes)),
        account_id=account.id if account else None,
        expires_at=expires_at,
    )
    db.session.add(key)
    audit.record(
        actor, "api_key.created", key, summary=f"API key {key.name} made", at=at, after={"scopes": key.scopes}
    )
    return key, secret


def revoke(key: ApiKey, *, actor: Actor, at: datetime) -> ApiKey:
    """End a key for good; doing it twice changes nothing."""
    if key.revoked_at is None:
        key.revoked_at = at
        audit.record(actor, "api_key.revoked", key, summary=f"API key {key.name} revoked", at=at)
        _recognised.clear()
    return key


def get(key_id: UUID) -> ApiKey:
    """Return a key.

    Raises:
        NotFound: there is none with this id.
    """
    key = db.session.get(ApiKey, key_id)
    if key is None:
        raise NotFound("There is no such API key.")
    return key


def list_query() -> Select[Any]:
    """Return the query of all keys, with their accounts."""
    return select(ApiKey).options(joinedload(ApiKey.account))


def find_by_secret(secret: str) -> ApiKey | None:
    """Return the key that this secret belongs to, whatever its state; None for a secret that is not one."""
    match = SECRET.fullmatch(secret)
    if match is None:
        return None
    query = select(ApiKey).where(ApiKey.prefix == match.group(1), ApiKey.kind == KeyKind.bearer)
    key = db.session.scalar(query.execution_options(populate_existing=True))
    if key is None or not hmac.compare_digest(key.secret_hash, hash_secret(secret)):
        return None
    return key


def remembered(secret: str, *, at: datetime) -> Actor | None:
    """Return who this bearer secret stood for at most 5 seconds ago, without asking the database."""
    known, now = _recognised.get(_memory_key(secret)), time.monotonic()
    if known is None or known.until < now or is_isolated():
        return None
    if known.renew_at < now:
        known.renew_at = known.until
        return None
    return None if known.expires_at is not None and known.expires_at <= at else known.actor


def recognise(secret: str, *, at: datetime) -> Actor | None:
    """Return who a bearer secret stands for, None if it is wrong, revoked or past its expiry.

    The answer is remembered for 5 seconds; that the key is in use is noted on it about once a minute.
    """
    key = find_by_secret(secret)
    if key is None or key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= at):
        return None
    actor = Actor(
        kind="api_key",
        id=str(key.id),
        label=key.name,
        role=Role.service,
        account_id=str(key.account_id) if key.account_id else None,
        scopes=frozenset(key.scopes),
    )
    if len(_recognised) >= MOST_REMEMBERED:
        _recognised.clear()
    if not is_isolated():
        now = time.monotonic()
        _recognised[_memory_key(secret)] = _Recognised(
            actor, key.expires_at, now + RENEWED_SECONDS, now + REMEMBERED_SECONDS
        )
    _note_use(key, at)
    return actor


def _note_use(key: ApiKey, at: datetime) -> None:
    stale = at - USE_NOTED_EVERY
    if key.last_used_at is not None and key.last_used_at > stale:
        return
    unnoted = or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at <= stale)
    db.session.execute(
        update(ApiKey).where(ApiKey.id == key.id, unnoted).values(last_used_at=at),
        execution_options={"synchronize_session": False},
    )


def _memory_key(secret: str) -> bytes:
    return sha256(secret.encode()).digest()


def hash_secret(secret: str) -> bytes:
    """Return the keyed hash under which a secret is stored: the table alone tells nobody a secret."""
    return hmac.digest(_hash_key(current_settings().secret_key), secret.encode(), "sha256")


@lru_cache(maxsize=4)
def _hash_key(secret_key: str) -> bytes:
    return hmac.digest(secret_key.encode(), b"otpless-billing api keys", sha256)
