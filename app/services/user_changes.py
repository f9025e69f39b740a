"""What super admins do to the people who sign in. Nobody does it to themselves, and one super admin stays."""

from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import available_timezones

from sqlalchemy import select

from app.db import db, lock
from app.errors import Conflict, Forbidden, Invalid
from app.languages import LANGUAGES
from app.models import Customer, User
from app.permissions import Actor, Role
from app.services import audit, users

CHANGED_FREELY = frozenset({"name", "timezone", "locale"})


def update(user: User, values: dict[str, Any], *, actor: Actor) -> None:
    """Change how a person is called, and their zone and language.

    Raises:
        Invalid: the name is empty or too long, or the zone does not exist.
    """
    if "name" in values and not 0 < len(values["name"].strip()) <= users.LONGEST_NAME:
        raise Invalid.at("/name", f"Write a name of at most {users.LONGEST_NAME} characters.")
    if values.get("timezone", "UTC") not in available_timezones():
        wrong = values["timezone"]
        raise Invalid.at("/timezone", f"{wrong!r} is not an IANA time zone such as Asia/Kolkata.")
    if values.get("locale") and values["locale"] not in LANGUAGES:
        raise Invalid.at("/locale", f"Choose one of: {', '.join(LANGUAGES)}.", code="unknown_choice")
    for name in values.keys() & CHANGED_FREELY:
        setattr(user, name, values[name].strip() if values[name] else None)
    before, after = audit.changes(user)
    if after:
        audit.record(actor, "user.updated", user, summary=f"Changed user {user}", before=before, after=after)


def change_role(user: User, role: Role, *, customer: Customer | None = None, actor: Actor) -> None:
    """Give a person another role; their sessions end.

    Raises:
        Invalid: the role is not a person's, or does not go with the customer.
        Forbidden: it is their own, or a key changes a super admin.
        Conflict: they are the last super admin.
    """
    _not_oneself(user, actor, "Your own role is changed by another super admin.")
    users.check_changer(user, actor)
    users.check_role(role, customer)
    _lock(user)
    if role is not Role.super_admin:
        _keep_one(user)
    if (user.role, user.customer_id) != (role, customer.id if customer else None):
        users.assign(user, role=role, customer=customer, actor=actor)


def block(user: User, *, at: datetime, actor: Actor) -> None:
    """End a person's access, with their next click.

    Raises:
        Forbidden: they block themselves, or a key blocks a super admin.
        Conflict: they are the last super admin.
    """
    _not_oneself(user, actor, "You cannot end your own access. Another super admin can.")
    users.check_changer(user, actor)
    _lock(user)
    _keep_one(user)
    if user.active:
        user.active = False
        user.session_epoch += 1
        audit.record(
            actor,
            "user.blocked",
            user,
            summary=f"Ended the access of {user.email}",
            at=at,
            before={"active": True},
            after={"active": False},
        )


def let_in(user: User, *, at: datetime, actor: Actor) -> None:
    """Give a person their access back.

    Raises:
        Forbidden: a key lets a super admin in.
    """
    users.check_changer(user, actor)
    _lock(user)
    if not user.active:
        user.active = True
        audit.record(
            actor,
            "user.let_in",
            user,
            summary=f"Gave {user.email} the access back",
            at=at,
            before={"active": False},
            after={"active": True},
        )


def end_sessions(user: User, *, at: datetime, actor: Actor) -> None:
    """Sign a person out everywhere; they may sign in again.

    Raises:
        Forbidden: a key does it to a super admin.
    """
    users.check_changer(user, actor)
    _lock(user)
    user.session_epoch += 1
    audit.record(actor, "user.sessions_ended", user, summary=f"Signed {user.email} out everywhere", at=at)


def forget_identity(user: User, *, at: datetime, actor: Actor) -> None:
    """Let a person begin anew at the identity provider: whoever next proves their address is them.

    Raises:
        Forbidden: it is their own, or a key does it to a super admin.
    """
    _not_oneself(user, actor, "Your own sign-in is changed by another super admin.")
    users.check_changer(user, actor)
    _lock(user)
    before = {"issuer": user.issuer, "subject": user.subject}
    user.issuer = user.subject = None
    user.session_epoch += 1
    audit.record(
        actor,
        "user.identity_forgotten",
        user,
        summary=f"{user.email} signs in anew",
        at=at,
        before=before,
        after={"issuer": None, "subject": None},
    )


def secure_super_admin(email: str, *, name: str, at: datetime, actor: Actor) -> User:
    """Return somebody with that address who is a super admin and may sign in: made, raised or let in again.

    For whoever runs the installation: it is how the first one comes to be, and the way back in.

    Raises:
        Invalid: the address is not one.
    """
    user = users.find_by_email(email)
    if user is None:
        return users.create(email, role=Role.super_admin, name=name, actor=actor)
    change_role(user, Role.super_admin, actor=actor)
    let_in(user, at=at, actor=actor)
    return user


def _not_oneself(user: User, actor: Actor, message: str) -> None:
    if actor.kind == "user" and actor.id == str(user.id):
        raise Forbidden(message)


def _lock(user: User) -> None:
    """Lock the person and every super admin, so that two of these cannot end each other at once."""
    admins = select(User.id).where(User.role == Role.super_admin, User.active)
    ids: set[UUID] = {user.id, *db.session.scalars(admins)}
    lock(User, ids)


def _keep_one(user: User) -> None:
    others = select(User.id).where(User.role == Role.super_admin, User.active, User.id != user.id).limit(1)
    if user.role is Role.super_admin and user.active and db.session.scalar(others) is None:
        raise Conflict(f"{user.name} is the last super admin: make another one first.")
