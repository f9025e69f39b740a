"""Customers (the tenants) and their accounts (what is metered, priced and billed)."""

from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base
from app.models.base import Country, Currency, Identified, Timestamped
from app.models.tax import SellerRegistration


class CustomerStatus(StrEnum):
    """Whether business is done with the customer."""

    active = "active"
    suspended = "suspended"
    closed = "closed"


class TaxTreatment(StrEnum):
    """How the law sees the recipient: `sez` is a unit in a Special Economic Zone (IGST Act s.16), `exempt`
    somebody whom a notification exempts."""

    regular = "regular"
    sez = "sez"
    exempt = "exempt"


class BillingMode(StrEnum):
    """Whether usage is deducted from a wallet as it arrives, or invoiced after the period."""

    prepaid = "prepaid"
    postpaid = "postpaid"


class AccountStatus(StrEnum):
    """Whether the account may use the services."""

    active = "active"
    suspended = "suspended"
    closed = "closed"


class Customer(Identified, Timestamped, Base):
    """A legal person that buys: name, contacts, address and tax identity."""

    __tablename__ = "customers"
    __table_args__ = (
        CheckConstraint("length(name) BETWEEN 1 AND 300", name="name_length"),
        CheckConstraint("length(email) <= 254", name="email_length"),
        Index("ix_customers_created_at", "created_at"),
        Index("ix_customers_name", "name"),
        Index("ix_customers_name_prefix", text("lower(name) text_pattern_ops")),
        Index("ix_customers_email_prefix", text("lower(email) text_pattern_ops")),
        Index("ix_customers_gstin", "gstin"),
    )

    external_id: Mapped[str | None] = mapped_column(
        unique=True, info={"help": "Your own id of this customer."}
    )
    name: Mapped[str] = mapped_column(info={"help": "Legal name, as it stands on invoices."})
    email: Mapped[str] = mapped_column(info={"format": "email"})
    billing_emails: Mapped[list[str]] = mapped_column(
        default=list,
        server_default=text("'{}'"),
        info={"help": "Who else gets invoices and other documents by mail."},
    )
    phone: Mapped[str | None] = mapped_column(
        info={"format": "phone", "help": "With country code: +919876543210."}
    )
    country: Mapped[Country] = mapped_column(default="IN", info={"format": "country"})
    address_line1: Mapped[str | None]
    address_line2: Mapped[str | None]
    city: Mapped[str | None]
    state_code: Mapped[str | None] = mapped_column(
        info={"help": "GST State code, two digits, for India: 29 is Karnataka."}
    )
    postal_code: Mapped[str | None]
    gstin: Mapped[str | None] = mapped_column(
        info={"help": "15 characters; decides the place of supply in India."}
    )
    tax_id: Mapped[str | None] = mapped_column(info={"help": "Tax number outside India."})
    tax_treatment: Mapped[TaxTreatment] = mapped_column(default=TaxTreatment.regular)
    exempt_reason: Mapped[str | None] = mapped_column(
        info={"help": "The notification that exempts the customer, as invoices cite it."}
    )
    reverse_charge: Mapped[bool] = mapped_column(
        default=False,
        server_default=text("false"),
        info={"help": "The customer pays the tax to the government itself (CGST Act s.9(3))."},
    )
    status: Mapped[CustomerStatus] = mapped_column(default=CustomerStatus.active, index=True)
    extra: Mapped[dict[str, Any]] = mapped_column("metadata", default=dict, server_default=text("'{}'"))

    accounts: Mapped[list["Account"]] = relationship(
        back_populates="customer", order_by="Account.created_at", passive_deletes="all"
    )

    def __str__(self) -> str:
        return self.name


class Account(Identified, Timestamped, Base):
    """What is billed on its own: one currency, one time zone, prepaid or postpaid."""

    __tablename__ = "accounts"
    __table_args__ = (
        CheckConstraint("payment_terms_days BETWEEN 0 AND 365", name="payment_terms"),
        Index("ix_accounts_created_at", "created_at"),
        Index("ix_accounts_name", "name"),
        Index("ix_accounts_billing_mode_status", "billing_mode", "status"),
        Index("ix_accounts_name_prefix", text("lower(name) text_pattern_ops")),
    )

    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id", ondelete="RESTRICT"), index=True)
    external_id: Mapped[str | None] = mapped_column(
        unique=True, info={"help": "The id that services post usage with."}
    )
    name: Mapped[str]
    currency: Mapped[Currency] = mapped_column(default="INR", info={"format": "currency"})
    timezone: Mapped[str] = mapped_column(default="Asia/Kolkata", info={"format": "timezone"})
    billing_mode: Mapped[BillingMode] = mapped_column(default=BillingMode.postpaid)
    status: Mapped[AccountStatus] = mapped_column(default=AccountStatus.active)
    payment_terms_days: Mapped[int] = mapped_column(default=15)
    settings: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default=text("'{}'"))
    registration_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("seller_registrations.id", ondelete="RESTRICT"),
        index=True,
        info={"help": "The registration that invoices are issued from; empty: by the rule of the settings."},
    )

    registration: Mapped[SellerRegistration | None] = relationship()
    customer: Mapped[Customer] = relationship(back_populates="accounts")

    def __str__(self) -> str:
        return self.name
