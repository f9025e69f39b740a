"""Who calls, and whether they may: every view of the API is marked by `guard` or, with a reason, by `public`.

`authenticate` is the one seam: a signed request (`app.api.signing`), a bearer key, the token of an issuer. A
person's session counts as well, with the CSRF header on every unsafe call. Whatever is wrong with a key, the
answer is the same 401.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast
from uuid import UUID

from flask import g, request
from flask_login import current_user
from sqlalchemy import Select, select

from app import clock
from app.api import limits
from app.api.signing import REFUSAL, signed_actor
from app.db import db, transaction
from app.errors import Forbidden, NotFound, StepUpRequired, Unauthorized
from app.models import Account
from app.permissions import Actor, Verb, allows
from app.services.addressing import by_reference
from app.services.callers import bearers, tokens
from app.web import csrf

View = TypeVar("View", bound=Callable[..., Any])

PUBLIC = "public"


def guard(resource: str, verb: Verb | str, *, needs_recent_sign_in: bool = False) -> Callable[[View], View]:
    """Return a decorator that lets a view be called only by whoever may do `verb` to `resource`.

    The view finds the caller in `current_actor()`. Put it directly under the route. The mark `__guard__` is
    what the architecture test looks for. With `needs_recent_sign_in` a person who signed in long ago has to
    do it again first; a key or a token proves itself by every call.

    Raises (when called):
        Unauthorized: nobody is known behind the request.
        Forbidden: somebody is, and may not.
        StepUpRequired: a person may, after signing in again.
        RateLimited: they are, and have called too often.
    """
    verb = Verb(verb)

    def mark(view: View) -> View:
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            actor = authenticate()
            limits.spend(actor)
            g.actor = actor
            if not allows(actor, resource, verb):
                raise Forbidden(f"This caller may not {verb} {resource}.")
            if needs_recent_sign_in and actor.kind == "user" and not current_user.signed_in_recently:
                raise StepUpRequired
            return view(*args, **kwargs)

        guarded.__guard__ = (resource, verb)  # type: ignore[attr-defined]
        guarded.__needs_recent_sign_in__ = needs_recent_sign_in  # type: ignore[attr-defined]
        return cast(View, guarded)

    return mark


def public(view: View) -> View:
    """Mark a view that anybody may call: health, the published contract, a webhook that proves itself by its
    signature.
    """
    view.__guard__ = PUBLIC  # type: ignore[attr-defined]
    return view


def current_actor() -> Actor:
    """Return who calls the running view, as `guard` found them."""
    return cast(Actor, g.actor)


def authenticate() -> Actor:
    """Return who calls.

    Raises:
        Unauthorized: no key and no session, or a key that is unknown, wrong, expired or revoked, or may not
            call from there.
        CSRFError: an unsafe call by session without the token in `X-CSRFToken`.
        Unavailable: the issuer of the token cannot be asked for its keys.
    """
    signed_by = signed_actor()
    if signed_by is not None:
        return signed_by.at(ip=request.remote_addr, request_id=g.get("request_id"))
    if "Authorization" in request.headers:
        return _by_authorization(request.headers["Authorization"])
    if current_user.is_authenticated:
        csrf.protect()
        return cast(Actor, current_user.actor())
    raise Unauthorized(REFUSAL)


def _by_authorization(header: str) -> Actor:
    scheme, _, secret = header.partition(" ")
    actor = _by_bearer(secret.strip()) if scheme.lower() == "bearer" else None
    if actor is None:
        raise Unauthorized(REFUSAL)
    return actor.at(ip=request.remote_addr, request_id=g.get("request_id"))


def _by_bearer(secret: str) -> Actor | None:
    at, ip = clock.now(), request.remote_addr
    caller = bearers.remembered(secret)
    if caller is not None:
        g.turned_away = caller.actor
        return caller.actor if caller.may_call(at=at, ip=ip) else None
    if tokens.is_token(secret):
        return tokens.recognise(secret, at=at)
    with transaction():
        caller = bearers.recognise(secret, at=at, ip=ip)
        if caller is None:
            g.turned_away = bearers.known(secret)
    return caller.actor if caller else None


def limit_to_caller(query: Select[Any], account_id: Any, actor: Actor | None = None) -> Select[Any]:
    """Return `query` narrowed to what the caller may see; `account_id` is the column that holds the account.

    A key bound to an account sees that account, a customer all accounts of the customer, everybody else
    everything.
    """
    actor = actor or current_actor()
    if actor.account_id is not None:
        query = query.where(account_id == UUID(actor.account_id))
    if actor.customer_id is not None:
        own = select(Account.id).where(Account.customer_id == UUID(actor.customer_id))
        query = query.where(account_id.in_(own))
    return query


def get_account(reference: str, actor: Actor | None = None) -> Account:
    """Return the account with this id or external id.

    Raises:
        NotFound: there is none, or it is not the caller's: the two look the same.
    """
    query = by_reference(select(Account), Account, reference)
    account = db.session.scalar(limit_to_caller(query, Account.id, actor))
    if account is None:
        raise NotFound("There is no such account.")
    return cast(Account, account)
