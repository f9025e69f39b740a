"""Usage: what arrived, what is still to be folded in, what it adds up to, and what has been charged for it.

Every key starts with the account, so that a distributed PostgreSQL can shard these tables by it.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base
from app.models.base import Amount, CreatedAt, Currency, Identified, Quantity, money
from app.models.corrections import CorrectionKind, EventCorrection
from app.models.customers import Account
from app.models.plans import Metric, PriceComponent, Subscription


class EventStatus(StrEnum):
    """Whether an accepted event still counts, was taken back, or was replaced by another event."""

    counted = "counted"
    cancelled = "cancelled"
    amended = "amended"


class DeadLetterStatus(StrEnum):
    """Whether a refused event still waits for a decision."""

    open = "open"
    replayed = "replayed"
    discarded = "discarded"


class EventKey(Base):
    """One row for every event id an account has ever sent: the exact, permanent guard against counting twice.

    Hash-partitioned, because a time-partitioned table cannot keep an id unique across months.
    """

    __tablename__ = "event_keys"
    __table_args__ = ({"postgresql_partition_by": "HASH (account_id)"},)

    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    event_id: Mapped[str] = mapped_column(primary_key=True)
    body_sha256: Mapped[bytes]
    occurred_at: Mapped[datetime]


class UsageEvent(Base):
    """One accepted event. Partitioned by month of `occurred_at`; append-only."""

    __tablename__ = "usage_events"
    __table_args__ = (
        Index("ix_usage_events_occurred_at", "occurred_at"),
        {"postgresql_partition_by": "RANGE (occurred_at)"},
    )

    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    occurred_at: Mapped[datetime] = mapped_column(primary_key=True)
    event_id: Mapped[str] = mapped_column(primary_key=True)
    metric_id: Mapped[UUID]
    quantity: Mapped[Quantity]
    properties: Mapped[dict[str, Any]]
    received_at: Mapped[CreatedAt]

    account: Mapped[Account] = relationship(
        primaryjoin="foreign(UsageEvent.account_id) == Account.id", viewonly=True
    )
    metric: Mapped[Metric] = relationship(
        primaryjoin="foreign(UsageEvent.metric_id) == Metric.id", viewonly=True
    )
    correction: Mapped[EventCorrection | None] = relationship(
        primaryjoin=(
            "and_(foreign(UsageEvent.account_id) == EventCorrection.account_id, "
            "foreign(UsageEvent.event_id) == EventCorrection.event_id)"
        ),
        viewonly=True,
    )

    @property
    def status(self) -> EventStatus:
        """Whether it counts; a list of events loads `correction` along (an outer join by primary key)."""
        if self.correction is None:
            return EventStatus.counted
        amended = self.correction.kind == CorrectionKind.amend
        return EventStatus.amended if amended else EventStatus.cancelled

    def __str__(self) -> str:
        return self.event_id


class UsageDelta(Base):
    """New usage not yet folded into a rollup: the metering work queue, claimed by DELETE … SKIP LOCKED …
    RETURNING.
    """

    __tablename__ = "usage_deltas"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    account_id: Mapped[UUID]
    metric_id: Mapped[UUID]
    bucket_at: Mapped[datetime]
    dimensions: Mapped[dict[str, Any]]
    quantity: Mapped[Quantity]
    events: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[CreatedAt]


class UsageRollup(Base):
    """The usage of an account by metric, dimension values and 15-minute bucket (UTC, `[bucket_at, +15
    min)`).

    `quantity` is the bucket's own. Where quantities do not add (`Aggregation.adds`), `state` is what the
    bucket gives to a longer window, in the aggregation's own form; it stays NULL where they do, and where no
    event of the bucket counts.
    """

    __tablename__ = "usage_rollups"
    __table_args__ = (
        Index("ix_usage_rollups_bucket_at", "bucket_at"),
        Index("ix_usage_rollups_metric_id_bucket_at", "metric_id", "bucket_at"),
    )

    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    metric_id: Mapped[UUID] = mapped_column(primary_key=True)
    bucket_at: Mapped[datetime] = mapped_column(primary_key=True)
    dimensions: Mapped[dict[str, Any]] = mapped_column(primary_key=True)
    quantity: Mapped[Quantity]
    events: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[Any | None] = mapped_column(JSONB(none_as_null=True))

    account: Mapped[Account] = relationship(
        primaryjoin="foreign(UsageRollup.account_id) == Account.id", viewonly=True
    )
    metric: Mapped[Metric] = relationship(
        primaryjoin="foreign(UsageRollup.metric_id) == Metric.id", viewonly=True
    )


class ChargePosition(Identified, Base):
    """The cumulative usage of one component in one period, and how much of its price has been asked for.

    `charged_*` went to the wallet (prepaid), `invoiced_*` stands on issued invoices. What is still to be
    asked for is always `price(quantity) − asked`, so amounts never drift and late events become a
    difference. Where each value of a dimension is priced by itself, `groups` holds what each
    came to (`domain.groups`), and `quantity` is their sum.
    """

    __tablename__ = "charge_positions"
    __table_args__ = (
        UniqueConstraint("subscription_id", "component_id", "period_start"),
        Index("ix_charge_positions_account_id_period_start", "account_id", "period_start"),
        Index("ix_charge_positions_component_id", "component_id"),
    )

    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id", ondelete="RESTRICT"))
    subscription_id: Mapped[UUID] = mapped_column(ForeignKey("subscriptions.id", ondelete="RESTRICT"))
    component_id: Mapped[UUID] = mapped_column(ForeignKey("price_components.id", ondelete="RESTRICT"))
    period_start: Mapped[datetime]
    period_end: Mapped[datetime]
    currency: Mapped[Currency]
    quantity: Mapped[Quantity] = mapped_column(server_default=text("0"))
    events: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    groups: Mapped[dict[str, Any] | None]
    charged_amount: Mapped[Amount] = mapped_column(server_default=text("0"), info=money())
    invoiced_quantity: Mapped[Quantity] = mapped_column(server_default=text("0"))
    invoiced_amount: Mapped[Amount] = mapped_column(server_default=text("0"), info=money())

    account: Mapped[Account] = relationship()
    subscription: Mapped[Subscription] = relationship()
    component: Mapped[PriceComponent] = relationship()


class DeadLetter(Identified, Base):
    """An event that was refused, kept with its reason until somebody mends, replays or discards it.

    The same refused event sent again raises `seen` instead of making another row: `payload_sha256` stays
    that of what was sent, also when `payload` is edited. `original_payload` then keeps how it came.
    """

    __tablename__ = "dead_letters"
    __table_args__ = (
        UniqueConstraint("payload_sha256", "code"),
        Index("ix_dead_letters_status_last_seen_at", "status", "last_seen_at"),
        Index("ix_dead_letters_status_code_id", "status", "code", "id"),
    )

    source: Mapped[str] = mapped_column(
        info={"help": "The door it came through: api, cloudevents, lago, import."}
    )
    code: Mapped[str]
    pointer: Mapped[str]
    message: Mapped[str]
    account_ref: Mapped[str | None] = mapped_column(index=True)
    metric_code: Mapped[str | None]
    event_id: Mapped[str | None] = mapped_column(index=True)
    payload: Mapped[dict[str, Any]]
    original_payload: Mapped[dict[str, Any] | None]
    payload_sha256: Mapped[bytes]
    status: Mapped[DeadLetterStatus] = mapped_column(default=DeadLetterStatus.open, server_default="open")
    seen: Mapped[int] = mapped_column(default=1, server_default=text("1"))
    first_seen_at: Mapped[CreatedAt]
    last_seen_at: Mapped[CreatedAt]
