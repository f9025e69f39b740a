"""Wallets and what moves them: transactions as people read them. What the books keep of it is in `ledger`."""

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from wtforms import StringField
from wtforms.validators import InputRequired, Length

from admin_views.base import ModelScreen
from admin_views.fields import ExactField
from admin_views.filters import Filter
from admin_views.grants import GIVE, RELATED_GRANTS
from admin_views.holds import RELATED_HOLDS, WALLET_OPERATIONS
from admin_views.operations import Operation
from admin_views.records import Related
from admin_views.registry import screen
from admin_views.saving import Writes
from app import clock
from app.errors import Conflict
from app.formatting import format_money
from app.models import Approval, Payment, Voucher, Wallet, WalletTransaction
from app.models.wallets import TransactionState
from app.permissions import Actor
from app.services import approvals, chain_checks, reports, wallet_history, wallet_limits
from app.services.movements import available_in
from app.services.wallet_history import Part

AMOUNT = ExactField(
    label="Amount", scale=4, validators=[InputRequired()], description="In the wallet's currency."
)
RECEIVED = ExactField(
    label="Amount received",
    scale=4,
    validators=[InputRequired()],
    description="With the tax in it: of ₹1,180 at 18 % the wallet gets ₹1,000.",
)
REASON = StringField(
    "Reason",
    validators=[InputRequired(), Length(max=300)],
    description="The customer reads this in the list of transactions.",
)
REFERENCE = StringField(
    "Reference",
    validators=[Length(max=200)],
    description="The bank's or the gateway's number of the transfer.",
)


WAITS = "Nothing has moved yet: a second person has to approve it. It waits under Approvals."


def asking(name: str) -> Callable[..., str | None]:
    """Return the act of an operation by its name among the movements of money."""

    def act(
        wallet: Wallet,
        *,
        amount: Decimal,
        reason: str,
        at: datetime,
        actor: Actor,
        reference: str | None = None,
    ) -> str | None:
        made = approvals.ask(
            name, wallet, amount, at=at, actor=actor, reason=reason, reference=reference or None
        )
        return WAITS if isinstance(made, Approval) else None

    return act


def reverse(transaction: WalletTransaction, *, reason: str, at: datetime, actor: Actor) -> str | None:
    """Take a transaction back, or ask a second person to."""
    made = approvals.ask_reversal(transaction, at=at, actor=actor, reason=reason)
    return WAITS if isinstance(made, Approval) else None


def check_chain(wallet: Wallet, *, at: datetime, actor: Actor) -> str:
    """Recompute the chain of a wallet.

    Raises:
        Conflict: with the links that are wrong.
    """
    found = chain_checks.check(wallet)
    counted = f"{found.links:,} link{'' if found.links == 1 else 's'} recomputed"
    if not found.ok:
        told = " ".join(f"Link {one.seq} (posting {one.posting_id}): {one.message}" for one in found.faults)
        raise Conflict(f"{counted}, and the chain is broken. {told}")
    return f"{counted}: the chain is whole."


def telling(what: str) -> Callable[[Any], str]:
    """Return what an operation will do, with the amount up to which one person is enough."""

    def explain(record: Any) -> str:
        limit = approvals.limit_of(record.currency)
        if limit is None:
            return what
        return f"{what} Above {format_money(limit, record.currency)} a second person has to approve it first."

    return explain


