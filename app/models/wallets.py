"""Prepaid money: wallets, the double-entry journals behind them, and the transactions people read.

Postings are append-only (triggers refuse UPDATE, DELETE and TRUNCATE) and a deferred constraint trigger
makes every journal sum to zero per currency. The wallet row caches the balance; its row lock serialises the
wallet, which makes the gapless `seq` and the hash chain free (docs/ops/ledger.md).
"""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base
from app.models.base import Amount, CreatedAt, Currency, Identified, Timestamped, money
from app.models.customers import Account


class WalletStatus(StrEnum):
    """A frozen wallet takes money in and gives none out."""

    active = "active"
    frozen = "frozen"
    closed = "closed"


class Book(StrEnum):
    """The side of the ledger a posting stands on. Amounts are credit-positive: what we owe or have earned
    is positive, what we hold or are owed is negative, so a top-up of 100 is `wallet +100, cash −100`.

    `wallet` is what we owe the customer. `receivable` is usage the wallet could not pay, `invoiced` is that
    debt once it stands on an invoice. `cash` is at the gateways and the bank, `revenue` is usage delivered,
    `adjustment` is staff credits and debits, `promotion` is what was granted without payment, `transfer` is
    on its way between two wallets of a customer, `tax` is GST that came in with an advance, `withheld` is
    TDS that payers kept for the government.
    """

    wallet = "wallet"
    receivable = "receivable"
    invoiced = "invoiced"
    cash = "cash"
    revenue = "revenue"
    adjustment = "adjustment"
    promotion = "promotion"
    transfer = "transfer"
    tax = "tax"
    withheld = "withheld"


class TransactionKind(StrEnum):
    """Why a wallet's money moved."""

    top_up = "top_up"
    credit = "credit"
    debit = "debit"
    usage = "usage"
    refund = "refund"
    reversal = "reversal"
    grant = "grant"
    expiry = "expiry"
    capture = "capture"
    transfer = "transfer"


class TransactionState(StrEnum):
    """The states of specification 9.1.2; the allowed moves are in `app.domain.states`."""

    INITIATED = "INITIATED"
    PROCESSING = "PROCESSING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    REVERSED = "REVERSED"


class Wallet(Identified, Timestamped, Base):
    """Prepaid money of one account in one currency. `available = balance − held + overdraft_limit`."""

    __tablename__ = "wallets"
    __table_args__ = (
        UniqueConstraint("account_id", "currency"),
        CheckConstraint("balance - held + overdraft_limit >= 0", name="covered"),
        CheckConstraint("held >= 0", name="held_not_negative"),
        CheckConstraint("granted >= 0", name="granted_not_negative"),
        CheckConstraint("overdraft_limit >= 0", name="overdraft_not_negative"),
        CheckConstraint("receivable >= 0", name="receivable_not_negative"),
        CheckConstraint("daily_cap > 0 AND monthly_cap > 0", name="caps_positive"),
        Index("ix_wallets_created_at", "created_at"),
        # In the order in which the dashboard shows the latest of them.
        Index(
            "ix_wallets_low",
            "updated_at",
            "id",
            postgresql_where=text("balance - held < low_balance_threshold"),
        ),
    )

    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id", ondelete="RESTRICT"))
    currency: Mapped[Currency]
    balance: Mapped[Amount] = mapped_column(
        server_default=text("0"), default=0, info={**money(), "readonly": True}
    )
    held: Mapped[Amount] = mapped_column(
        server_default=text("0"), default=0, info={**money(), "readonly": True}
    )
    granted: Mapped[Amount] = mapped_column(
        server_default=text("0"),
        default=0,
        info={**money(), "readonly": True, "help": "The part of the balance that grants gave, not held."},
    )
    metered: Mapped[Amount | None] = mapped_column(
        info={**money(), "readonly": True, "help": "Usage paid since a grant first paid for some."}
    )
    receivable: Mapped[Amount] = mapped_column(
        server_default=text("0"),
        default=0,
        info={**money(), "readonly": True, "help": "Usage that the balance could not pay."},
    )
    overdraft_limit: Mapped[Amount] = mapped_column(server_default=text("0"), default=0, info=money())
    low_balance_threshold: Mapped[Amount | None] = mapped_column(info=money())
    alert_levels: Mapped[list[Any] | None] = mapped_column(
        info={"help": "Balances below which the customer is told; without them, parts of the threshold."}
    )
    alerted_level: Mapped[Amount | None] = mapped_column(info={**money(), "readonly": True})
    auto_top_up: Mapped[dict[str, Any] | None] = mapped_column(info={"help": "{threshold, amount}"})
    topping_up: Mapped[bool] = mapped_column(
        default=False, server_default=text("false"), info={"readonly": True}
    )
    daily_cap: Mapped[Amount | None] = mapped_column(info=money())
    monthly_cap: Mapped[Amount | None] = mapped_column(info=money())
    status: Mapped[WalletStatus] = mapped_column(default=WalletStatus.active, server_default="active")
    seq: Mapped[int] = mapped_column(BigInteger, server_default=text("0"), default=0, info={"readonly": True})
    chain_head: Mapped[bytes] = mapped_column(
        server_default=text("'\\x'"), default=b"", info={"secret": True}
    )

    account: Mapped[Account] = relationship()

    def __str__(self) -> str:
        return f"{self.account.name} {self.currency}"


