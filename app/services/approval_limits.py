"""Up to which amount one person alone moves the money of wallets: a line for each currency, every change
of it in the audit trail.
"""

from collections.abc import Mapping
from typing import Any

from app.db import db
from app.domain.money import parse_amount
from app.errors import Conflict
from app.models import ApprovalLimit
from app.permissions import Actor
from app.services import audit
from app.services.inputs import currency, read, refusals


def create(values: Mapping[str, Any], *, actor: Actor) -> ApprovalLimit:
    """Set the limit of another currency: `currency` and `amount`, in its own decimals and 0 or more.

    Raises:
        Invalid: with the field that cannot be used.
        Conflict: the currency has a limit.
    """
    code = read({"currency": values.get("currency")}, {"currency": currency}, required=("currency",))[
        "currency"
    ]
    if db.session.get(ApprovalLimit, code) is not None:
        raise Conflict(f"There is a limit for {code} already.")
    limit = ApprovalLimit(currency=code, amount=_read(values.get("amount"), code))
    db.session.add(limit)
    _note(limit, actor, "created", f"One person alone moves up to {limit.amount} {code}")
    return limit


def change(limit: ApprovalLimit, values: Mapping[str, Any], *, actor: Actor) -> ApprovalLimit:
    """Change the `amount` of a limit. What was asked for before keeps waiting.

    Raises:
        Invalid: it cannot be used.
    """
    if "amount" in values:
        limit.amount = _read(values["amount"], limit.currency)
        _note(limit, actor, "changed", f"One person alone now moves up to {limit.amount} {limit.currency}")
    return limit


def _read(amount: Any, code: str) -> Any:
    with refusals():
        return parse_amount(amount, code, pointer="/amount", allow_zero=True)


def _note(limit: ApprovalLimit, actor: Actor, done: str, summary: str) -> None:
    before, after = audit.changes(limit)
    if after:
        audit.record(actor, f"approval_limit.{done}", limit, summary=summary, before=before, after=after)
