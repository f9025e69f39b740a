"""The API keys of a customer's accounts, as the customer manages them.

A customer's own keys read what the customer may see (`SCOPES`). Other keys of the accounts, such as those
that post usage, belong to our services: they are shown and cannot be touched, as their new secret would let a
customer write what is billed.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import contains_eager, selectinload

from app.db import db
from app.errors import Forbidden, Invalid, NotFound
from app.models import Account, ApiKey, Customer
from app.permissions import Actor
from app.sentences import Sentence, sentence
from app.services import keys, notifications, own

SCOPES = ("usage:read", "billing:read", "wallets:read", "payments:read")


def listed(customer_id: UUID) -> list[ApiKey]:
    """Return the keys of the customer's accounts, the newest first, with accounts and secrets loaded."""
    query = select(ApiKey).join(ApiKey.account).where(Account.customer_id == customer_id)
    query = query.options(contains_eager(ApiKey.account), selectinload(ApiKey.secrets))
    return list(db.session.scalars(query.order_by(ApiKey.created_at.desc(), ApiKey.id.desc())))


def get(customer_id: UUID, key_id: UUID) -> ApiKey:
    """Return one of these keys.

    Raises:
        NotFound: there is none with this id, or it is somebody else's.
    """
    query = select(ApiKey).join(ApiKey.account).where(Account.customer_id == customer_id, ApiKey.id == key_id)
    key = db.session.scalar(query)
    if key is None:
        raise NotFound("There is no such API key.")
    return key


def is_own(key: ApiKey) -> bool:
    """Tell whether the customer may rotate and revoke a key of its account."""
    return set(key.scopes) <= set(SCOPES)


def create(
    customer_id: UUID, name: str, *, account_id: UUID | None, scopes: list[str], actor: Actor, at: datetime
) -> tuple[ApiKey, str]:
    """Make a key for one account of the customer and return it with its secret, which is never seen again.

    Raises:
        Invalid: no or a too long name, no account, an account that is not the customer's, no scope or one
            that is not for customers.
    """
    account = next((one for one in own.accounts(customer_id) if one.id == account_id), None)
    if account is None:
        raise Invalid.at("/account", "Choose one of your accounts.")
    if not scopes or not set(scopes) <= set(SCOPES):
        raise Invalid.at("/scopes", "Choose what the key may read.")
    key, secret = keys.create(name, scopes=scopes, account=account, actor=actor, at=at)
    title = sentence("%(account)s: the API key %(key)s was made", **_names(key))
    _tell(key, title, actor=actor, at=at)
    return key, secret


def rotate(customer_id: UUID, key_id: UUID, *, actor: Actor, at: datetime) -> tuple[ApiKey, str]:
    """Give a key its next secret and return it; the one before works for a day more.

    Raises:
        NotFound, Forbidden: it is not the customer's, or not theirs to change.
        Conflict: it has ended, or was rotated a moment ago.
    """
    key, secret = keys.rotate(_to_change(customer_id, key_id), actor=actor, at=at)
    title = sentence("%(account)s: the API key %(key)s has a new secret", **_names(key))
    _tell(key, title, actor=actor, at=at)
    return key, secret


def revoke(customer_id: UUID, key_id: UUID, *, actor: Actor, at: datetime) -> ApiKey:
    """End a key for good; doing it twice changes nothing.

    Raises:
        NotFound, Forbidden: it is not the customer's, or not theirs to change.
    """
    key = _to_change(customer_id, key_id)
    if key.revoked_at is None:
        keys.revoke(key, actor=actor, at=at)
        title = sentence("%(account)s: the API key %(key)s was revoked", **_names(key))
        _tell(key, title, actor=actor, at=at)
    return key


def _to_change(customer_id: UUID, key_id: UUID) -> ApiKey:
    key = get(customer_id, key_id)
    if not is_own(key):
        raise Forbidden("This key belongs to our services. Ask us to change it.")
    return key


def _names(key: ApiKey) -> dict[str, str]:
    assert key.account is not None
    return {"account": key.account.name, "key": key.name}


def _tell(key: ApiKey, title: Sentence, *, actor: Actor, at: datetime) -> None:
    assert key.account is not None
    notifications.notify(
        db.session.get_one(Customer, key.account.customer_id),
        "security",
        title=title,
        text=sentence("If nobody of yours did this, revoke the key and tell us."),
        about=key,
        at=at,
        tone="action",
        facts=[(sentence("By"), actor.label)],
    )
