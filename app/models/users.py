"""People who sign in, and the keys that services call with."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, Enum, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base
from app.models.base import Identified, Timestamped
from app.models.customers import Account, Customer
from app.permissions import Role

PEOPLE = (Role.super_admin, Role.finance_admin, Role.support, Role.customer)


class KeyKind(StrEnum):
    """How a key proves itself: a bearer secret, or a signature over the request."""

    bearer = "bearer"
    hmac = "hmac"


class User(Identified, Timestamped, Base):
    """A person. Staff see everything their role allows; a customer sees one customer's data."""

    __tablename__ = "users"
    __table_args__ = (
        CheckConstraint("(role = 'customer') = (customer_id IS NOT NULL)", name="customer_of_role"),
        Index("ix_users_customer_id", "customer_id"),
    )

    email: Mapped[str] = mapped_column(unique=True, info={"format": "email"})
    name: Mapped[str]
    role: Mapped[Role] = mapped_column(
        Enum(Role, native_enum=False, length=32, create_constraint=True, name="role")
    )
    customer_id: Mapped[UUID | None] = mapped_column(ForeignKey("customers.id", ondelete="RESTRICT"))
    active: Mapped[bool] = mapped_column(default=True)
    timezone: Mapped[str] = mapped_column(default="Asia/Kolkata", info={"format": "timezone"})
    locale: Mapped[str] = mapped_column(default="en")
    subject: Mapped[str | None] = mapped_column(
        unique=True, info={"readonly": True, "help": "The identity provider's id of this person."}
    )
    last_sign_in_at: Mapped[datetime | None] = mapped_column(info={"readonly": True})

    customer: Mapped[Customer | None] = relationship()

    def __str__(self) -> str:
        return self.name


class ApiKey(Identified, Timestamped, Base):
    """A service's key. The secret of a bearer key is kept only as a keyed hash and shown once."""

    __tablename__ = "api_keys"
    __table_args__ = (Index("ix_api_keys_account_id", "account_id"),)

    name: Mapped[str]
    kind: Mapped[KeyKind] = mapped_column(default=KeyKind.bearer)
    prefix: Mapped[str] = mapped_column(
        unique=True, info={"readonly": True, "help": "The start of the secret, to tell keys apart."}
    )
    secret_hash: Mapped[bytes] = mapped_column(info={"secret": True})
    scopes: Mapped[list[str]] = mapped_column(default=list, server_default=text("'{}'"))
    account_id: Mapped[UUID | None] = mapped_column(ForeignKey("accounts.id", ondelete="RESTRICT"))
    allowed_ips: Mapped[list[str]] = mapped_column(default=list, server_default=text("'{}'"))
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None] = mapped_column(info={"readonly": True})
    last_used_at: Mapped[datetime | None] = mapped_column(info={"readonly": True})

    account: Mapped[Account | None] = relationship()

    def __str__(self) -> str:
        return self.name
