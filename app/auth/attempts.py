"""Sign-ins that were begun here and are not back from the provider: kept in the browser's own session, by
their `state`, each good for one answer within ten minutes.
"""

import secrets
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from flask import session

from app.auth.id_tokens import OLDEST_SECONDS

KEY = "sign_ins"
# As many tabs may be on their way at once; more would outgrow the cookie.
MOST = 3
LONGEST_NEXT = 300
RANDOM_BYTES = 32


@dataclass(frozen=True, slots=True)
class Attempt:
    """One sign-in under way. `again` is the id of the person who has to prove themselves once more, '' for a
    first sign-in; `next` is the page that they wanted.
    """

    state: str
    nonce: str
    verifier: str
    next: str
    again: str
    begun_at: str


def begin(*, next_page: str, again: str, at: datetime) -> Attempt:
    """Return a new attempt, which this browser alone can finish."""
    attempt = Attempt(
        state=secrets.token_urlsafe(RANDOM_BYTES),
        nonce=secrets.token_urlsafe(RANDOM_BYTES),
        verifier=secrets.token_urlsafe(RANDOM_BYTES),
        next=next_page if len(next_page) <= LONGEST_NEXT else "",
        again=again,
        begun_at=at.isoformat(),
    )
    session[KEY] = [*_under_way()[1 - MOST :], asdict(attempt)]
    return attempt


def take(state: str, *, at: datetime) -> Attempt | None:
    """Return the attempt that an answer belongs to and forget it; None where there is none in time."""
    under_way = _under_way()
    session[KEY] = [one for one in under_way if one["state"] != state]
    for one in under_way:
        if secrets.compare_digest(one["state"].encode(), state.encode()):
            attempt = Attempt(**one)
            age = at - datetime.fromisoformat(attempt.begun_at)
            return attempt if age <= timedelta(seconds=OLDEST_SECONDS) else None
    return None


def _under_way() -> list[dict[str, Any]]:
    kept: list[dict[str, Any]] = session.get(KEY, [])
    return kept
