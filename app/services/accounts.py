"""Accounts: making, changing and finding what is metered, priced and billed on its own."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import exists, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import joinedload

from app.db import db
from app.errors import Conflict, Frozen, NotFound
from app.models import Account, Customer, Subscription
from app.models.customers import AccountStatus, BillingMode
from app.permissions import Actor
from app.services import audit, inputs, registrations, wallets
from app.services.addressing import by_reference
from app.services.inputs import optional, text

READERS: dict[str, inputs.Reader] = {
    "external_id": optional(text(255)),
    "name": text(300),
    "currency": inputs.currency,
    "timezone": inputs.timezone,
    "billing_mode": inputs.choice(BillingMode),
    "status": inputs.choice(AccountStatus),
    "payment_terms_days": inputs.whole(0, 365),
    "settings": inputs.an_object,
    "registration_id": optional(registrations.a_registration),
}
# Periods, prices and the wallet hang on these, so they stay as they are once there is a subscription.
FIXED_ONCE_SUBSCRIBED = frozenset({"currency", "timezone", "billing_mode"})


def create(customer: Customer, values: Mapping[str, Any], *, actor: Actor) -> Account:
    """Make an account of a customer; a prepaid one gets its wallet. Without a name it is called like the
    customer.

    Raises:
        Invalid: with every attribute that cannot be used.
        Conflict: the external id is taken.
    """
    found = inputs.read(values, READERS)
    defaults = {
        "name": customer.name,
        "currency": "INR",
        "timezone": "Asia/Kolkata",
        "billing_mode": BillingMode.postpaid,
        "status": AccountStatus.active,
        "payment_terms_days": 15,
    }
    account = Account(customer_id=customer.id, **{**defaults, **found})
    _flush(account)
    after = {name: value for name, value in found.items() if value not in (None, {})}
    audit.record(actor, "account.created", account, summary=f"Account {account.name} was opened", after=after)
    _need_wallet(account, actor)
    return account


def update(account: Account, values: Mapping[str, Any], *, actor: Actor) -> Account:
    """Change the attributes in `values`; an account that becomes prepaid gets its wallet.

    Raises:
        Invalid, Conflict: as `create` says; the account is then as before.
        Frozen: the currency, time zone or billing mode of an account with a subscription.
    """
    found = inputs.read(values, READERS)
    differing = {name for name, value in found.items() if getattr(account, name) != value}
    fixed = sorted(differing & FIXED_ONCE_SUBSCRIBED)
    if fixed and db.session.scalar(select(exists().where(Subscription.account_id == account.id))):
        raise Frozen.at(f"/{fixed[0]}", f"The {fixed[0]} of an account with a subscription stays as it is.")
    with db.session.no_autoflush:
        for name in differing:
            setattr(account, name, found[name])
        before, after = audit.changes(account)
    if after:
        _flush(account)
        summary = f"Account {account.name} was changed"
        audit.record(actor, "account.updated", account, summary=summary, before=before, after=after)
    _need_wallet(account, actor)
    return account


def get(reference: str | UUID) -> Account:
    """Return the account with this id or external id, its customer loaded.

    Raises:
        NotFound: there is none.
    """
    account = find(reference)
    if account is None:
        raise NotFound("There is no such account.")
    return account


def find(reference: str | UUID) -> Account | None:
    """Return the account with this id or external id, its customer loaded, or None."""
    query = select(Account).options(joinedload(Account.customer))
    return db.session.scalar(by_reference(query, Account, reference))


def _need_wallet(account: Account, actor: Actor) -> None:
    if account.billing_mode is BillingMode.prepaid and wallets.find_for(account) is None:
        wallets.open(account, actor=actor)


def _flush(account: Account) -> None:
    try:
        with db.session.begin_nested():
            db.session.add(account)
    except IntegrityError as error:
        if "external_id" in str(error.orig):
            raise Conflict.at("/external_id", "Another account has this external id.", code="taken") from None
        raise
