"""People as an identity provider knows them, and which of ours they are."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select

from app.db import db
from app.errors import Forbidden, NotFound
from app.models import Customer, User
from app.permissions import STAFF, Actor, Role
from app.services import audit, customers, users

MENDING = {
    "unknown_person": "Nobody here knows you yet. Ask a super admin to invite the address you signed in by.",
    "no_role": "Your account has no role here. Ask whoever keeps your company's accounts to give you one.",
    "unverified_email": (
        "Your e-mail address is not verified. Follow the link in the identity provider's mail, then sign in "
        "again."
    ),
    "other_identity": (
        "Your e-mail address belongs to somebody who signs in with another account. Sign in with that one, "
        "or ask a super admin to let you begin anew."
    ),
    "blocked": "Your access was ended. Ask a super admin if you still need it.",
    "second_factor_missing": (
        "Staff sign in with a second factor. Set one up with the identity provider, for instance an app that "
        "shows codes, then sign in again."
    ),
    "customer_missing": (
        "Your account does not say which customer you belong to, or names none of ours. Ask your contact."
    ),
}


@dataclass(frozen=True, slots=True)
class Identity:
    """What a token that was proved says of a person. `role` is None where the provider keeps no roles;
    `has_no_role` is set where it does and gives none of ours.
    """

    issuer: str
    subject: str
    email: str
    email_verified: bool
    name: str
    role: Role | None
    has_no_role: bool
    customer: str | None
    second_factor: bool


class NotLetIn(Forbidden):
    """Somebody proved who they are and may not come in; the message says how to mend it."""

    code = "sign_in_refused"

    def __init__(self, reason: str, user: User | None = None) -> None:
        super().__init__(MENDING[reason])
        self.reason = reason
        self.user_id: UUID | None = user.id if user is not None else None


def recognise(identity: Identity, *, actor: Actor) -> User:
    """Return the person that an identity is, as the provider describes them now.

    They are found by issuer and subject; the first time by the verified e-mail address of somebody who was
    invited; somebody new is made where the provider gives a role. A role or customer that the provider names
    replaces ours.

    Raises:
        NotLetIn: nobody, or somebody who may not come in; nothing has changed then.
    """
    user = _by_subject(identity) or _by_address(identity)
    if user is not None and not user.active:
        raise NotLetIn("blocked", user)
    if identity.has_no_role:
        raise NotLetIn("no_role", user)
    if user is None and identity.role is None:
        raise NotLetIn("unknown_person")
    role = identity.role or user.role  # type: ignore[union-attr]
    owner = _owner(identity, role, user)
    if role in STAFF and not identity.second_factor:
        raise NotLetIn("second_factor_missing", user)
    if user is None:
        user = users.create(
            identity.email, role=role, name=identity.name[: users.LONGEST_NAME], customer=owner, actor=actor
        )
    elif (user.role, user.customer_id) != (role, owner.id if owner else None):
        users.assign(user, role=role, customer=owner, actor=actor)
    if user.subject is None:
        _link(user, identity, actor=actor)
    return user


def _by_subject(identity: Identity) -> User | None:
    known = select(User).where(User.issuer == identity.issuer, User.subject == identity.subject)
    return db.session.scalar(known.with_for_update(of=User))


def _by_address(identity: Identity) -> User | None:
    """Return who was invited by the address of somebody who comes for the first time: it has to be proved."""
    if not (identity.email and identity.email_verified):
        raise NotLetIn("unverified_email")
    invited = select(User).where(User.email == identity.email.strip().lower())
    user = db.session.scalar(invited.with_for_update(of=User))
    if user is not None and user.subject is not None:
        raise NotLetIn("other_identity", user)
    return user


def _owner(identity: Identity, role: Role, user: User | None) -> Customer | None:
    if role is not Role.customer:
        return None
    if identity.customer is not None:
        try:
            return customers.get(identity.customer)
        except NotFound:
            raise NotLetIn("customer_missing", user) from None
    if user is None or user.customer is None:
        raise NotLetIn("customer_missing", user)
    return user.customer


def _link(user: User, identity: Identity, *, actor: Actor) -> None:
    user.issuer, user.subject = identity.issuer, identity.subject
    audit.record(
        actor,
        "user.linked",
        user,
        summary=f"{user.email} signs in by {identity.issuer}",
        after={"issuer": identity.issuer, "subject": identity.subject},
    )
