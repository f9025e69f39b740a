"""What the tables share: column types with their meaning, keys and timestamps."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from sqlalchemy import Numeric, String, func
from sqlalchemy.orm import Mapped, mapped_column

from app.ids import new_id

# A sum of money in the row's currency. Four decimals hold every currency's minor unit (KWD has three).
Amount = Annotated[Decimal, mapped_column(Numeric(20, 4))]
# Unrounded: as many decimals as were given, up to 12.
Quantity = Annotated[Decimal, mapped_column(Numeric())]
# ISO 4217.
Currency = Annotated[str, mapped_column(String(3))]
# ISO 3166-1 alpha-2.
Country = Annotated[str, mapped_column(String(2))]
CreatedAt = Annotated[datetime, mapped_column(server_default=func.now(), info={"readonly": True})]


class Identified:
    """A UUIDv7 primary key, made in Python."""

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id, sort_order=-1)


class Timestamped:
    """When the row was made and last changed, by the database's clock."""

    created_at: Mapped[CreatedAt] = mapped_column(sort_order=90)
    updated_at: Mapped[datetime] = mapped_column(
        server_default=func.now(), onupdate=func.now(), info={"readonly": True}, sort_order=91
    )


def money(currency: str = "currency") -> dict[str, str]:
    """Return the `info` hint that a column holds money in the currency named by that attribute (a dotted
    path is fine).
    """
    return {"money": currency}
