"""People who sign in: who they are, and who may be made."""

from datetime import datetime
from uuid import UUID
from zoneinfo import available_timezones

from email_validator import EmailNotValidError, validate_email
from sqlalchemy import case, select
from sqlalchemy.orm import joinedload

from app.db import db
from app.errors import Conflict, Invalid
from app.models import Customer, User
from app.models.users import PEOPLE
from app.permissions import Actor, Role
from app.services import audit

LONGEST_LIST = 50


def find_active(user_id: UUID) -> User | None:
    """Return the person with this id, None where there is none or their access was ended."""
    return db.session.scalar(select(User).where(User.id == user_id, User.active))


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
    locale: str = "en",
) -> User:
    """Make a person who may sign in; without a name they go by the part of their address before the @.

    Raises:
        Invalid: the address is not one, the role is not a person's, the time zone does not exist, or
            `customer` is missing for a customer's user or given for staff.
        Conflict: somebody has this address already.
    """
    address = _address(email)
    if role not in PEOPLE:
        raise Invalid.at("/role", f"A person is one of: {', '.join(PEOPLE)}.")
    if (role is Role.customer) != (customer is not None):
        needed = (
            "Name the customer whose data this person sees."
            if customer is None
            else "Staff belong to no customer."
        )
        raise Invalid.at("/customer_id", needed)
    if timezone not in available_timezones():
        raise Invalid.at("/timezone", f"{timezone!r} is not an IANA time zone such as Asia/Kolkata.")
    if find_by_email(address) is not None:
        raise Conflict.at("/email", f"Somebody signs in as {address} already.")
    user = User(
        email=address,
        name=name.strip() or address.partition("@")[0],
        role=role,
        customer=customer,
        timezone=timezone,
        locale=locale,
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


def note_sign_in(user: User, *, at: datetime, actor: Actor) -> None:
    """Remember that a person signed in at `at`."""
    user.last_sign_in_at = at
    audit.record(actor, "user.signed_in", user, summary=f"{user.name} signed in", at=at)


def note_sign_out(user_id: UUID, *, actor: Actor) -> None:
    """Remember that a person signed out; one who is gone by now leaves no record."""
    user = db.session.get(User, user_id)
    if user is not None:
        audit.record(actor, "user.signed_out", user, summary=f"{user.name} signed out")


def _address(email: str) -> str:
    try:
        found = validate_email(email.strip(), check_deliverability=False)
    except EmailNotValidError as problem:
        raise Invalid.at("/email", f"{email!r} is not an e-mail address: {problem}") from None
    return found.normalized.lower()