class Journal(Identified, Base):
    """One movement of money: postings that sum to zero. Never changed; a mistake is reversed by another."""

    __tablename__ = "journals"
    __table_args__ = (
        Index("ix_journals_reverses_id", "reverses_id"),
        Index("ix_journals_reference", "reference_type", "reference_id"),
        Index("ix_journals_created_at", "created_at"),
        # Not of usage, which is nearly all and which metering writes: what is seldom is what is looked for.
        Index("ix_journals_kind", "kind", "id", postgresql_where=text("kind <> 'usage'")),
    )

    kind: Mapped[TransactionKind]
    currency: Mapped[Currency]
    reason: Mapped[str]
    actor: Mapped[str]
    reference_type: Mapped[str | None]
    reference_id: Mapped[str | None]
    reverses_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("journals.id", ondelete="RESTRICT"), unique=True
    )
    created_at: Mapped[datetime]

    postings: Mapped[list["Posting"]] = relationship(
        back_populates="journal", order_by="Posting.id", passive_deletes="all"
    )

    def __str__(self) -> str:
        return f"{self.kind} {self.created_at:%Y-%m-%d %H:%M}"


class Posting(Base):
    """One side of a journal. The side on the wallet (else the first one) carries the wallet's `seq`, the
    balance after, and the journal's link of the wallet's hash chain, which covers every side of the
    journal.
    """

    __tablename__ = "postings"
    __table_args__ = (
        UniqueConstraint("wallet_id", "seq"),
        CheckConstraint("amount <> 0", name="amount_not_zero"),
        CheckConstraint("book <> 'wallet' OR seq IS NOT NULL", name="seq_of_wallet"),
        CheckConstraint("(seq IS NULL) = (hash IS NULL)", name="hash_of_wallet"),
        Index("ix_postings_journal_id", "journal_id"),
        Index("ix_postings_amount", text("abs(amount)"), "journal_id"),
        Index(
            "ix_postings_book",
            "book",
            "id",
            postgresql_include=["journal_id"],
            postgresql_where=text("book <> 'wallet' AND book <> 'revenue'"),
        ),
        Index("ix_postings_account_id", "account_id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    journal_id: Mapped[UUID] = mapped_column(ForeignKey("journals.id", ondelete="RESTRICT"))
    book: Mapped[Book]
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id", ondelete="RESTRICT"))
    wallet_id: Mapped[UUID] = mapped_column(ForeignKey("wallets.id", ondelete="RESTRICT"))
    currency: Mapped[Currency]
    amount: Mapped[Amount] = mapped_column(info=money())
    seq: Mapped[int | None] = mapped_column(BigInteger)
    balance_after: Mapped[Amount | None] = mapped_column(info=money())
    prev_hash: Mapped[bytes | None] = mapped_column(info={"secret": True})
    hash: Mapped[bytes | None] = mapped_column(info={"secret": True})

    journal: Mapped[Journal] = relationship(back_populates="postings")
    wallet: Mapped[Wallet] = relationship()
    account: Mapped[Account] = relationship()


class WalletTransaction(Identified, Base):
    """A wallet's movement as people read it: kind, state, signed amount, and what it was for.

    `explanation` of a usage deduction lists `{component, metric, period_start, quantity, amount}` of every
    position it paid.
    """

    __tablename__ = "wallet_transactions"
    __table_args__ = (
        Index("ix_wallet_transactions_wallet_id_created_at", "wallet_id", "created_at"),
        Index("ix_wallet_transactions_created_at", "created_at"),
        Index(
            "ix_wallet_transactions_kind",
            "kind",
            "created_at",
            "id",
            postgresql_where=text("kind <> 'usage'"),
        ),
        Index("ix_wallet_transactions_journal_id", "journal_id"),
        Index("ix_wallet_transactions_reverses_id", "reverses_id"),
    )

    wallet_id: Mapped[UUID] = mapped_column(ForeignKey("wallets.id", ondelete="RESTRICT"))
    kind: Mapped[TransactionKind]
    state: Mapped[TransactionState] = mapped_column(default=TransactionState.INITIATED)
    amount: Mapped[Amount] = mapped_column(info={**money(), "help": "Positive: the balance rose."})
    currency: Mapped[Currency]
    balance_after: Mapped[Amount | None] = mapped_column(info=money())
    reason: Mapped[str]
    actor: Mapped[str]
    reference: Mapped[str | None] = mapped_column(
        info={"help": "What it belongs to: a payment, an invoice, your own words."}
    )
    explanation: Mapped[list[Any]] = mapped_column(default=list, server_default=text("'[]'"))
    journal_id: Mapped[UUID | None] = mapped_column(ForeignKey("journals.id", ondelete="RESTRICT"))
    reverses_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("wallet_transactions.id", ondelete="RESTRICT")
    )
    created_at: Mapped[CreatedAt]
    completed_at: Mapped[datetime | None]

    wallet: Mapped[Wallet] = relationship()
    journal: Mapped[Journal | None] = relationship()

    def __str__(self) -> str:
        return f"{self.kind} {self.amount} {self.currency}"
