"""Accounts made on the fly for the senders that a file names and nobody has met yet."""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from app.db import db, in_transaction
from app.domain.periods import calendar_month, local_date
from app.errors import Invalid
from app.models import Account, Customer, PlanVersion, Subscription
from app.models.customers import AccountStatus, BillingMode, CustomerStatus
from app.models.plans import Anchor, SubscriptionStatus
from app.permissions import Actor
from app.services import audit, plans

CURRENCY, COUNTRY, ZONE = "INR", "IN", "Asia/Kolkata"
MAIL_DOMAIN = "imported.example"
PAYMENT_TERMS_DAYS = 15
TOGETHER = 500
OUR_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def find_missing(references: Iterable[str]) -> list[str]:
    """Return those references that name no account, by its external id or ours, in order."""
    wanted = sorted(set(references))
    ours = {reference: UUID(reference) for reference in wanted if OUR_ID.fullmatch(reference)}
    named = Account.external_id.in_(wanted) | Account.id.in_(ours.values())
    known: set[str | UUID | None] = set()
    for row in db.session.execute(select(Account.id, Account.external_id).where(named)):
        known.update(row)
    return [one for one in wanted if one not in known and ours.get(one, "") not in known]


def choose_version(plan_code: str, since: datetime) -> PlanVersion:
    """Return the version of a plan that accounts made for usage since `since` are put on.

    Raises:
        NotFound: there is no such plan.
        Invalid: no version of it is published, or it has no price in rupees.
    """
    plan = plans.get(plan_code)
    version = plans.find_active(plan, since)
    if not plan.active or version is None:
        raise Invalid(f"The plan {plan_code} has no published version to subscribe to.")
    if not any(component.currency == CURRENCY for component in version.components):
        raise Invalid(
            f"{version.label} has no price in {CURRENCY}, the currency of accounts made on the fly."
        )
    return version


def make(references: Sequence[str], version: PlanVersion, *, since: datetime, actor: Actor) -> list[Account]:
    """Make for each external id a customer with one account, subscribed from the month of `since` on.

    No address is on record of somebody unknown; the place of supply is then the seller's own State (IGST Act
    s.12(2)(b)(ii)). All of them are written together, which is what makes thousands a matter of seconds.
    """
    start_at = calendar_month(f"{local_date(since, ZONE):%Y-%m}", ZONE).start
    made = [_subscription(reference, version, start_at) for reference in references]
    db.session.add_all(made)
    db.session.flush()
    for subscription in made:
        account = subscription.account
        summary = f"{account.name} was made for its imported usage, on {version.label}"
        after = {"external_id": account.external_id, "version": version.label}
        audit.record(actor, "account.imported", account, summary=summary, after=after)
    return [subscription.account for subscription in made]


def make_all(references: Sequence[str], plan: str, *, since: datetime, actor: Actor) -> Iterator[int]:
    """Make the accounts as `make` does, some hundred in each transaction of its own; yield how many each
    time.

    Raises:
        NotFound, Invalid: as `choose_version` says.
    """
    for start in range(0, len(references), TOGETHER):
        chosen = references[start : start + TOGETHER]
        in_transaction(lambda: make(chosen, choose_version(plan, since), since=since, actor=actor))  # noqa: B023
        yield len(chosen)


def _subscription(reference: str, version: PlanVersion, start_at: datetime) -> Subscription:
    customer = Customer(
        external_id=reference,
        name=reference,
        email=f"{_mailbox(reference)}@{MAIL_DOMAIN}",
        country=COUNTRY,
        status=CustomerStatus.active,
        extra={"made_by": "import"},
    )
    account = Account(
        customer=customer,
        external_id=reference,
        name=reference,
        currency=CURRENCY,
        timezone=ZONE,
        billing_mode=BillingMode.postpaid,
        status=AccountStatus.active,
        payment_terms_days=PAYMENT_TERMS_DAYS,
        settings={},
    )
    return Subscription(
        account=account,
        plan_id=version.plan_id,
        plan_version_id=version.id,
        anchor=Anchor.calendar,
        start_at=start_at,
        status=SubscriptionStatus.active,
    )


def _mailbox(reference: str) -> str:
    """Return the part of an address before the @ that a reference makes, of letters and digits only."""
    letters = "".join(c if c.isascii() and c.isalnum() else "-" for c in reference.lower())
    return letters.strip("-")[:60] or "account"
