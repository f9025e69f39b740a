"""Billing runs: one pass over accounts for a month, and what became of each account."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base
from app.models.base import Amount, Currency, Identified, Timestamped, money
from app.models.customers import Account
from app.models.invoices import Invoice
from app.models.plans import PricePlan


class RunStatus(StrEnum):
    """Where a billing run stands; one that was cancelled goes on when it is started again."""

    pending = "pending"
    running = "running"
    done = "done"
    failed = "failed"
    cancelled = "cancelled"


class RunScope(StrEnum):
    """Whom a run bills: every account, those that were on a plan in the month, or those that were named."""

    all = "all"
    plan = "plan"
    accounts = "accounts"


class ItemStatus(StrEnum):
    """What became of one account in a billing run; `due` is what a dry run would have issued."""

    pending = "pending"
    issued = "issued"
    due = "due"
    nothing_owed = "nothing_owed"
    parked = "parked"
    failed = "failed"


class BillingRun(Identified, Timestamped, Base):
    """One pass over accounts for one month. Resumable: the next pass does what is still pending.

    `scope_key` spells whose it is, so that a month has one run for everybody, one for each plan and one for
    each choice of accounts. A dry run writes nothing but its own rows, and there may be many.
    """

    __tablename__ = "billing_runs"
    __table_args__ = (
        CheckConstraint("(scope = 'plan') = (plan_id IS NOT NULL)", name="plan_of_scope"),
        Index(
            "uq_billing_runs_one_per_scope",
            "period",
            "scope_key",
            unique=True,
            postgresql_where=text("NOT dry_run"),
        ),
        Index("ix_billing_runs_plan_id", "plan_id"),
    )

    period: Mapped[str] = mapped_column(info={"help": "Year and month: 2026-10."})
    scope: Mapped[RunScope] = mapped_column(default=RunScope.all, server_default="all")
    plan_id: Mapped[UUID | None] = mapped_column(ForeignKey("price_plans.id", ondelete="RESTRICT"))
    scope_key: Mapped[str] = mapped_column(default="", server_default="", info={"readonly": True})
    dry_run: Mapped[bool] = mapped_column(
        default=False, server_default=text("false"), info={"help": "It shows what would be billed."}
    )
    status: Mapped[RunStatus] = mapped_column(default=RunStatus.pending)
    started_by: Mapped[str]
    finished_at: Mapped[datetime | None]

    plan: Mapped[PricePlan | None] = relationship()
    items: Mapped[list["BillingRunItem"]] = relationship(back_populates="run", passive_deletes="all")

    def __str__(self) -> str:
        return f"{self.period}, dry run" if self.dry_run else self.period


class BillingRunItem(Identified, Timestamped, Base):
    """What became of one account in a billing run: the total of its invoice, and that of the month before."""

    __tablename__ = "billing_run_items"
    __table_args__ = (
        UniqueConstraint("run_id", "account_id"),
        CheckConstraint("(total IS NULL) = (currency IS NULL)", name="total_in_currency"),
        Index("ix_billing_run_items_run_id_status", "run_id", "status", "id"),
        Index("ix_billing_run_items_account_id", "account_id"),
        Index("ix_billing_run_items_invoice_id", "invoice_id"),
    )

    run_id: Mapped[UUID] = mapped_column(ForeignKey("billing_runs.id", ondelete="RESTRICT"))
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id", ondelete="RESTRICT"))
    status: Mapped[ItemStatus] = mapped_column(default=ItemStatus.pending, server_default="pending")
    invoice_id: Mapped[UUID | None] = mapped_column(ForeignKey("invoices.id", ondelete="RESTRICT"))
    currency: Mapped[Currency | None]
    total: Mapped[Amount | None] = mapped_column(info=money())
    previous: Mapped[Amount | None] = mapped_column(
        info={**money(), "help": "What the run of the month before billed."}
    )
    message: Mapped[str | None]

    run: Mapped[BillingRun] = relationship(back_populates="items")
    account: Mapped[Account] = relationship()
    invoice: Mapped[Invoice | None] = relationship()

    @property
    def difference(self) -> Decimal | None:
        """What is more than in the month before; None where either is unknown."""
        return None if self.total is None or self.previous is None else self.total - self.previous

    @property
    def percent(self) -> Decimal | None:
        """The difference in percent of the month before, to one decimal; None of nothing."""
        if not self.previous or self.difference is None:
            return None
        return (self.difference / self.previous * 100).quantize(Decimal("0.1"))
