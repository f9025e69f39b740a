"""What people are told: in the product at once, and by mail to whoever wants it.

`notify` writes the notification in the caller's transaction and promises the mails; who gets one is decided
when the promise is kept. A customer gets every kind by mail until somebody turns it off; staff get those that
they asked for. In the product everybody sees what they did not turn off. What must reach people (`always`)
cannot be turned off. What waits for a decision of staff is told to those who may decide, and to no customer.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, literal, select
from sqlalchemy.dialects.postgresql import insert

from app.db import Base, db
from app.errors import Invalid
from app.ids import new_id
from app.languages import current_language
from app.models import Customer, Notification, NotificationPreference, NotificationRead, OutboxMessage, User
from app.permissions import STAFF, Actor, Role, Verb, allows
from app.sentences import Sentence
from app.services import audit, cache, mails, outbox, told

EXPAND, MAIL = "notification", "notification.mail"
NEWEST = 100
TONES = ("alert", "warning", "action", "success")


@dataclass(frozen=True, slots=True)
class Kind:
    """What a kind is called where people choose; with `decides` it is told to those of the staff who may
    write to that resource, without to the customer and all staff. `always`: nobody can turn it off in the
    product, and no customer by mail.
    """

    title: str
    decides: str | None = None
    always: bool = False


KINDS = {
    "low_balance": Kind("The balance of a wallet is low"),
    "spending_cap": Kind("A spending cap is near or reached"),
    "payment_reminder": Kind("An invoice waits to be paid"),
    "auto_top_up": Kind("A payment failed or needs you", always=True),
    "security": Kind("Keys and sign-in: something about security changed", always=True),
    "approval": Kind("A request waits for a second person", decides="approvals"),
}
# What an answer made of somebody's notifications is made from, see `services.cache`.
MARK = "notifications"


class Reader(Protocol):
    """A person who reads: a row of `users`, or whoever is signed in."""

    @property
    def id(self) -> UUID: ...

    @property
    def role(self) -> Role: ...

    @property
    def customer_id(self) -> UUID | None: ...


@dataclass(frozen=True, slots=True)
class Listed:
    """A notification as one person sees it, said in the language of the page."""

    notification: Notification
    read: bool
    said: told.Told


def kinds_for(who: Actor | Role) -> dict[str, Kind]:
    """Return the kinds that somebody is told of."""
    return {
        name: kind
        for name, kind in KINDS.items()
        if kind.decides is None or allows(who, kind.decides, Verb.write)
    }


def marks_of(user: Reader) -> list[str]:
    """Return the marks of what a person was told and has read."""
    return [MARK if user.customer_id is None else f"{MARK}:{user.customer_id}", f"{MARK}-read:{user.id}"]


def notify(
    customer: Customer | None,
    kind: str,
    *,
    title: Sentence | str,
    text: Sentence | str,
    about: Base,
    at: datetime,
    tone: str = "warning",
    facts: Sequence[told.Fact] = (),
    url: str | None = None,
) -> Notification:
    """Tell a customer and the staff, or without a customer those of the staff who decide, something about a
    row; the mails are promised. Everybody reads it in the own language (`services.told`).

    Raises:
        AssertionError: there is no such kind or tone, or it is for others; a mistake of the program.
    """
    assert tone in TONES
    assert (customer is None) is (KINDS[kind].decides is not None)
    row = Notification(
        customer_id=None if customer is None else customer.id,
        kind=kind,
        tone=tone,
        **told.keep(title, text, facts),
        url=url,
        resource_type=type(about).__name__,
        resource_id=audit.identity(about),
        created_at=at,
    )
    db.session.add(row)
    db.session.flush()
    outbox.promise(EXPAND, str(row.id), {"notification_id": str(row.id)})
    cache.changed([MARK] if customer is None else [MARK, f"{MARK}:{customer.id}"])
    return row


def visible_to(user: Reader) -> ColumnElement[bool]:
    """Return the condition of what a person sees: staff what customers were told and what they decide on, a
    customer's person the customer's own; nobody the kinds that they turned off.
    """
    wanted = Notification.kind.not_in(_hidden_from(user))
    if user.role in STAFF:
        return Notification.kind.in_(kinds_for(user.role)) & wanted
    return (Notification.customer_id == user.customer_id) & wanted


def settle(about: Base, *, at: datetime, by: UUID | None = None) -> None:
    """Note that what staff were told of a row has been seen: by one person, or by all, once it is decided."""
    staff = User.role.in_(STAFF) if by is None else User.id == by
    seen = (
        select(Notification.id, User.id, literal(at))
        .join(User, staff)
        .where(
            Notification.customer_id.is_(None),
            Notification.resource_type == type(about).__name__,
            Notification.resource_id == audit.identity(about),
        )
    )
    columns = ["notification_id", "user_id", "read_at"]
    db.session.execute(insert(NotificationRead).from_select(columns, seen).on_conflict_do_nothing())
    cache.changed([MARK])


def unread(user: Reader) -> Select[int]:
    """Return the query for how many of the newest hundred notifications a person has not read."""
    newest = select(Notification.id, _read_by(user).label("read")).where(visible_to(user))
    rows = newest.order_by(Notification.id.desc()).limit(NEWEST).subquery()
    return select(func.count()).select_from(rows).where(~rows.c.read)


def listed(user: Reader, *, limit: int = 50) -> list[Listed]:
    """Return what a person was told, the newest first, in the language of the request."""
    query = select(Notification, _read_by(user)).where(visible_to(user))
    rows = db.session.execute(query.order_by(Notification.id.desc()).limit(limit))
    language = current_language()
    return [Listed(one, read, told.said_in(one, language)) for one, read in rows]


def mark_read(user: Reader, ids: Iterable[UUID] | None, *, at: datetime) -> int:
    """Note that a person has read these notifications, or all of them; return how many were new to them.

    Ids of somebody else's notifications are left alone.
    """
    chosen = select(Notification.id).where(visible_to(user), ~_read_by(user))
    if ids is not None:
        chosen = chosen.where(Notification.id.in_(list(ids)))
    rows = [
        {"notification_id": each, "user_id": user.id, "read_at": at} for each in db.session.scalars(chosen)
    ]
    if rows:
        db.session.execute(insert(NotificationRead).on_conflict_do_nothing(), rows)
        cache.changed([f"{MARK}-read:{user.id}"])
    return len(rows)


def preferences(owner: Customer | User) -> dict[str, bool]:
    """Return for every kind whether a customer or a member of staff gets it by mail."""
    customer, kinds = isinstance(owner, Customer), _told_to(owner)
    chosen = select(NotificationPreference.kind, NotificationPreference.mail).where(_of(owner))
    found = {kind: mail for kind, mail in db.session.execute(chosen) if kind in kinds}
    return {name: found.get(name, customer) or (customer and kind.always) for name, kind in kinds.items()}


def shown(user: User) -> dict[str, bool]:
    """Return for every kind whether a person sees it in the product."""
    hidden = set(db.session.scalars(_hidden_from(user)))
    return {name: name not in hidden for name in kinds_for(user.role)}


def prefer(
    owner: Customer | User, kind: str, *, mail: bool | None = None, in_product: bool | None = None
) -> None:
    """Set whether a kind is wanted by mail (of a customer as a whole, or of a member of staff) and whether a
    person sees it in the product; None leaves it as it is.

    Raises:
        Invalid: there is no such kind, it is not for them, or it cannot be turned off.
    """
    kinds, customer = _told_to(owner), isinstance(owner, Customer)
    if kind not in kinds:
        raise Invalid.at("/kind", f"Choose one of: {', '.join(kinds)}.", code="unknown_choice")
    if kinds[kind].always and (in_product is False or (customer and mail is False)):
        raise Invalid.at("/kind", f"{kinds[kind].title}: this cannot be turned off.", code="always_on")
    key = "customer_id" if customer else "user_id"
    wanted = {"mail": mail, "in_product": in_product}
    stated = {name: value for name, value in wanted.items() if value is not None}
    row = {"id": new_id(), key: owner.id, "kind": kind, "mail": customer, **stated}
    made = insert(NotificationPreference).values(row)
    db.session.execute(made.on_conflict_do_update(index_elements=[key, "kind"], set_=stated))
    cache.changed([f"{MARK}-read:{owner.id}"])


def _told_to(owner: Customer | User) -> dict[str, Kind]:
    return kinds_for(Role.customer if isinstance(owner, Customer) else owner.role)


def _of(owner: Customer | User) -> ColumnElement[bool]:
    if isinstance(owner, Customer):
        return NotificationPreference.customer_id == owner.id
    return NotificationPreference.user_id == owner.id


def _hidden_from(user: Reader) -> Select[str]:
    """Return the query for the kinds that a person turned off in the product."""
    return select(NotificationPreference.kind).where(
        NotificationPreference.user_id == user.id, ~NotificationPreference.in_product
    )


def _read_by(user: Reader) -> ColumnElement[bool]:
    read = select(NotificationRead.user_id).where(
        NotificationRead.notification_id == Notification.id, NotificationRead.user_id == user.id
    )
    return read.exists()


def _addresses(row: Notification) -> list[str]:
    """Return who gets a notification by mail: the customer, and the staff who asked for the kind."""
    found = []
    if row.customer is not None and preferences(row.customer)[row.kind]:
        found.append(row.customer.email)
    wanted = select(NotificationPreference.user_id).where(
        NotificationPreference.kind == row.kind, NotificationPreference.mail
    )
    roles = [role for role in sorted(STAFF) if row.kind in kinds_for(role)]
    staff = select(User.email).where(User.role.in_(roles), User.active)
    return [*found, *db.session.scalars(staff.where(User.id.in_(wanted)).order_by(User.email))]


@outbox.handler(EXPAND)
def _promise_mails(message: OutboxMessage) -> None:
    row = db.session.get_one(Notification, UUID(message.payload["notification_id"]))
    for address in _addresses(row):
        payload: dict[str, Any] = {"notification_id": str(row.id), "to": address}
        outbox.promise(MAIL, f"{row.id}:{address}", payload)


@outbox.handler(MAIL)
def _send(message: OutboxMessage) -> None:
    row = db.session.get_one(Notification, UUID(message.payload["notification_id"]))
    mails.send(row, message.payload["to"], key=f"{MAIL}:{message.key}")
