"""How the seller appears to customers: on the portal, in mails and on documents."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, func
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base
from app.models.base import CreatedAt, Identified


class BrandLogo(Identified, Base):
    """A picture that was a logo once. Never changed nor deleted: issued documents name it by its SHA-256."""

    __tablename__ = "brand_logos"

    sha256: Mapped[bytes] = mapped_column(unique=True)
    content_type: Mapped[str]
    content: Mapped[bytes]
    created_at: Mapped[CreatedAt]

    def __str__(self) -> str:
        return f"{self.content_type} {self.sha256.hex()[:12]}"


class Branding(Base):
    """The one row of what is shown today; without it the product appears under its own name."""

    __tablename__ = "branding"
    __table_args__ = (
        CheckConstraint("id = 1", name="one_row"),
        CheckConstraint("accent ~ '^#[0-9a-f]{6}$'", name="accent_form"),
        Index("ix_branding_logo_id", "logo_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, default=1)
    name: Mapped[str] = mapped_column(info={"help": "As customers read it in the portal and in mails."})
    accent: Mapped[str] = mapped_column(info={"help": "Six hexadecimal digits: #1976d2."})
    support_email: Mapped[str | None] = mapped_column(info={"format": "email"})
    invoice_footer: Mapped[str | None] = mapped_column(info={"help": "At the foot of every document."})
    logo_id: Mapped[UUID | None] = mapped_column(ForeignKey("brand_logos.id", ondelete="RESTRICT"))
    updated_at: Mapped[datetime] = mapped_column(
        server_default=func.now(), onupdate=func.now(), info={"readonly": True}
    )

    logo: Mapped[BrandLogo | None] = relationship()

    def __str__(self) -> str:
        return self.name
