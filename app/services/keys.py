"""API keys: made, rotated, revoked. A secret is shown once; what is kept of it is in `key_secrets`."""

import secrets
from datetime import datetime, timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import joinedload, selectinload

from app.db import db, lock
from app.errors import Conflict, Forbidden, Invalid, NotFound
from app.models import Account, ApiKey, ApiKeySecret
from app.models.users import KeyKind
from app.permissions import SCOPES, Actor, Role
from app.services import audit, key_secrets
from app.services.callers import bearers, signers

PREFIX_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
MOST_SECRETS = 2
MOST_NETWORKS = 50
OVERLAP = timedelta(hours=24)
LONGEST_OVERLAP = timedelta(days=30)


def create(
    name: str,
    *,
    kind: KeyKind | str = KeyKind.bearer,
    scopes: list[str],
    account: Account | None = None,
    expires_at: datetime | None = None,
    allowed_ips: list[str] | None = None,
    actor: Actor,
    at: datetime,
) -> tuple[ApiKey, str]:
    """Make a key and return it with its secret, which is never seen again.

    `scopes` are keys of `permissions.SCOPES`, or `all`; `account` narrows the key to one account,
    `allowed_ips` (addresses and CIDR networks) to callers from there.

    Raises:
        Invalid: an empty name, an unknown kind, an unknown or no scope, an expiry in the past, a network that
            is none.
        Forbidden: a key or a token gives a scope that it does not have.
    """
    if not name.strip() or len(name) > 200:
        raise Invalid.at("/name", "A name of 1 to 200 characters is needed.")
    if kind not in list(KeyKind):
        raise Invalid.at("/kind", f"Choose one of: {', '.join(KeyKind)}.")
    if expires_at is not None and expires_at <= at:
        raise Invalid.at("/expires_at", "The expiry is in the past.")
    key = ApiKey(
        name=name.strip(),
        kind=KeyKind(kind),
        prefix="".join(secrets.choice(PREFIX_ALPHABET) for _ in range(10)),
        scopes=_checked_scopes(scopes, actor),
        account_id=account.id if account else None,
        allowed_ips=_checked_networks(allowed_ips or []),
        expires_at=expires_at,
    )
    db.session.add(key)
    db.session.flush()
    secret = key_secrets.add(key, at=at)
    after = {"kind": key.kind, "scopes": key.scopes, "allowed_ips": key.allowed_ips}
    audit.record(actor, "api_key.created", key, summary=f"API key {key.name} made", at=at, after=after)
    return key, secret


def rotate(key: ApiKey, *, overlap: timedelta = OVERLAP, actor: Actor, at: datetime) -> tuple[ApiKey, str]:
    """Give a key a second secret and return it; the one before ends after `overlap` (0 to 30 days).

    Raises:
        Invalid: an overlap that is negative or too long.
        Conflict: the key is revoked or past its expiry, or two of its secrets are active already.
    """
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        raise Invalid.at("/overlap_hours", f"Choose an overlap of 0 to {LONGEST_OVERLAP.days} days.")
    [key] = lock(ApiKey, [key.id])
    if state_of(key, at) != "active":
        raise Conflict("This key has ended. Make a new one.")
    active = active_secrets(key, at)
    if len(active) >= MOST_SECRETS:
        ends = min(one.expires_at for one in active if one.expires_at is not None)
        raise Conflict(
            f"Two secrets of this key are active until {ends:%Y-%m-%d %H:%M} UTC. Rotate it after that, "
            "or make a new key and revoke this one."
        )
    for one in key.secrets:
        if one not in active:
            db.session.delete(one)
    for one in active:
        one.expires_at = at + overlap
    secret = key_secrets.add(key, at=at)
    audit.record(
        actor,
        "api_key.rotated",
        key,
        summary=f"API key {key.name} has a new secret; the one before ends in {overlap}",
        at=at,
        after={"previous_secret_expires_at": at + overlap},
    )
    _forget()
    return key, secret


def revoke(key: ApiKey, *, actor: Actor, at: datetime) -> ApiKey:
    """End a key for good; doing it twice changes nothing."""
    if key.revoked_at is None:
        key.revoked_at = at
        audit.record(actor, "api_key.revoked", key, summary=f"API key {key.name} revoked", at=at)
        _forget()
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
    """Return the query of all keys, with their accounts and secrets."""
    return select(ApiKey).options(joinedload(ApiKey.account), selectinload(ApiKey.secrets))


def state_of(key: ApiKey, at: datetime) -> str:
    """Return `active`, `expired` or `revoked`."""
    if key.revoked_at is not None:
        return "revoked"
    return "active" if _is_before(at, key.expires_at) else "expired"


def active_secrets(key: ApiKey, at: datetime) -> list[ApiKeySecret]:
    """Return the secrets that `key` may be used with, the oldest first."""
    return [one for one in key.secrets if _is_before(at, one.expires_at)]


def _is_before(at: datetime, end: datetime | None) -> bool:
    return end is None or at < end


def _checked_scopes(scopes: list[str], actor: Actor) -> list[str]:
    choices = ", ".join((*SCOPES, "all"))
    unknown = [scope for scope in scopes if scope not in SCOPES and scope != "all"]
    if unknown:
        raise Invalid.at("/scopes", f"There is no scope {unknown[0]!r}. Choose of: {choices}.")
    if not scopes:
        raise Invalid.at("/scopes", f"Choose at least one scope of: {choices}.")
    if actor.role is Role.service and "all" not in actor.scopes:
        beyond = sorted(set(scopes) - actor.scopes)
        if beyond:
            raise Forbidden.at("/scopes", f"A key gives no scope that it does not have: {beyond[0]}.")
    return sorted(set(scopes))


def _checked_networks(texts: list[str]) -> list[str]:
    if len(texts) > MOST_NETWORKS:
        raise Invalid.at("/allowed_ips", f"At most {MOST_NETWORKS} networks.")
    found: list[IPv4Network | IPv6Network] = []
    for position, text in enumerate(texts):
        try:
            found.append(ip_network(text.strip()))
        except ValueError:
            message = f"{text!r} is no address and no network such as 203.0.113.0/24 or 2001:db8::/32."
            raise Invalid.at(f"/allowed_ips/{position}", message) from None
    return [str(network) for network in dict.fromkeys(found)]


def _forget() -> None:
    """Forget all callers in this process at once; the others do within five seconds."""
    bearers.memory.clear()
    signers.memory.clear()
