"""Reading the ID token of a provider: believed only when all of it is right (OpenID Connect Core 3.1.3.7)."""

from datetime import datetime
from typing import Any, Protocol

from app.lazy import Lazy
from app.services.callers.tokens import AHEAD_SECONDS, ALGORITHM, kid_of

# Loaded only where people sign in by a provider.
jwt = Lazy("joserfc.jwt")
jose_errors = Lazy("joserfc.errors")

# A sign-in may take as long; a token from before it was begun is not its answer.
OLDEST_SECONDS = 600
LONGEST_SUBJECT = 255


class Issuer(Protocol):
    """Who signs, for whom, and with which keys."""

    issuer: str
    client_id: str

    def find(self, kid: str) -> Any | None:
        """Return the key of that id, None where there is none."""


class Untrusted(Exception):
    """The token proves nothing; the message is a word for the log, never shown to who brought it."""


def read(token: str, provider: Issuer, *, nonce: str, at: datetime) -> dict[str, Any]:
    """Return the claims of an ID token.

    Raises:
        Untrusted: anything about it is wrong: its algorithm, key or signature, whom it is from and for, its
            times, or the sign-in that it answers.
        Unavailable: the provider's keys cannot be fetched.
    """
    kid = kid_of(token)
    if kid is None:
        raise Untrusted("header")
    key = provider.find(kid)
    if key is None:
        raise Untrusted("key")
    try:
        claims: dict[str, Any] = jwt.decode(token, key, algorithms=[ALGORITHM]).claims
    except (jose_errors.JoseError, ValueError):
        raise Untrusted("signature") from None
    for name, is_right in _checks(claims, provider, nonce, int(at.timestamp())):
        if not is_right:
            raise Untrusted(name)
    return claims


def auth_time_of(claims: dict[str, Any]) -> int | None:
    """Return when the person proved who they are, in unix seconds; None where the provider does not say."""
    told = claims.get("auth_time")
    return told if type(told) is int else None


def _checks(claims: dict[str, Any], provider: Issuer, nonce: str, now: int) -> list[tuple[str, bool]]:
    subject, audience = claims.get("sub"), claims.get("aud")
    meant = audience if isinstance(audience, list) else [audience]
    party = claims.get("azp")
    return [
        ("iss", claims.get("iss") == provider.issuer),
        ("aud", provider.client_id in meant),
        ("azp", party == provider.client_id if party is not None or len(meant) > 1 else True),
        ("sub", isinstance(subject, str) and 0 < len(subject) <= LONGEST_SUBJECT),
        ("exp", _is_instant(claims, "exp") and now < claims["exp"]),
        ("iat", _is_instant(claims, "iat") and -OLDEST_SECONDS <= claims["iat"] - now <= AHEAD_SECONDS),
        ("nbf", "nbf" not in claims or (_is_instant(claims, "nbf") and claims["nbf"] <= now + AHEAD_SECONDS)),
        ("nonce", claims.get("nonce") == nonce),
    ]


def _is_instant(claims: dict[str, Any], name: str) -> bool:
    return type(claims.get(name)) is int
