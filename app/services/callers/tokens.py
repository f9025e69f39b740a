"""JWTs of a configured issuer, from service to service: RS256, and its keys by `kid` only."""

import base64
import json
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from app.config import Settings, current_settings
from app.gateways.jwks import IssuerKeys
from app.lazy import Lazy
from app.permissions import SCOPES, Actor, Role

# Loaded only where tokens are taken.
jwt = Lazy("joserfc.jwt")
jose_errors = Lazy("joserfc.errors")

ALGORITHM = "RS256"
# A header that brings or names a key, or changes how the rest is read (RFC 7515 §4.1).
REFUSED_HEADERS = frozenset({"jwk", "jku", "x5u", "x5c", "crit"})
ACCOUNT_CLAIM = "https://otpless.billing/account_id"
LONGEST_TOKEN = 8 * 1024
# How far the issuer's clock may be ahead of ours.
AHEAD_SECONDS = 30


def is_token(text: str) -> bool:
    """Tell whether tokens are taken here and this looks like one."""
    return bool(current_settings().jwt_jwks_url) and text.count(".") == 2


def recognise(token: str, *, at: datetime) -> Actor | None:
    """Return whom a token stands for: its `sub`, with those of its scopes that there are. None if anything
    about it is wrong.

    Raises:
        IssuerUnavailable: the issuer's keys could not be fetched.
    """
    settings = current_settings()
    kid = kid_of(token)
    key = _issuer(settings.jwt_jwks_url).find(kid) if kid is not None else None
    if key is None:
        return None
    try:
        claims = jwt.decode(token, key, algorithms=[ALGORITHM]).claims
    except (jose_errors.JoseError, ValueError):
        return None
    return _actor(claims) if _are_right(claims, settings, int(at.timestamp())) else None


@lru_cache(maxsize=4)
def _issuer(url: str) -> IssuerKeys:
    return IssuerKeys(url)


def kid_of(token: str) -> str | None:
    """Return the key id that the header names, None for a header that is not to be trusted."""
    part = token.partition(".")[0]
    if len(token) > LONGEST_TOKEN or not token.isascii():
        return None
    try:
        header = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except ValueError:
        return None
    if not isinstance(header, dict) or header.get("alg") != ALGORITHM or REFUSED_HEADERS & header.keys():
        return None
    kid = header.get("kid")
    return kid if isinstance(kid, str) else None


def _are_right(claims: dict[str, Any], settings: Settings, now: int) -> bool:
    audience, subject = claims.get("aud"), claims.get("sub")
    meant = audience if isinstance(audience, list) else [audience]
    return (
        claims.get("iss") == settings.jwt_issuer
        and settings.jwt_audience in meant
        and isinstance(subject, str)
        and 0 < len(subject) <= 255
        and _is_current(claims, now)
        and (ACCOUNT_CLAIM not in claims or _is_account(claims[ACCOUNT_CLAIM]))
        and isinstance(claims.get("scope", ""), str)
    )


def _is_current(claims: dict[str, Any], now: int) -> bool:
    """Tell whether `exp`, `iat` and, where it is there, `nbf` are whole seconds around `now`."""
    instants: list[Any] = [claims.get("exp"), claims.get("iat"), claims.get("nbf", now)]
    if not all(type(one) is int for one in instants):
        return False
    expires, issued, begins = (int(one) for one in instants)
    return now < expires and max(issued, begins) <= now + AHEAD_SECONDS


def _is_account(value: Any) -> bool:
    try:
        return isinstance(value, str) and str(UUID(value)) == value
    except ValueError:
        return False


def _actor(claims: dict[str, Any]) -> Actor:
    return Actor(
        kind="service_token",
        id=claims["sub"],
        label=claims["sub"],
        role=Role.service,
        account_id=claims.get(ACCOUNT_CLAIM),
        scopes=frozenset(claims.get("scope", "").split()) & SCOPES.keys(),
    )
