"""Simulations: a version of a plan over the usage of months that are past, and what each account would have
paid."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base
from app.models.base import Amount, Currency, Identified, Timestamped, money
from app.models.customers import Account, Customer
from app.models.plans import PlanVersion


class SimulationStatus(StrEnum):
    """Where a simulation stands; `failed` when its draft was changed meanwhile."""

    running = "running"
    done = "done"
    cancelled = "cancelled"
    failed = "failed"


class SimulationScope(StrEnum):
    """Whose usage is priced: of the accounts on the version's plan, of all, of a customer's, of those
    chosen."""

    plan = "plan"
    all = "all"
    customer = "customer"
    accounts = "accounts"


class SimulationItemStatus(StrEnum):
    """What became of one account; the message says why one was skipped or failed."""

    pending = "pending"
    compared = "compared"
    skipped = "skipped"
    failed = "failed"


class Simulation(Identified, Timestamped, Base):
    """A version over the local months `first_month` to `last_month` of chosen accounts. Resumable: what is
    pending is left.

    `prices_sha256` names the prices it was begun with: a draft can change, a simulation of two drafts would
    tell nothing.
    """

    __tablename__ = "simulations"
    __table_args__ = (
        CheckConstraint("first_month ~ '^[0-9]{4}-[0-9]{2}$'", name="first_month"),
        CheckConstraint("last_month ~ '^[0-9]{4}-[0-9]{2}$'", name="last_month"),
        CheckConstraint("last_month >= first_month", name="in_order"),
        CheckConstraint("(scope = 'customer') = (customer_id IS NOT NULL)", name="customer_of_scope"),
        Index("ix_simulations_plan_version_id", "plan_version_id"),
        Index("ix_simulations_customer_id", "customer_id"),
    )

    plan_version_id: Mapped[UUID] = mapped_column(ForeignKey("plan_versions.id", ondelete="RESTRICT"))
    first_month: Mapped[str]
    last_month: Mapped[str]
    scope: Mapped[SimulationScope]
    customer_id: Mapped[UUID | None] = mapped_column(ForeignKey("customers.id", ondelete="RESTRICT"))
    prices_sha256: Mapped[bytes]
    status: Mapped[SimulationStatus] = mapped_column(default=SimulationStatus.running)
    accounts: Mapped[int] = mapped_column(info={"help": "How many accounts were chosen."})
    started_by: Mapped[str]
    error: Mapped[str | None]
    finished_at: Mapped[datetime | None]

    version: Mapped[PlanVersion] = relationship()
    customer: Mapped[Customer | None] = relationship()

    def __str__(self) -> str:
        return f"{self.first_month} to {self.last_month}"


class SimulatedAccount(Identified, Timestamped, Base):
    """What one account paid and would have paid, before tax. `months` are `{"month", "old", "new"}` with the
    amounts as texts.
    """

    __tablename__ = "simulated_accounts"
    __table_args__ = (
        UniqueConstraint("simulation_id", "account_id"),
        CheckConstraint(
            "(status = 'compared') = (difference IS NOT NULL) AND difference = new_amount - old_amount",
            name="difference",
        ),
        Index("ix_simulated_accounts_difference", "simulation_id", "currency", "difference", "id"),
        Index("ix_simulated_accounts_account_id", "account_id"),
    )

    simulation_id: Mapped[UUID] = mapped_column(ForeignKey("simulations.id", ondelete="CASCADE"))
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id", ondelete="RESTRICT"))
    status: Mapped[SimulationItemStatus] = mapped_column(
        default=SimulationItemStatus.pending, server_default="pending"
    )
    currency: Mapped[Currency]
    old_amount: Mapped[Amount | None] = mapped_column(info=money())
    new_amount: Mapped[Amount | None] = mapped_column(info=money())
    difference: Mapped[Amount | None] = mapped_column(info=money())
    months: Mapped[list[Any]] = mapped_column(default=list, server_default=text("'[]'"))
    message: Mapped[str | None]

    simulation: Mapped[Simulation] = relationship()
    account: Mapped[Account] = relationship()

    @property
    def percent(self) -> Decimal | None:
        """The difference in percent of what was paid, to one decimal; None of nothing."""
        if not self.old_amount or self.difference is None:
            return None
        return (self.difference / self.old_amount * 100).quantize(Decimal("0.1"))

    def __str__(self) -> str:
        return str(self.account)
