"""Accounts made on the fly for the senders that a file names and nobody has met yet."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select

from app.db import db
from app.domain.periods import calendar_month, local_date
from app.models import Account
from app.permissions import Actor
from app.services import accounts, customers, subscriptions

ZONE = "Asia/Kolkata"
MAIL_DOMAIN = "imported.example"


def find_missing(references: Iterable[str]) -> list[str]:
    """Return those of the external ids that no account has, in order."""
    wanted = sorted(set(references))
    known = set(db.session.scalars(select(Account.external_id).where(Account.external_id.in_(wanted))))
    return [reference for reference in wanted if reference not in known]


def make(reference: str, plan_code: str, *, since: datetime, actor: Actor) -> Account:
    """Make a customer with one account of the external id `reference`, on a plan from the month of `since`.

    No address is on record of somebody unknown; the place of supply is then the seller's own State (IGST Act
    s.12(2)(b)(ii)).

    Raises:
        NotFound: there is no such plan.
        Invalid: no version of the plan is published.
    """
    customer = customers.create(
        {
            "external_id": reference,
            "name": reference,
            "email": f"{_mailbox(reference)}@{MAIL_DOMAIN}",
            "country": "IN",
            "extra": {"made_by": "import"},
        },
        actor=actor,
    )
    values = {"external_id": reference, "name": reference, "currency": "INR", "timezone": ZONE}
    account = accounts.create(customer, values, actor=actor)
    month = calendar_month(f"{local_date(since, ZONE):%Y-%m}", ZONE)
    subscriptions.start(account, plan_code, start_at=month.start, actor=actor)
    return account


def _mailbox(reference: str) -> str:
    """Return the part of an address before the @ that a reference makes, of letters and digits only."""
    letters = "".join(c if c.isascii() and c.isalnum() else "-" for c in reference.lower())
    return letters.strip("-")[:60] or "account"
