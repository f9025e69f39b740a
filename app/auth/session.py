"""The session of a person: begun anew at sign-in, ended by sign-out, by 30 idle minutes, or after 8 hours.

The browser keeps a signed cookie with the person's id, the session's own and its times; role, customer and
name are read from the database on every request, so whoever loses a right loses it with their next click. A
session that was signed out of is noted there too: a copy of its cookie opens nothing.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from flask import Flask, g, request, session
from flask_login import LoginManager, current_user, login_user, logout_user

from app import clock
from app.config import current_settings
from app.db import transaction
from app.errors import Unauthorized
from app.ids import new_id
from app.models import User
from app.permissions import STAFF, Actor, Role
from app.services import users

IDLE = timedelta(minutes=30)
ABSOLUTE = timedelta(hours=8)
# The cookie is written again only when this much has passed, not with every answer.
NOTED_EVERY = timedelta(minutes=1)
# A browser drops a cookie over 4 KB, and with it the session. Without the token a provider may ask first.
LONGEST_KEPT_TOKEN = 2_000

login_manager = LoginManager()
login_manager.session_protection = None


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The person behind the request, as Flask-Login's `current_user`."""

    id: UUID
    name: str
    email: str
    role: Role
    timezone: str
    language: str | None
    customer_id: UUID | None
    epoch: int
    theme: str | None = None

    is_authenticated = True
    is_active = True
    is_anonymous = False

    @classmethod
    def of(cls, user: User) -> "SignedIn":
        """Return the row of a person as the person behind a request."""
        return cls(
            user.id,
            user.name,
            user.email,
            Role(user.role),
            user.timezone,
            user.locale,
            user.customer_id,
            user.session_epoch,
            user.theme,
        )

    @property
    def locale(self) -> str | None:
        """The language of the pages (`app.languages.LANGUAGES`), None to follow the browser."""
        return self.language

    @property
    def is_staff(self) -> bool:
        """True for those who work in the back office."""
        return self.role in STAFF

    @property
    def signed_in_recently(self) -> bool:
        """True while the proof of who they are is fresh enough for refunds, keys and roles."""
        proved_at = session.get("proved_at")
        if proved_at is None:
            return False
        limit = timedelta(minutes=current_settings().step_up_minutes)
        return clock.now() - datetime.fromisoformat(proved_at) <= limit

    def get_id(self) -> str:
        """Return what the session keeps."""
        return str(self.id)

    def actor(self) -> Actor:
        """Return the person as the audit trail names them, with the place of this request."""
        return Actor(
            kind="user",
            id=str(self.id),
            label=self.name,
            role=self.role,
            customer_id=str(self.customer_id) if self.customer_id else None,
            ip=request.remote_addr,
            request_id=g.get("request_id"),
        )


def init_app(app: Flask) -> None:
    """Let Flask-Login read the session by these rules."""
    login_manager.init_app(app)
    login_manager.user_loader(_load)
    login_manager.unauthorized_handler(_refuse)


def sign_in(user: User, *, proved_at: datetime | None, id_token: str = "") -> SignedIn:
    """Begin a new session for a person who has proved who they are; nothing of an earlier one stays.

    `proved_at` is when they did, None where the provider does not say; `id_token` is its word, which it
    wants to see again when they sign out.
    """
    at = clock.now()
    is_again = current_user.is_authenticated and current_user.id == user.id
    ended = session.get("sid")
    # Who proves it once more goes on, with the forms that are open in other tabs and not for longer.
    kept = {name: session[name] for name in ("begun_at", "csrf_token") if is_again and name in session}
    session.clear()
    person = SignedIn.of(user)
    login_user(person)
    session.update(begun_at=at.isoformat(), seen_at=at.isoformat(), sid=str(new_id()))
    session.update(role=str(person.role), epoch=person.epoch, **kept)
    if proved_at is not None:
        session["proved_at"] = proved_at.isoformat()
    if 0 < len(id_token) <= LONGEST_KEPT_TOKEN:
        session["id_token"] = id_token
    with transaction():
        if ended is not None:
            users.end_session(UUID(ended), at=at)
        users.note_sign_in(user, at=at, actor=person.actor(), again=is_again)
    return person


def sign_out() -> str:
    """End the session of whoever is signed in; return the ID token that it was begun with, '' without one."""
    id_token: str = session.get("id_token", "")
    if current_user.is_authenticated:
        with transaction():
            users.end_session(UUID(session["sid"]), at=clock.now())
            users.note_sign_out(current_user.id, actor=current_user.actor())
    logout_user()
    session.clear()
    return id_token


def _load(user_id: str) -> SignedIn | None:
    at = clock.now()
    if _is_over(session, at):
        session.clear()
        return None
    user = users.find_signed_in(UUID(user_id), UUID(session["sid"]))
    if user is None or (session.get("role"), session.get("epoch")) != (user.role, user.session_epoch):
        session.clear()
        return None
    if at - datetime.fromisoformat(session["seen_at"]) >= NOTED_EVERY:
        session["seen_at"] = at.isoformat()
    return SignedIn.of(user)


def _is_over(kept: Any, at: datetime) -> bool:
    """Tell whether a session is past its idle or its absolute limit; one without its times never was ours."""
    try:
        begun, seen = (datetime.fromisoformat(kept[name]) for name in ("begun_at", "seen_at"))
        UUID(kept["sid"])
    except (KeyError, ValueError):
        return True
    return at - seen >= IDLE or at - begun >= ABSOLUTE


def _refuse() -> None:
    raise Unauthorized("Sign in to continue.")
