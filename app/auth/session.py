"""The session of a person: begun anew at sign-in, ended by sign-out, by 30 idle minutes, or after 8 hours.

The browser keeps a signed cookie with the person's id and two times; role, customer and name are read from
the database on every request, so whoever loses a right loses it with their next click.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from flask import Flask, g, request, session
from flask_login import LoginManager, current_user, login_user, logout_user

from app import clock
from app.db import transaction
from app.errors import Unauthorized
from app.models import User
from app.permissions import STAFF, Actor, Role
from app.services import users

IDLE = timedelta(minutes=30)
ABSOLUTE = timedelta(hours=8)
# The cookie is written again only when this much has passed, not with every answer.
NOTED_EVERY = timedelta(minutes=1)

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
    language: str
    customer_id: UUID | None

    is_authenticated = True
    is_active = True
    is_anonymous = False

    @classmethod
    def of(cls, user: User) -> "SignedIn":
        """Return the row of a person as the person behind a request."""
        return cls(
            user.id, user.name, user.email, Role(user.role), user.timezone, user.locale, user.customer_id
        )

    @property
    def locale(self) -> str:
        """The language of the pages: `en`, `hi`, `id`, `ar`."""
        return self.language

    @property
    def is_staff(self) -> bool:
        """True for those who work in the back office."""
        return self.role in STAFF

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


def sign_in(user: User) -> SignedIn:
    """Begin a new session for a person who has proved who they are; nothing of an earlier one stays."""
    at = clock.now()
    session.clear()
    person = SignedIn.of(user)
    login_user(person)
    session["begun_at"] = session["seen_at"] = at.isoformat()
    session["role"] = str(person.role)
    with transaction():
        users.note_sign_in(user, at=at, actor=person.actor())
    return person


def sign_out() -> None:
    """End the session of whoever is signed in."""
    if current_user.is_authenticated:
        with transaction():
            users.note_sign_out(current_user.id, actor=current_user.actor())
    logout_user()
    session.clear()


def _load(user_id: str) -> SignedIn | None:
    at = clock.now()
    if _is_over(session, at):
        session.clear()
        return None
    user = users.find_active(UUID(user_id))
    if user is None or session.get("role") != user.role:
        session.clear()
        return None
    if at - datetime.fromisoformat(session["seen_at"]) >= NOTED_EVERY:
        session["seen_at"] = at.isoformat()
    return SignedIn.of(user)


def _is_over(kept: Any, at: datetime) -> bool:
    """Tell whether a session is past its idle or its absolute limit; one without its times never was ours."""
    try:
        begun, seen = (datetime.fromisoformat(kept[name]) for name in ("begun_at", "seen_at"))
    except (KeyError, ValueError):
        return True
    return at - seen >= IDLE or at - begun >= ABSOLUTE


def _refuse() -> None:
    raise Unauthorized("Sign in to continue.")
