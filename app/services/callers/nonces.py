"""A nonce is used once per key. PostgreSQL is the truth, so a flushed Redis lets nothing in again.

The nonces of concurrent requests share a statement and its COMMIT (`group_commit`), and that COMMIT does not
wait for the disk: see docs/security/README.md on what a crash of PostgreSQL can mean.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from flask import Flask

from app.domain.signatures import Claim
from app.services.group_commit import GroupCommit, commit_raw, group_of

# Kept longer than its request can be accepted by this, for servers whose clocks differ.
MARGIN = timedelta(seconds=60)
UNKNOWN = "The database did not confirm that the nonce is new. Sign the request again, with another nonce."

# One order for everybody keeps two processes with the same nonces from waiting for each other.
USE = """
INSERT INTO used_nonces (key_id, nonce, forget_at)
SELECT one.key_id, one.nonce, one.forget_at
FROM unnest(%s::uuid[], %s::text[], %s::timestamptz[]) AS one (key_id, nonce, forget_at),
     set_config('synchronous_commit', 'off', true)
ORDER BY one.key_id, one.nonce
ON CONFLICT DO NOTHING RETURNING key_id, nonce
"""


FORGET = """
DELETE FROM used_nonces
WHERE ctid = ANY (ARRAY(SELECT ctid FROM used_nonces WHERE forget_at < %s LIMIT %s))
"""
MOST_AT_ONCE = 20_000


class Nonce(NamedTuple):
    """A nonce of a key, and until when it has to be remembered."""

    key_id: UUID
    nonce: str
    forget_at: datetime


def use(claim: Claim) -> bool:
    """Use the nonce of a request that is signed rightly and in time; False where it was used before.

    Raises:
        Unavailable: the database is away or did not confirm: the request must not be let in.
    """
    forget_at = datetime.fromtimestamp(claim.stale_from, UTC) + MARGIN
    nonce = Nonce(UUID(claim.key_id), claim.nonce, forget_at)
    return group_of("nonces", _group).submit([nonce])[0]


def forget_nonces(at: datetime) -> int:
    """Delete the nonces whose requests nobody would accept any more; return how many.

    In transactions of its own, so that a busy hour's worth holds nobody up.
    """
    total, done = 0, MOST_AT_ONCE
    while done == MOST_AT_ONCE:
        done = commit_raw(partial(_forget, at))
        total += done
    return total


def _forget(at: datetime, connection: psycopg.Connection[Any]) -> int:
    return connection.execute(FORGET, (at, MOST_AT_ONCE)).rowcount


def _group(app: Flask) -> GroupCommit[Nonce, bool]:
    return GroupCommit("nonces", app, _commit, unknown=UNKNOWN)


def _commit(nonces: Sequence[Nonce]) -> list[bool]:
    new = commit_raw(partial(_insert, nonces), unknown=UNKNOWN)
    # Of two that are the same within the group, the first is let in.
    return [_take(new, (one.key_id, one.nonce)) for one in nonces]


def _insert(nonces: Sequence[Nonce], connection: psycopg.Connection[Any]) -> set[tuple[UUID, str]]:
    rows = connection.execute(USE, [list(column) for column in zip(*nonces, strict=True)])
    return {(key_id, nonce) for key_id, nonce in rows}


def _take(new: set[tuple[UUID, str]], one: tuple[UUID, str]) -> bool:
    try:
        new.remove(one)
    except KeyError:
        return False
    return True
