"""What was agreed with one customer beside the price list: own terms, a minimum commitment, discounts,
coupons and credits (docs/adr/0009).

A contract belongs to a whole subscription, which its first segment stands for (`Subscription.origin_id`): a
pause or a change of plan does not end it. Days are local to the account and half-open: `end_on` is the first
day on which something no longer holds. What a line of an invoice took from one of these rows stands in its
`source_id`.
"""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Numeric, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base
from app.models.base import Amount, CreatedAt, Currency, Identified, Timestamped, money
from app.models.customers import Account
from app.models.plans import PriceComponent, Subscription

ONE_VALUE = "(percent IS NULL) <> (amount IS NULL) AND (amount IS NULL) = (currency IS NULL)"
PERCENT = "percent > 0 AND percent <= 100"


class CouponDuration(StrEnum):
    """On how many invoices of an account a coupon is used."""

    once = "once"
    periods = "periods"
    forever = "forever"


class TermsOverride(Identified, Timestamped, Base):
    """Other terms of one component for one subscription, for the billing periods that start in `[start_at,
    end_at)`; both are borders of its periods, so that one period has one set of terms.
    """

    __tablename__ = "terms_overrides"
    __table_args__ = (
        CheckConstraint("end_at IS NULL OR end_at > start_at", name="ends_after_start"),
        ExcludeConstraint(
            ("subscription_id", "="),
            ("component_id", "="),
            (func.tstzrange(text("start_at"), text("end_at")), "&&"),
            name="ex_terms_overrides_one_at_a_time",
            using="gist",
        ),
        Index("ix_terms_overrides_component_id", "component_id"),
    )

    subscription_id: Mapped[UUID] = mapped_column(
        ForeignKey("subscriptions.id", ondelete="RESTRICT"), index=True
    )
    component_id: Mapped[UUID] = mapped_column(ForeignKey("price_components.id", ondelete="RESTRICT"))
    model: Mapped[str] = mapped_column(info={"registry": "price_models"})
    terms: Mapped[dict[str, Any]]
    start_at: Mapped[datetime]
    end_at: Mapped[datetime | None]
    reason: Mapped[str | None]

    subscription: Mapped[Subscription] = relationship()
    component: Mapped[PriceComponent] = relationship()

    def __str__(self) -> str:
        return f"{self.component} by contract"


class Commitment(Identified, Timestamped, Base):
    """The least that a subscription pays per whole billing period, from `start_on` until before `end_on`; the
    rest is billed as a true-up by the last run of the period.
    """

    __tablename__ = "commitments"
    __table_args__ = (
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint("end_on IS NULL OR end_on > start_on", name="ends_after_start"),
        ExcludeConstraint(
            ("subscription_id", "="),
            (func.daterange(text("start_on"), text("end_on")), "&&"),
            name="ex_commitments_one_at_a_time",
            using="gist",
        ),
    )

    subscription_id: Mapped[UUID] = mapped_column(
        ForeignKey("subscriptions.id", ondelete="RESTRICT"), index=True
    )
    amount: Mapped[Amount] = mapped_column(info=money())
    currency: Mapped[Currency]
    start_on: Mapped[date]
    end_on: Mapped[date | None]
    reason: Mapped[str | None]

    subscription: Mapped[Subscription] = relationship()

    def __str__(self) -> str:
        return "Minimum commitment"


class Discount(Identified, Timestamped, Base):
    """A reduction of what is charged for days from `start_on` until before `end_on`: a percentage, or an
    amount once per invoiced period. For the whole account, or for one of its subscriptions.
    """

    __tablename__ = "discounts"
    __table_args__ = (
        CheckConstraint(ONE_VALUE, name="one_value"),
        CheckConstraint(PERCENT, name="percent"),
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint("end_on IS NULL OR end_on > start_on", name="ends_after_start"),
    )

    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id", ondelete="RESTRICT"), index=True)
    subscription_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("subscriptions.id", ondelete="RESTRICT"), index=True
    )
    name: Mapped[str] = mapped_column(info={"help": "As invoices show it."})
    percent: Mapped[Decimal | None] = mapped_column(Numeric(9, 6))
    amount: Mapped[Amount | None] = mapped_column(info=money())
    currency: Mapped[Currency | None]
    start_on: Mapped[date]
    end_on: Mapped[date | None]
    reason: Mapped[str | None]

    account: Mapped[Account] = relationship()
    subscription: Mapped[Subscription | None] = relationship()

    def __str__(self) -> str:
        return self.name


