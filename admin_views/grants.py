"""Grants: what was given to wallets to be spent first, what it was spent on, giving more and taking back."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import and_, func, or_
from wtforms import StringField
from wtforms.validators import InputRequired, Length, Optional

from admin_views.base import ModelScreen
from admin_views.fields import EnumField, ExactField, InstantField, WholeField
from admin_views.filters import Filter
from admin_views.operations import Operation
from admin_views.records import Related
from admin_views.registry import screen
from app import clock
from app.formatting import format_money
from app.models import Approval, Grant, GrantUse, Wallet
from app.models.grants import GrantKind
from app.models.wallets import WalletStatus
from app.permissions import Actor
from app.services import approvals, grants

WHY, READ_BY = [InputRequired(), Length(max=300)], "The customer reads this."
LIVE = and_(
    Grant.remaining > 0,
    Grant.voided_at.is_(None),
    or_(Grant.expires_at.is_(None), Grant.expires_at > func.now()),
)


def give(
    wallet: Wallet,
    *,
    amount: Decimal,
    kind: GrantKind,
    expires_at: datetime | None,
    priority: int,
    reason: str,
    reference: str,
    at: datetime,
    actor: Actor,
) -> str | None:
    """Give a grant, or ask a second person to."""
    details = {
        "kind": str(kind),
        "priority": priority,
        "expires_at": expires_at.isoformat() if expires_at else None,
    }
    made = approvals.ask(
        "grant",
        wallet,
        amount,
        at=at,
        actor=actor,
        reason=reason,
        reference=reference or None,
        details=details,
    )
    if isinstance(made, Approval):
        return "Nothing has moved yet: a second person has to approve it. It waits under Approvals."
    return None


def explain(wallet: Wallet) -> str:
    """Return what giving a grant does, with the amount up to which one person is enough."""
    what = (
        "It is in the balance at once, is spent before other money, and what is left when it expires is gone."
    )
    limit = approvals.limit_of(wallet.currency)
    if limit is None:
        return what
    return f"{what} Above {format_money(limit, wallet.currency)} a second person has to approve it first."


def explain_void(grant: Grant) -> str:
    """Return what voiding a grant takes back."""
    left = format_money(grant.remaining, grant.currency)
    return f"Takes {left} out of the wallet at once: what is left of it. What was spent of it stays spent."


# What the page of a wallet offers and shows.
GIVE = Operation(
    "grant",
    "Grant",
    run=give,
    icon="gift",
    when=lambda wallet: wallet.status is not WalletStatus.closed,
    inputs={
        "amount": ExactField(
            label="Amount", scale=4, validators=[InputRequired()], description="In the wallet's currency."
        ),
        "kind": EnumField(
            GrantKind, label="Kind", description="Purchased: its money has arrived. Promotional: nobody paid."
        ),
        "expires_at": InstantField(
            "Expires", validators=[Optional()], description="From then on it cannot be spent. Empty: never."
        ),
        "priority": WholeField(
            "Priority", validators=[InputRequired()], description="0 to 1000; the lowest is spent first."
        ),
        "reason": StringField("Reason", validators=WHY, description=READ_BY),
        "reference": StringField("Reference", validators=[Length(max=200)], description="Your own number."),
    },
    initial=lambda wallet: {"priority": grants.USUAL_PRIORITY, "kind": GrantKind.promotional},
    explain=explain,
)
RELATED_GRANTS = Related(
    Grant,
    by="wallet_id",
    columns=("created_at", "kind", "amount", "remaining", "priority", "expires_at", "reason"),
    empty="None yet. A grant is credit that is spent before other money and may expire.",
)


@screen(Grant, category="Wallets", icon="gift", place=7)
class GrantScreen(ModelScreen):
    """Credit that is spent before the other money of a wallet. A grant is given on the page of its wallet."""

    column_list = (
        "created_at",
        "wallet",
        "kind",
        "amount",
        "remaining",
        "priority",
        "expires_at",
        "voided_at",
        "reason",
    )
    search = ("wallet.account.name", "=reference")
    filters = (
        "kind",
        "wallet",
        "expires_at",
        Filter(
            "live",
            "Can be spent",
            "choice",
            (("true", "Yes"), ("false", "No")),
            where=lambda live: LIVE if live else ~LIVE,
        ),
    )
    details = (
        "wallet",
        "kind",
        "amount",
        "remaining",
        "priority",
        "expires_at",
        "voided_at",
        "reason",
        "reference",
        "actor",
        "transaction",
        "id",
        "created_at",
    )
    intro = (
        "The lowest priority is spent first, then what expires soonest, then the oldest, then plain money."
    )
    empty = "Nothing was ever granted. Give a grant on the page of a wallet."
    operations = (
        Operation(
            "void",
            "Void",
            run=grants.void,
            icon="arrow-back-up",
            danger=True,
            when=lambda grant: grants.state_of(grant, clock.now()) == "live",
            inputs={"reason": StringField("Reason", validators=WHY, description=READ_BY)},
            explain=explain_void,
        ),
    )
    related = (
        Related(
            GrantUse,
            by="grant_id",
            columns=("created_at", "amount", "transaction", "hold"),
            title="Uses",
            limit=50,
            empty="Nothing of it was spent yet.",
        ),
    )


@screen(GrantUse, category="Wallets", title="Uses of grants", icon="gift", place=8, listed=False)
class GrantUseScreen(ModelScreen):
    """What movements and holds took of grants; below zero where it was given back. Never changed."""

    column_list = ("created_at", "grant", "amount", "transaction", "hold")
    filters = ("grant", "created_at")
    empty = "What is paid from a grant shows here with what it paid."
    big = True
    walk = ("created_at", "id")
