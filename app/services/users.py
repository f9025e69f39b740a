"""People who sign in: who they are, and who may be made."""

from datetime import datetime
from uuid import UUID
from zoneinfo import available_timezones

from email_validator import EmailNotValidError, validate_email
from sqlalchemy import case, exists, select
from sqlalchemy.orm import joinedload

from app.db import db
from app.errors import Conflict, Forbidden, Invalid, NotFound
from app.languages import LANGUAGES
from app.models import Customer, EndedSession, User
from app.models.users import PEOPLE
from app.permissions import Actor, Role
from app.services import audit

LONGEST_LIST = 50
LONGEST_NAME = 200


def find_active(user_id: UUID) -> User | None:
    """Return the person with this id, None where there is none or their access was ended."""
    return db.session.scalar(select(User).where(User.id == user_id, User.active))


def get(user_id: UUID) -> User:
    """Return the person with this id.

    Raises:
        NotFound: there is none.
    """
    user = db.session.get(User, user_id)
    if user is None:
        raise NotFound("There is no such person.")
    return user


def find_signed_in(user_id: UUID, session_id: UUID) -> User | None:
    """Return the person with this id while their access and this session of theirs are not ended, or None."""
    ended = exists().where(EndedSession.id == session_id)
    return db.session.scalar(select(User).where(User.id == user_id, User.active, ~ended))


def end_session(session_id: UUID, *, at: datetime) -> None:
    """End one session for good: a copy of its cookie opens nothing any more."""
    db.session.merge(EndedSession(id=session_id, ended_at=at))


def find_by_email(email: str) -> User | None:
    """Return the person with this address, however it is capitalised, or None."""
    return db.session.scalar(select(User).where(User.email == email.strip().lower()))


def list_active() -> list[User]:
    """Return the first people who may sign in with their customers, staff before customers."""
    order = case({role: rank for rank, role in enumerate(PEOPLE)}, value=User.role, else_=len(PEOPLE))
    query = select(User).where(User.active).order_by(order, User.name).limit(LONGEST_LIST)
    return list(db.session.scalars(query.options(joinedload(User.customer))))


def create(
    email: str,
    *,
    role: Role,
    actor: Actor,
    name: str = "",
    customer: Customer | None = None,
    timezone: str = "Asia/Kolkata",
    locale: str | None = None,
) -> User:
    """Make a person who may sign in; without a name they go by the part of their address before the @.

    Raises:
        Invalid: the address is not one, the role is not a person's, the time zone or the language does not
            exist, or `customer` is missing for a customer's user or given for staff.
        Conflict: somebody has this address already.
        Forbidden: a key makes a super admin.
    """
    address = _address(email)
    check_role(role, customer)
    _may_give(role, actor)
    if timezone not in available_timezones():
        raise Invalid.at("/timezone", f"{timezone!r} is not an IANA time zone such as Asia/Kolkata.")
    if locale and locale not in LANGUAGES:
        raise Invalid.at("/locale", f"Choose one of: {', '.join(LANGUAGES)}.", code="unknown_choice")
    if find_by_email(address) is not None:
        raise Conflict.at("/email", f"Somebody signs in as {address} already.")
    user = User(
        email=address,
        name=name.strip() or address.partition("@")[0],
        role=role,
        customer=customer,
        timezone=timezone,
        locale=locale or None,
    )
    db.session.add(user)
    audit.record(
        actor,
        "user.created",
        user,
        summary=f"{user.email} may sign in as {role}",
        after={"email": user.email, "role": str(role), "customer_id": str(customer.id) if customer else None},
    )
    return user


def check_role(role: Role, customer: Customer | None) -> None:
    """Return if somebody can have a role and belong to a customer, or to none.

    Raises:
        Invalid: the role is not a person's, or `customer` is missing for a customer's person or given for
            staff.
    """
    if role not in PEOPLE:
        raise Invalid.at("/role", f"A person is one of: {', '.join(PEOPLE)}.")
    if (role is Role.customer) != (customer is not None):
        needed = (
            "Name the customer whose data this person sees."
            if customer is None
            else "Staff belong to no customer."
        )
        raise Invalid.at("/customer_id", needed)


def check_changer(user: User, actor: Actor) -> None:
    """Return if `actor` may change a person at all.

    Raises:
        Forbidden: a key changes a super admin.
    """
    _may_give(user.role, actor)


def assign(user: User, *, role: Role, customer: Customer | None, actor: Actor) -> None:
    """Give a person another role or customer and end their sessions.

    Raises:
        Invalid: see `check_role`.
        Forbidden: a key makes or changes a super admin.
    """
    check_role(role, customer)
    _may_give(role, actor)
    check_changer(user, actor)
    before = {"role": str(user.role), "customer_id": str(user.customer_id) if user.customer_id else None}
    user.role, user.customer = role, customer
    user.session_epoch += 1
    audit.record(
        actor,
        "user.role_changed",
        user,
        summary=f"{user.email}: {before['role']} → {role}",
        before=before,
        after={"role": str(role), "customer_id": str(customer.id) if customer else None},
    )


def note_sign_in(user: User, *, at: datetime, actor: Actor, again: bool = False) -> None:
    """Remember that a person signed in at `at`, or proved once more who they are."""
    user.last_sign_in_at = at
    if again:
        audit.record(actor, "user.signed_in_again", user, summary=f"{user.name} signed in again", at=at)
    else:
        audit.record(actor, "user.signed_in", user, summary=f"{user.name} signed in", at=at)


def note_refusal(user_id: UUID, reason: str, *, at: datetime, actor: Actor) -> None:
    """Remember that somebody who proved who they are was not let in, and why."""
    user = get(user_id)
    audit.record(
        actor,
        "user.sign_in_refused",
        user,
        summary=f"{user.name} was not let in",
        at=at,
        after={"reason": reason},
    )


def note_sign_out(user_id: UUID, *, actor: Actor) -> None:
    """Remember that a person signed out; one who is gone by now leaves no record."""
    user = db.session.get(User, user_id)
    if user is not None:
        audit.record(actor, "user.signed_out", user, summary=f"{user.name} signed out")


def _may_give(role: Role, actor: Actor) -> None:
    if role is Role.super_admin and actor.role is Role.service:
        raise Forbidden("Super admins are made and changed by super admins, not by a key.")


def _address(email: str) -> str:
    try:
        found = validate_email(email.strip(), check_deliverability=False)
    except EmailNotValidError as problem:
        raise Invalid.at("/email", f"{email!r} is not an e-mail address: {problem}") from None
    return found.normalized.lower()