class Coupon(Identified, Timestamped, Base):
    """A reduction that accounts redeem by its code, as often as it says. `redeemed` counts, by a conditional
    update, how often that was.
    """

    __tablename__ = "coupons"
    __table_args__ = (
        CheckConstraint("code ~ '^[A-Z0-9][A-Z0-9._-]{0,49}$'", name="code_form"),
        CheckConstraint(ONE_VALUE, name="one_value"),
        CheckConstraint(PERCENT, name="percent"),
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint("(duration = 'periods') = (periods IS NOT NULL)", name="periods_of_duration"),
        CheckConstraint("periods BETWEEN 1 AND 120", name="periods"),
        CheckConstraint("redeemed >= 0 AND redeemed <= max_redemptions", name="not_overdrawn"),
        CheckConstraint("max_per_account > 0", name="max_per_account"),
    )

    code: Mapped[str] = mapped_column(unique=True, info={"help": "Capital letters and digits: DIWALI26."})
    name: Mapped[str] = mapped_column(info={"help": "As invoices show it."})
    percent: Mapped[Decimal | None] = mapped_column(Numeric(9, 6))
    amount: Mapped[Amount | None] = mapped_column(info=money())
    currency: Mapped[Currency | None]
    duration: Mapped[CouponDuration] = mapped_column(default=CouponDuration.once)
    periods: Mapped[int | None] = mapped_column(info={"help": "How many invoiced periods it reduces."})
    max_redemptions: Mapped[int | None] = mapped_column(info={"help": "By all accounts; empty: no limit."})
    max_per_account: Mapped[int] = mapped_column(default=1, server_default=text("1"))
    redeemed: Mapped[int] = mapped_column(default=0, server_default=text("0"), info={"readonly": True})
    expires_at: Mapped[datetime | None] = mapped_column(info={"help": "Not to be redeemed from then on."})
    plan_codes: Mapped[list[str]] = mapped_column(
        default=list, server_default=text("'{}'"), info={"help": "Only for these plans; empty: for all."}
    )
    active: Mapped[bool] = mapped_column(default=True, server_default=text("true"))

    def __str__(self) -> str:
        return self.code


class CouponRedemption(Identified, Base):
    """A coupon that an account has redeemed. `used` counts the invoiced periods that it has reduced, by a
    conditional update when an invoice is issued; `periods` is how many there may be (None: no end).
    """

    __tablename__ = "coupon_redemptions"
    __table_args__ = (
        UniqueConstraint("coupon_id", "account_id", "number"),
        CheckConstraint("used >= 0 AND used <= periods", name="not_overdrawn"),
        Index("ix_coupon_redemptions_account_id", "account_id"),
    )

    coupon_id: Mapped[UUID] = mapped_column(ForeignKey("coupons.id", ondelete="RESTRICT"))
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id", ondelete="RESTRICT"))
    number: Mapped[int] = mapped_column(info={"help": "The how-manieth of this account."})
    periods: Mapped[int | None]
    used: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    redeemed_at: Mapped[datetime]
    created_at: Mapped[CreatedAt]

    coupon: Mapped[Coupon] = relationship()
    account: Mapped[Account] = relationship()

    def __str__(self) -> str:
        return str(self.coupon)


class AccountCredit(Identified, Timestamped, Base):
    """An amount that reduces the invoices of an account until `remaining` is nothing: what is neither used
    nor `withdrawn`. Its uses are the lines of issued invoices that name it.
    """

    __tablename__ = "account_credits"
    __table_args__ = (
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint(
            "remaining >= 0 AND withdrawn >= 0 AND remaining + withdrawn <= amount", name="not_overdrawn"
        ),
    )

    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id", ondelete="RESTRICT"), index=True)
    amount: Mapped[Amount] = mapped_column(info=money())
    remaining: Mapped[Amount] = mapped_column(info=money())
    withdrawn: Mapped[Amount] = mapped_column(default=0, server_default=text("0"), info=money())
    currency: Mapped[Currency]
    reason: Mapped[str] = mapped_column(info={"help": "As invoices show it."})

    account: Mapped[Account] = relationship()

    def __str__(self) -> str:
        return self.reason
