"""What is sold: metrics, plans with their frozen versions and components, and who subscribes."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base
from app.models.base import Currency, Identified, Timestamped
from app.models.customers import Account


class VersionStatus(StrEnum):
    """A version is edited while a draft, sold while published, and only billed once retired."""

    draft = "draft"
    published = "published"
    retired = "retired"


class Interval(StrEnum):
    """The length of a billing period."""

    week = "week"
    month = "month"
    quarter = "quarter"
    year = "year"


class Anchor(StrEnum):
    """Where a billing period starts: the 1st, or the day the subscription started."""

    calendar = "calendar"
    anniversary = "anniversary"


class ComponentKind(StrEnum):
    """A fee that is owed by itself, or a price on usage."""

    fixed = "fixed"
    usage = "usage"


class Timing(StrEnum):
    """Whether a fixed fee is billed at the start or the end of the period it pays for."""

    advance = "advance"
    arrears = "arrears"


class SubscriptionStatus(StrEnum):
    """Where a segment of a subscription stands, for people: money goes by its dates alone."""

    scheduled = "scheduled"
    trialing = "trialing"
    active = "active"
    paused = "paused"
    ended = "ended"


class Ending(StrEnum):
    """Why a segment ends: another plan or version follows, it is paused, or the subscription is cancelled."""

    change = "change"
    pause = "pause"
    cancel = "cancel"


class Metric(Identified, Timestamped, Base):
    """What is counted: an aggregation over events of one code, and the dimensions it may be priced by."""

    __tablename__ = "metrics"
    __table_args__ = (CheckConstraint("code ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$'", name="code_form"),)

    code: Mapped[str] = mapped_column(unique=True, info={"help": "What events name: auth.otp."})
    name: Mapped[str]
    aggregation: Mapped[str] = mapped_column(
        default="count",
        info={
            "registry": "aggregations",
            "help": "How events become a quantity. Unique count and weighted sum need a value property.",
        },
    )
    value_property: Mapped[str | None] = mapped_column(
        info={"help": "The event property that is read; empty: the event's quantity."}
    )
    unit: Mapped[str] = mapped_column(default="unit", info={"help": "What one is called: message, byte."})
    dimensions: Mapped[list[str]] = mapped_column(
        default=list,
        server_default=text("'{}'"),
        info={"help": "Properties to price or report by: channel, country."},
    )
    active: Mapped[bool] = mapped_column(default=True)

    def __str__(self) -> str:
        return self.code


class PricePlan(Identified, Timestamped, Base):
    """A plan by name; what it costs stands in its versions."""

    __tablename__ = "price_plans"
    __table_args__ = (CheckConstraint("code ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$'", name="code_form"),)

    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    description: Mapped[str | None]
    active: Mapped[bool] = mapped_column(
        default=True, info={"help": "Whether new subscriptions may be made."}
    )

    versions: Mapped[list["PlanVersion"]] = relationship(
        back_populates="plan", order_by="PlanVersion.number", passive_deletes="all"
    )

    def __str__(self) -> str:
        return self.name


class PlanVersion(Identified, Timestamped, Base):
    """One immutable price list of a plan. Frozen once published: a change is a new version."""

    __tablename__ = "plan_versions"
    __table_args__ = (UniqueConstraint("plan_id", "number"),)

    plan_id: Mapped[UUID] = mapped_column(ForeignKey("price_plans.id", ondelete="RESTRICT"))
    number: Mapped[int]
    status: Mapped[VersionStatus] = mapped_column(default=VersionStatus.draft, info={"readonly": True})
    interval: Mapped[Interval] = mapped_column(default=Interval.month)
    effective_on: Mapped[date | None] = mapped_column(
        info={"help": "First day on which new subscriptions get it."}
    )
    published_at: Mapped[datetime | None] = mapped_column(info={"readonly": True})
    charge_zero_first_tier: Mapped[bool] = mapped_column(
        default=False, info={"help": "Charge the first tier's flat part also for no usage."}
    )
    suspend_when_empty: Mapped[bool] = mapped_column(
        default=False, info={"help": "Prepaid: refuse new usage once the wallet is empty."}
    )

    plan: Mapped[PricePlan] = relationship(back_populates="versions")
    components: Mapped[list["PriceComponent"]] = relationship(
        back_populates="version",
        order_by="PriceComponent.position",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )

    @property
    def label(self) -> str:
        """`growth v2`, as invoices and explanations name it."""
        return f"{self.plan.code} v{self.number}"

    def __str__(self) -> str:
        return f"v{self.number} ({self.status})"


class PriceComponent(Identified, Base):
    """One price of a version in one currency: a fixed fee, or a price model over a metric.

    `terms` are the model's own fields as the API writes them (`unit`, `tiers`, `free_units` …; a fixed
    fee has `price`); `filters` maps a dimension to the values it matches, and the most specific component
    wins. With `group_by` each value of that dimension is priced by itself.
    """

    __tablename__ = "price_components"
    __table_args__ = (
        UniqueConstraint("plan_version_id", "code", "currency"),
        CheckConstraint("(kind = 'usage') = (metric_id IS NOT NULL)", name="metric_of_usage"),
        CheckConstraint("group_by IS NULL OR kind = 'usage'", name="groups_of_usage"),
        Index("ix_price_components_metric_id", "metric_id"),
    )

    plan_version_id: Mapped[UUID] = mapped_column(ForeignKey("plan_versions.id", ondelete="CASCADE"))
    code: Mapped[str]
    name: Mapped[str]
    kind: Mapped[ComponentKind]
    currency: Mapped[Currency]
    metric_id: Mapped[UUID | None] = mapped_column(ForeignKey("metrics.id", ondelete="RESTRICT"))
    model: Mapped[str] = mapped_column(info={"registry": "price_models"})
    terms: Mapped[dict[str, Any]]
    filters: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default=text("'{}'"))
    group_by: Mapped[str | None] = mapped_column(
        info={"help": "A dimension of the metric: each of its values has its own tiers and limits."}
    )
    timing: Mapped[Timing] = mapped_column(default=Timing.arrears)
    prorated: Mapped[bool] = mapped_column(default=True)
    sac: Mapped[str] = mapped_column(default="998319", info={"help": "Services accounting code for GST."})
    position: Mapped[int] = mapped_column(default=0)

    version: Mapped[PlanVersion] = relationship(back_populates="components")
    metric: Mapped[Metric | None] = relationship()

    def __str__(self) -> str:
        return self.name


def _own_id(context: DefaultExecutionContext) -> UUID:
    """Return the id of the row that is being made."""
    own: UUID = context.get_current_parameters()["id"]  # type: ignore[no-untyped-call]
    return own


class Subscription(Identified, Timestamped, Base):
    """A segment of a subscription: an account on one pinned plan version in the instants `[start_at, end_at)`
    (None is open-ended).

    A change of plan, and a pause that is over, ends a segment and begins another: `previous_id` names the one
    before, `origin_id` the first of all (itself, for the first). `anchor_on` goes from one to the next, so an
    anniversary never drifts. Until `trial_end_at`, a local midnight, nothing is charged.
    """

    __tablename__ = "subscriptions"
    __table_args__ = (
        CheckConstraint("end_at IS NULL OR end_at >= start_at", name="ends_after_start"),
        CheckConstraint("(anchor = 'anniversary') = (anchor_on IS NOT NULL)", name="anniversary_has_a_day"),
        CheckConstraint("(end_at IS NULL) = (ended_by IS NULL)", name="end_has_a_cause"),
        ExcludeConstraint(
            ("account_id", "="),
            ("plan_id", "="),
            (func.tstzrange(text("start_at"), text("end_at")), "&&"),
            name="ex_subscriptions_one_at_a_time",
            using="gist",
        ),
        Index("ix_subscriptions_created_at", "created_at"),
        Index("ix_subscriptions_account_id", "account_id"),
        Index("ix_subscriptions_plan_id", "plan_id"),
        Index("ix_subscriptions_plan_version_id", "plan_version_id"),
        Index("ix_subscriptions_origin_id", "origin_id"),
        Index("ix_subscriptions_previous_id", "previous_id"),
    )

    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id", ondelete="RESTRICT"))
    plan_id: Mapped[UUID] = mapped_column(ForeignKey("price_plans.id", ondelete="RESTRICT"))
    plan_version_id: Mapped[UUID] = mapped_column(ForeignKey("plan_versions.id", ondelete="RESTRICT"))
    status: Mapped[SubscriptionStatus] = mapped_column(
        default=SubscriptionStatus.active, info={"readonly": True}
    )
    anchor: Mapped[Anchor] = mapped_column(default=Anchor.calendar)
    anchor_on: Mapped[date | None] = mapped_column(
        info={"help": "The day that its billing periods start on."}
    )
    start_at: Mapped[datetime]
    end_at: Mapped[datetime | None]
    trial_end_at: Mapped[datetime | None]
    ended_by: Mapped[Ending | None]
    end_reason: Mapped[str | None]
    origin_id: Mapped[UUID] = mapped_column(
        ForeignKey("subscriptions.id", ondelete="RESTRICT"), default=_own_id
    )
    previous_id: Mapped[UUID | None] = mapped_column(ForeignKey("subscriptions.id", ondelete="RESTRICT"))

    account: Mapped[Account] = relationship()
    plan: Mapped[PricePlan] = relationship()
    version: Mapped[PlanVersion] = relationship()

    def __str__(self) -> str:
        return f"{self.account} on {self.plan}"
