"""Holds and transfers, and what people do to a wallet beside crediting and debiting it."""

from datetime import datetime
from decimal import Decimal

from wtforms import StringField
from wtforms.validators import InputRequired, Length, Optional

from admin_views.base import ModelScreen
from admin_views.fields import ExactField, InstantField
from admin_views.lookups import Lookup, LookupField
from admin_views.operations import Operation
from admin_views.records import Related
from admin_views.registry import screen
from app.formatting import format_money
from app.models import Approval, Hold, Transfer, Wallet
from app.models.holds import HoldState
from app.models.wallets import WalletStatus
from app.permissions import Actor
from app.services import approvals, holds, refunds, transfers, wallet_status

AMOUNT = ExactField(
    label="Amount", scale=4, validators=[InputRequired()], description="In the wallet's currency."
)
REASON = StringField("Reason", validators=[InputRequired(), Length(max=300)])
WHY = StringField("Reason", validators=[Length(max=300)])
REFERENCE = StringField("Reference", validators=[Length(max=200)])


def place(
    wallet: Wallet,
    *,
    amount: object,
    reason: str,
    reference: str,
    expires_at: datetime | None,
    at: datetime,
    actor: Actor,
) -> Hold:
    """Set money aside; a reference left empty is none."""
    return holds.place(
        wallet,
        amount,
        at=at,
        actor=actor,
        reason=reason,
        expires_at=expires_at,
        reference=reference or None,
    )


def capture(hold: Hold, *, amount: object, reason: str, at: datetime, actor: Actor) -> Hold:
    """Take money that is held; a reason left empty is the hold's."""
    return holds.capture(hold, at=at, actor=actor, amount=amount, reason=reason or None)


def move_money(
    wallet: Wallet, *, to_wallet_id: Wallet, amount: object, reason: str, at: datetime, actor: Actor
) -> str:
    """Transfer money to another wallet."""
    made = transfers.transfer(wallet, to_wallet_id, amount, at=at, actor=actor, reason=reason)
    return f"{format_money(made.amount, made.currency)} went to {to_wallet_id.account.name}."


def refund(
    wallet: Wallet, *, amount: Decimal, reason: str, reference: str, at: datetime, actor: Actor
) -> str | None:
    """Record money that was paid back, or ask a second person to."""
    made = approvals.ask(
        "refund", wallet, amount, at=at, actor=actor, reason=reason, reference=reference or None
    )
    waits = "Nothing is recorded yet: a second person has to approve it. It waits under Approvals."
    return waits if isinstance(made, Approval) else None


def explain_refund(wallet: Wallet) -> str:
    """Return how much can be paid back."""
    most, limit = refunds.refundable(wallet), approvals.limit_of(wallet.currency)
    told = (
        "Records money that goes back by bank transfer. "
        f"{format_money(most, wallet.currency)} was paid in and is unused; what is held, granted, owed, or "
        "was credited is not paid back. The tax that came with it goes back beside it, by refund voucher."
    )
    if limit is None:
        return told
    return f"{told} Above {format_money(limit, wallet.currency)} a second person has to approve it first."


def is_active(wallet: Wallet) -> bool:
    """True while it gives money out."""
    return wallet.status is WalletStatus.active


def is_open(hold: Hold) -> bool:
    """True while it is not resolved."""
    return hold.state is HoldState.open


# What the page of a wallet offers beside crediting and debiting.
WALLET_OPERATIONS = (
    Operation(
        "hold",
        "Hold",
        run=place,
        icon="lock",
        when=is_active,
        inputs={
            "amount": AMOUNT,
            "reason": REASON,
            "reference": REFERENCE,
            "expires_at": InstantField(
                "Ends", validators=[Optional()], description="Empty: until it is resolved."
            ),
        },
        confirm="Sets money aside at once: nothing else can spend it until you take it or let it go.",
    ),
    Operation(
        "transfer",
        "Transfer",
        run=move_money,
        icon="arrows-exchange",
        when=is_active,
        inputs={
            "to_wallet_id": LookupField(
                Lookup("to_wallet", Wallet, ("account.name", "=account.external_id")),
                label="To wallet",
                validators=[InputRequired()],
                description="Another wallet of the same customer, in the same currency.",
            ),
            "amount": AMOUNT,
            "reason": REASON,
        },
        confirm="Moves money at once. Neither grants nor an overdraft are moved.",
    ),
    Operation(
        "refund",
        "Refund",
        run=refund,
        icon="receipt-refund",
        danger=True,
        when=is_active,
        inputs={"amount": AMOUNT, "reason": REASON, "reference": REFERENCE},
        explain=explain_refund,
        needs_recent_sign_in=True,
    ),
    Operation(
        "freeze",
        "Freeze",
        run=wallet_status.freeze,
        icon="player-pause",
        danger=True,
        when=is_active,
        inputs={"reason": REASON},
        confirm="It gives no money out until it is activated again; usage is owed, and money may come in.",
    ),
    Operation(
        "activate",
        "Activate",
        run=wallet_status.activate,
        icon="player-play",
        when=lambda wallet: not is_active(wallet),
        inputs={"reason": REASON},
        confirm="It gives money out again; what usage owes is paid at once.",
    ),
    Operation(
        "close",
        "Close",
        run=wallet_status.close,
        icon="ban",
        danger=True,
        when=lambda wallet: wallet.status is not WalletStatus.closed,
        inputs={"reason": REASON},
        confirm="Only a wallet in which nothing is left can be closed. It then moves no money any more.",
    ),
)
RELATED_HOLDS = Related(Hold, by="wallet_id", columns=("created_at", "state", "amount", "captured", "reason"))


@screen(Hold, category="Wallets", icon="lock", place=5)
class HoldScreen(ModelScreen):
    """Money set aside in wallets. A hold begins on the page of its wallet and resolves once."""

    column_list = ("created_at", "wallet", "state", "amount", "captured", "expires_at", "reason", "reference")
    search = ("wallet.account.name", "=reference")
    filters = ("state", "wallet", "expires_at")
    empty = "Nothing was ever held. Hold money on the page of a wallet."
    operations = (
        Operation(
            "capture",
            "Take",
            run=capture,
            icon="check",
            when=is_open,
            inputs={"amount": AMOUNT, "reason": WHY},
            initial=lambda hold: {"amount": hold.amount},
            confirm="Takes this much from the wallet; the rest can be spent again. A hold is resolved once.",
        ),
        Operation(
            "release",
            "Let go",
            run=holds.release,
            icon="circle-x",
            when=is_open,
            bulk=False,
            inputs={"reason": WHY},
            confirm="Its money can be spent again, and pays what usage owes first.",
        ),
    )


@screen(Transfer, category="Wallets", icon="arrows-exchange", place=6)
class TransferScreen(ModelScreen):
    """Money that went from one wallet of a customer to another: never changed, only sent back."""

    column_list = ("created_at", "from_wallet", "to_wallet", "amount", "unpaid", "reason", "actor")
    search = ("from_wallet.account.name",)
    filters = ("from_wallet", "to_wallet", "created_at")
    empty = "Nothing was ever moved. Transfer money on the page of a wallet."
