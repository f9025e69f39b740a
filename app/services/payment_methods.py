"""The ways to pay that gateways keep for accounts: remembered when a payment arrives, charged by automatic
top-ups."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from app.db import db
from app.gateways.payments import SavedMethod
from app.ids import new_id
from app.models import Account, Payment, PaymentMethod
from app.permissions import Actor
from app.services import audit


def remember(payment: Payment, saved: SavedMethod | None, *, at: datetime, actor: Actor) -> None:
    """Keep what the gateway kept with a payment, once."""
    if saved is None or not payment.saves_method:
        return
    row = {
        "id": new_id(),
        "account_id": payment.account_id,
        "gateway": payment.gateway,
        "customer_ref": saved.customer_ref,
        "method_ref": saved.method_ref,
        "label": saved.label,
        "created_at": at,
    }
    made = insert(PaymentMethod).values(row).on_conflict_do_nothing().returning(PaymentMethod)
    method = db.session.scalar(made)
    if method is not None:
        summary = f"{method.label} is kept at {payment.gateway.capitalize()} for automatic top-ups"
        audit.record(actor, "payment_method.saved", method, summary=summary, at=at)


def latest(account_id: object) -> PaymentMethod | None:
    """Return the way to pay that an account saved last, if it has any."""
    query = select(PaymentMethod).where(
        PaymentMethod.account_id == account_id, PaymentMethod.removed_at.is_(None)
    )
    return db.session.scalar(query.order_by(PaymentMethod.id.desc()).limit(1))


def of(account: Account) -> list[PaymentMethod]:
    """Return the ways to pay that an account has saved, the latest first."""
    query = select(PaymentMethod).where(
        PaymentMethod.account_id == account.id, PaymentMethod.removed_at.is_(None)
    )
    return list(db.session.scalars(query.order_by(PaymentMethod.id.desc())))


def remove(method: PaymentMethod, *, at: datetime, actor: Actor) -> None:
    """Charge a way to pay no more; the gateway keeps it until its own page is used."""
    if method.removed_at is None:
        method.removed_at = at
        audit.record(actor, "payment_method.removed", method, summary=f"{method.label} was removed", at=at)
