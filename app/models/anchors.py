"""What the ends of the wallets' chains were, noted from time to time."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base
from app.models.wallets import Wallet


class LedgerAnchor(Base):
    """The last posting of a wallet at an instant: its number and its hash. Append-only.

    A chain proves itself up to its end and says nothing of what once came after it; this is what remembers.
    The anchors form a chain of their own, by their gapless number.
    """

    __tablename__ = "ledger_anchors"
    __table_args__ = (Index("ix_ledger_anchors_wallet_id_seq", "wallet_id", "seq"),)

    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    wallet_id: Mapped[UUID] = mapped_column(ForeignKey("wallets.id", ondelete="RESTRICT"))
    seq: Mapped[int] = mapped_column(BigInteger)
    head: Mapped[bytes] = mapped_column(info={"secret": True})
    prev_hash: Mapped[bytes] = mapped_column(info={"secret": True})
    hash: Mapped[bytes] = mapped_column(info={"secret": True})

    wallet: Mapped[Wallet] = relationship()
