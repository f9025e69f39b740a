"""Signing in by the identity provider: there and back again (OpenID Connect, authorization code, PKCE)."""

import logging
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from flask import g, redirect, request
from sqlalchemy.exc import IntegrityError
from werkzeug.wrappers import Response

from app import clock
from app.auth import attempts, id_tokens, session
from app.auth.attempts import Attempt
from app.auth.id_tokens import Untrusted
from app.config import Settings, current_settings
from app.db import transaction
from app.errors import DomainError, Unavailable
from app.gateways.identity import Provider, ProviderRefused
from app.models import User
from app.models.users import PEOPLE
from app.permissions import Actor, Role
from app.services import identities, users
from app.services.callers.tokens import AHEAD_SECONDS
from app.services.identities import Identity, NotLetIn

CALLBACK = "/sign-in/callback"
log = logging.getLogger(__name__)


class SignInFailed(DomainError):
    """The answer that a browser brought back proves nothing; the message says what to do."""

    code = "sign_in_failed"
    status = 403


def begin(next_page: str, *, again: str = "", fresh: bool = False) -> Response:
    """Send the browser to the provider.

    `again` is the id of the person who has to prove once more who they are, with the second factor; `fresh`
    lets somebody else sign in than the provider remembers.

    Raises:
        ProviderUnavailable: the provider cannot be asked.
    """
    settings = current_settings()
    attempt = attempts.begin(next_page=next_page, again=again, at=clock.now())
    # With `max_age` a provider says when the person proved who they are, which it otherwise need not.
    asked = {"max_age": str(int(session.ABSOLUTE.total_seconds()))}
    if again:
        asked["max_age"] = str(settings.step_up_minutes * 60)
        asked |= {"acr_values": " ".join(settings.oidc_mfa_acr)} if settings.oidc_mfa_acr else {}
    if again or fresh:
        asked["prompt"] = "login"
    url = provider_of(settings).authorization_url(
        redirect_uri=_callback_of(settings),
        state=attempt.state,
        nonce=attempt.nonce,
        verifier=attempt.verifier,
        **asked,
    )
    return redirect(url, code=303)


def finish() -> str:
    """Sign in whoever the provider's answer proves; return the page that they wanted.

    Raises:
        SignInFailed: the answer belongs to no sign-in of this browser, or proves nothing.
        NotLetIn: it proves somebody who may not come in.
        Unavailable: the provider does not answer.
    """
    settings, at = current_settings(), clock.now()
    attempt = attempts.take(request.args.get("state", ""), at=at)
    if attempt is None:
        raise SignInFailed("This sign-in was begun in another browser or too long ago. Begin again.")
    token = _exchange(attempt, settings)
    try:
        claims = id_tokens.read(token, provider_of(settings), nonce=attempt.nonce, at=at)
    except Untrusted as problem:
        raise _failure(f"id_token: {problem}") from None
    identity = describe(claims, settings)
    user = _recognise(identity, at)
    _check_again(attempt, user, claims, settings, at)
    proved = id_tokens.auth_time_of(claims)
    session.sign_in(
        user,
        proved_at=None if proved is None else min(datetime.fromtimestamp(proved, UTC), at),
        id_token=token,
    )
    return attempt.next


def logout_url(id_token: str) -> str:
    """Return where the provider's own session ends, '' where it cannot be asked: signing out never fails."""
    settings = current_settings()
    if not settings.issuer:
        return ""
    try:
        return provider_of(settings).logout_url(f"{settings.public_url.rstrip('/')}/sign-in", id_token)
    except Unavailable:
        return ""


def describe(claims: dict[str, Any], settings: Settings) -> Identity:
    """Return what proved claims say of a person.

    >>> told = {"iss": "https://id.example/", "sub": "1", "https://otpless.com/roles": ["support", "viewer"]}
    >>> describe(told, Settings()).role
    <Role.support: 'support'>
    """
    named = claims.get(settings.oidc_roles_claim)
    roles = named if isinstance(named, list) else [named]
    role = next((one for one in PEOPLE if one.value in roles), None)
    customer = claims.get(settings.oidc_customer_claim)
    methods = claims.get("amr")
    return Identity(
        issuer=claims["iss"],
        subject=claims["sub"],
        email=_text(claims.get("email")),
        email_verified=claims.get("email_verified") is True,
        name=_text(claims.get("name")),
        role=role,
        has_no_role=settings.oidc_roles_claim in claims and role is None,
        customer=customer if isinstance(customer, str) else None,
        second_factor=(isinstance(methods, list) and "mfa" in methods)
        or claims.get("acr") in settings.oidc_mfa_acr,
    )


def provider_of(settings: Settings) -> Provider:
    """Return the configured provider, with what this process remembers of it."""
    return _provider(settings.issuer, settings.auth0_client_id, settings.auth0_client_secret)


@lru_cache(maxsize=4)
def _provider(issuer: str, client_id: str, client_secret: str) -> Provider:
    return Provider(issuer, client_id, client_secret)


def _callback_of(settings: Settings) -> str:
    return f"{settings.public_url.rstrip('/')}{CALLBACK}"


def _exchange(attempt: Attempt, settings: Settings) -> str:
    """Return the ID token for the answer in the address."""
    if request.args.get("iss", settings.issuer) != settings.issuer:
        raise _failure("iss of the answer")
    if "error" in request.args:
        raise _failure(f"the provider says {request.args['error'][:100]}")
    try:
        return provider_of(settings).id_token(
            request.args.get("code", ""), redirect_uri=_callback_of(settings), verifier=attempt.verifier
        )
    except ProviderRefused as refusal:
        raise _failure(f"token: {refusal}") from None


def _recognise(identity: Identity, at: datetime) -> User:
    host = urlsplit(identity.issuer).netloc
    actor = Actor(kind="identity_provider", id=identity.issuer, label=host, role=Role.super_admin)
    actor = actor.at(ip=request.remote_addr, request_id=g.get("request_id"))
    try:
        with transaction():
            return identities.recognise(identity, actor=actor)
    except NotLetIn as refusal:
        log.warning("not let in", extra={"reason": refusal.reason, "subject": identity.subject})
        if refusal.user_id is not None:
            with transaction():
                users.note_refusal(refusal.user_id, refusal.reason, at=at, actor=actor)
        raise
    except IntegrityError:
        raise _failure("two first sign-ins at once") from None


def _check_again(
    attempt: Attempt, user: User, claims: dict[str, Any], settings: Settings, at: datetime
) -> None:
    """Return if a repeated sign-in is by the same person, and as fresh as it was asked for."""
    if not attempt.again:
        return
    if attempt.again != str(user.id):
        raise SignInFailed("You signed in as somebody else. Sign in as the person who is signed in here.")
    proved = id_tokens.auth_time_of(claims)
    age = None if proved is None else int(at.timestamp()) - proved
    if age is None or not -AHEAD_SECONDS <= age <= settings.step_up_minutes * 60:
        log.warning("sign-in not fresh", extra={"auth_time": proved})
        raise SignInFailed("The identity provider did not ask you to sign in again. Sign out, then sign in.")


def _failure(reason: str) -> SignInFailed:
    log.warning("sign-in failed", extra={"reason": reason})
    return SignInFailed("The identity provider's answer proves nothing. Sign in again.")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
