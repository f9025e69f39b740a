"""People who sign in, and the keys that services call with."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, Enum, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base
from app.models.base import CreatedAt, Identified, Timestamped
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
        CheckConstraint("theme IN ('light', 'dark', 'system')", name="theme"),
        CheckConstraint("(issuer IS NULL) = (subject IS NULL)", name="subject_of_issuer"),
        UniqueConstraint("issuer", "subject"),
        Index("ix_users_customer_id", "customer_id"),
        Index("ix_users_created_at", "created_at"),
        Index("ix_users_name_prefix", text("lower(name) text_pattern_ops")),
        Index("ix_users_email_prefix", text("lower(email) text_pattern_ops")),
    )

    email: Mapped[str] = mapped_column(unique=True, info={"format": "email"})
    name: Mapped[str]
    role: Mapped[Role] = mapped_column(
        Enum(Role, native_enum=False, length=32, create_constraint=True, name="role")
    )
    customer_id: Mapped[UUID | None] = mapped_column(ForeignKey("customers.id", ondelete="RESTRICT"))
    active: Mapped[bool] = mapped_column(default=True)
    timezone: Mapped[str] = mapped_column(default="Asia/Kolkata", info={"format": "timezone"})
    locale: Mapped[str | None] = mapped_column(
        info={"format": "language", "help": "The language of the pages, and of the mail that invites them."}
    )
    theme: Mapped[str | None] = mapped_column(info={"help": "light, dark or system."})
    issuer: Mapped[str | None] = mapped_column(
        info={"readonly": True, "help": "The identity provider that this person came from first."}
    )
    subject: Mapped[str | None] = mapped_column(
        info={"readonly": True, "help": "The identity provider's id of this person."}
    )
    session_epoch: Mapped[int] = mapped_column(default=0, server_default=text("0"), info={"readonly": True})
    last_sign_in_at: Mapped[datetime | None] = mapped_column(info={"readonly": True})

    customer: Mapped[Customer | None] = relationship()

    def __str__(self) -> str:
        return self.name


class ApiKey(Identified, Timestamped, Base):
    """A service's key. Its secrets, at most two that are active, are `ApiKeySecret`s."""

    __tablename__ = "api_keys"
    __table_args__ = (Index("ix_api_keys_account_id", "account_id"),)

    name: Mapped[str]
    kind: Mapped[KeyKind] = mapped_column(default=KeyKind.bearer)
    prefix: Mapped[str] = mapped_column(
        unique=True, info={"readonly": True, "help": "The start of the secret, to tell keys apart."}
    )
    scopes: Mapped[list[str]] = mapped_column(default=list, server_default=text("'{}'"))
    account_id: Mapped[UUID | None] = mapped_column(ForeignKey("accounts.id", ondelete="RESTRICT"))
    allowed_ips: Mapped[list[str]] = mapped_column(default=list, server_default=text("'{}'"))
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None] = mapped_column(info={"readonly": True})
    last_used_at: Mapped[datetime | None] = mapped_column(info={"readonly": True})

    account: Mapped[Account | None] = relationship()
    secrets: Mapped[list["ApiKeySecret"]] = relationship(
        back_populates="key", order_by="(ApiKeySecret.created_at, ApiKeySecret.id)"
    )

    def __str__(self) -> str:
        return self.name


class ApiKeySecret(Identified, Base):
    """One secret of a key: a keyed hash (bearer), or encrypted (hmac) by a data key that is itself wrapped.

    It ends at `expires_at`, which a rotation sets; None means with its key.
    """

    __tablename__ = "api_key_secrets"
    __table_args__ = (
        CheckConstraint(
            "(secret_hash IS NULL) = (ciphertext IS NOT NULL)"
            " AND (ciphertext IS NULL) = (wrapped_key IS NULL)"
            " AND (ciphertext IS NULL) = (key_service IS NULL)",
            name="hashed_or_encrypted",
        ),
        Index("ix_api_key_secrets_key_id", "key_id"),
    )

    key_id: Mapped[UUID] = mapped_column(ForeignKey("api_keys.id", ondelete="RESTRICT"))
    secret_hash: Mapped[bytes | None] = mapped_column(info={"secret": True})
    ciphertext: Mapped[bytes | None] = mapped_column(info={"secret": True})
    wrapped_key: Mapped[bytes | None] = mapped_column(info={"secret": True})
    key_service: Mapped[str | None]
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime | None]

    key: Mapped[ApiKey] = relationship(back_populates="secrets")


class UsedNonce(Base):
    """A nonce that a signed request has used; after `forget_at` its request is too old anyway.

    Without a foreign key: each would lock its key's row, and a thousand a second would queue for that lock.
    """

    __tablename__ = "used_nonces"
    __table_args__ = (Index("ix_used_nonces_forget_at", "forget_at"),)

    key_id: Mapped[UUID] = mapped_column(primary_key=True)
    nonce: Mapped[str] = mapped_column(primary_key=True)
    forget_at: Mapped[datetime]
