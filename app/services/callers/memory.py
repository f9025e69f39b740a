"""What a process remembers of callers, for five seconds at most, and who may call by it."""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Generic, TypeVar
from uuid import UUID

from sqlalchemy import or_, update

from app.db import db, is_isolated
from app.models import ApiKey
from app.permissions import Actor, Role

# A revocation is effective in every process after this long at most.
REMEMBERED_SECONDS = 5.0
# From here on one request asks again, and the others need not.
RENEWED_SECONDS = 3.0
MOST_REMEMBERED = 10_000
USE_NOTED_EVERY = timedelta(minutes=1)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom a key stands for, until when, and from where."""

    actor: Actor
    expires_at: datetime | None
    networks: tuple[IPv4Network | IPv6Network, ...] = ()

    @classmethod
    def of(cls, key: ApiKey, secret_expires_at: datetime | None = None) -> "Caller":
        """Return whom a stored key stands for, by a secret that may end before it."""
        actor = Actor(
            kind="api_key",
            id=str(key.id),
            label=key.name,
            role=Role.service,
            account_id=str(key.account_id) if key.account_id else None,
            scopes=frozenset(key.scopes),
        )
        return cls(
            actor, _earlier(key.expires_at, secret_expires_at), tuple(map(ip_network, key.allowed_ips))
        )

    def may_call(self, *, at: datetime, ip: str | None) -> bool:
        """Tell whether it has not ended and may call from that address."""
        if self.expires_at is not None and self.expires_at <= at:
            return False
        return not self.networks or _is_within(ip, self.networks)


class Memory(Generic[T]):
    """Values by a name, each remembered for five seconds from when it was asked for.

    Inside `bind_to` nothing is remembered.
    """

    def __init__(self) -> None:
        self._entries: dict[bytes, _Entry[T]] = {}

    def recall(self, name: bytes) -> T | None:
        """Return what is remembered; after three seconds one request gets None, and asks again."""
        entry, now = self._entries.get(name), time.monotonic()
        if entry is None or entry.until < now or is_isolated():
            return None
        if entry.renew_at < now:
            entry.renew_at = entry.until
            return None
        return entry.value

    def keep(self, name: bytes, value: T, *, asked: float) -> None:
        """Remember a value that the database was asked for at `asked` (monotonic seconds)."""
        if is_isolated():
            return
        if len(self._entries) >= MOST_REMEMBERED:
            self._entries.clear()
        self._entries[name] = _Entry(value, asked + RENEWED_SECONDS, asked + REMEMBERED_SECONDS)

    def drop(self, name: bytes) -> None:
        """Forget one."""
        self._entries.pop(name, None)

    def clear(self) -> None:
        """Forget all."""
        self._entries.clear()


@dataclass(slots=True)
class _Entry(Generic[T]):
    value: T
    renew_at: float
    until: float


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    """Return the earlier of two ends, None where there is no end."""
    ends = [end for end in (one, other) if end is not None]
    return min(ends, default=None)


def _is_within(ip: str | None, networks: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    """Tell whether an address lies in one of the networks; an IPv4 address in IPv6 clothes is an IPv4 one."""
    try:
        address: IPv4Address | IPv6Address = ip_address(ip or "")
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in network for network in networks)


def note_use(key_id: UUID, at: datetime) -> None:
    """Note on a key that it is in use, about once a minute."""
    stale = at - USE_NOTED_EVERY
    unnoted = or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at <= stale)
    db.session.execute(
        update(ApiKey).where(ApiKey.id == key_id, unnoted).values(last_used_at=at),
        execution_options={"synchronize_session": False},
    )