@screen(Wallet, category="Wallets", icon="wallet", place=1)
class WalletScreen(ModelScreen):
    """The wallets: balance, what is held, and what usage still owes."""

    column_list = (
        "account",
        "balance",
        "held",
        "receivable",
        "low_balance_threshold",
        "status",
        "account.customer",
    )
    search = ("account.name", "=account.external_id")
    filters = (
        "status",
        "currency",
        "account",
        Filter(
            "low",
            "Below threshold",
            "choice",
            (("true", "Yes"), ("false", "No")),
            where=lambda low: reports.is_low() if low else ~reports.is_low(),
        ),
    )
    intro = "Prepaid money. Usage is deducted as it is metered; every movement is a journal in the ledger."
    empty = "An account that is prepaid gets its wallet when it is opened."
    can_edit = True
    writes = Writes(update=wallet_limits.set_limits)
    form_columns = (
        "low_balance_threshold",
        "alert_levels",
        "overdraft_limit",
        "auto_top_up",
        "daily_cap",
        "monthly_cap",
    )
    operations = (
        Operation(
            "top_up",
            "Record a top-up",
            run=asking("top_up"),
            icon="cash",
            inputs={"amount": RECEIVED, "reason": REASON, "reference": REFERENCE},
            explain=telling(
                "For money that arrived outside the gateways, such as a bank transfer: the amount is all "
                "that came. Where an advance bears tax, the wallet gets the rest of it, and a receipt "
                "voucher is issued. It is booked at once."
            ),
        ),
        Operation(
            "credit",
            "Credit",
            run=asking("credit"),
            icon="plus",
            inputs={"amount": AMOUNT, "reason": REASON},
            explain=telling(
                "Gives the wallet money that nobody paid. It is booked at once, under your name."
            ),
        ),
        Operation(
            "debit",
            "Debit",
            run=asking("debit"),
            icon="minus",
            danger=True,
            inputs={"amount": AMOUNT, "reason": REASON},
            explain=telling(
                "Takes money out of the wallet at once, under your name. It is refused if less is available."
            ),
        ),
        GIVE,
        *WALLET_OPERATIONS,
        Operation(
            "check_chain",
            "Check the chain",
            run=check_chain,
            icon="link",
            bulk=False,
            confirm="Each link of this wallet's hash chain is recomputed from its journals. Nothing changes.",
        ),
    )
    details_template = "admin/wallet.html"
    parts = ("admin/parts/wallet.html",)
    details = (
        "status",
        "account",
        "account.customer",
        "low_balance_threshold",
        "overdraft_limit",
        "auto_top_up",
        "seq",
        "id",
        "created_at",
        "updated_at",
    )
    related = (
        Related(
            Approval,
            by="wallet_id",
            columns=("created_at", "operation", "amount", "requested_by", "status"),
            title="Requests for a second person",
            limit=5,
            empty="What staff move above the limit of one person would wait here.",
        ),
        RELATED_GRANTS,
        RELATED_HOLDS,
        Related(Payment, by="wallet_id", columns=("created_at", "gateway", "status", "amount", "tax")),
        Related(Voucher, by="wallet_id", columns=("number", "issued_on", "kind", "taxable", "tax")),
    )

    available = staticmethod(available_in)

    def movements(self, wallet: Wallet) -> list[WalletTransaction]:
        """Return the latest movements of a wallet."""
        return wallet_history.latest(wallet)

    def explained(self, wallet: Wallet, moves: list[WalletTransaction]) -> dict[UUID, list[Part]]:
        """Return what the movements were for."""
        return wallet_history.explain(wallet, moves)

    def balances(self, wallet: Wallet) -> list[tuple[date, Decimal]]:
        """Return the balance by day, in the account's time zone."""
        return wallet_history.balances(wallet, clock.now())


@screen(WalletTransaction, category="Wallets", title="Transactions", icon="arrows-exchange", place=2)
class WalletTransactionScreen(ModelScreen):
    """Every movement of every wallet, newest first."""

    column_list = ("created_at", "wallet", "kind", "state", "amount", "balance_after", "reason", "reference")
    search = ("wallet.account.name",)
    filters = ("kind", "state", "wallet", "created_at")
    empty = "Record a top-up on the page of a wallet, or let the customer top up in the portal."
    big = True
    walk = ("created_at", "id")
    details_template = "admin/transaction.html"
    details = (
        "state",
        "kind",
        "amount",
        "balance_after",
        "reason",
        "reference",
        "wallet",
        "actor",
        "journal",
        "id",
        "created_at",
        "completed_at",
    )
    operations = (
        Operation(
            "reverse",
            "Reverse",
            run=reverse,
            icon="arrow-back-up",
            danger=True,
            inputs={"reason": REASON},
            when=lambda transaction: transaction.state == TransactionState.COMPLETED,
            explain=telling(
                "A new journal takes the money back; this transaction stays in the books, marked as reversed."
            ),
        ),
    )

    def explained(self, transaction: WalletTransaction) -> dict[UUID, list[Part]]:
        """Return what a movement was for."""
        return wallet_history.explain(transaction.wallet, [transaction])
