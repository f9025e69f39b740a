"""What there is, in numbers."""

from sqlalchemy import func, select

from app.db import Base, db
from app.models import Account, Customer, Invoice, PricePlan, UsageEvent, Wallet

COUNTED: tuple[tuple[str, type[Base]], ...] = (
    ("customers", Customer),
    ("accounts", Account),
    ("plans", PricePlan),
    ("usage events", UsageEvent),
    ("invoices", Invoice),
    ("wallets", Wallet),
)


def what_there_is() -> list[tuple[str, object]]:
    """Return the name and the number of each kind of thing."""
    return [
        (name, f"{db.session.scalar(select(func.count()).select_from(model)):,}") for name, model in COUNTED
    ]
