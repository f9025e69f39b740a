"""What a customer decides about a wallet: when to be warned, what to spend at most, and automatic top-ups."""

from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask_login import current_user
from werkzeug.wrappers import Response

from app import clock
from app.db import in_transaction
from app.errors import DomainError
from app.portal.guard import blueprint, own_id
from app.services import caps, own, payment_methods, wallet_limits

AMOUNTS = ("low_balance_threshold", "daily_cap", "monthly_cap")
PLAN = ("threshold", "amount")


@blueprint.get("/wallets/<uuid:wallet_id>/limits")
def ask_limits(wallet_id: UUID) -> str:
    """Ask for the limits of a wallet."""
    wallet = own.get_wallet(own_id(), wallet_id)
    plan = wallet.auto_top_up or {}
    values = {name: getattr(wallet, name) for name in AMOUNTS} | {name: plan.get(name) for name in PLAN}
    return _form(wallet_id, {name: _shown(value) for name, value in values.items()})


@blueprint.post("/wallets/<uuid:wallet_id>/limits")
def change_limits(wallet_id: UUID) -> Response | tuple[str, int]:
    """Set the limits of a wallet; an empty field takes one away."""
    given = {name: request.form.get(name, "").replace(",", "").strip() for name in (*AMOUNTS, *PLAN)}
    plan = {name: given[name] for name in PLAN}
    values = {name: given[name] or None for name in AMOUNTS}

    def change() -> None:
        wallet = own.get_wallet(own_id(), wallet_id)
        wanted = {**values, "auto_top_up": plan if any(plan.values()) else None}
        wallet_limits.set_limits(wallet, wanted, actor=current_user.actor())

    try:
        in_transaction(change)
    except DomainError as error:
        pointers = {field.pointer.rpartition("/")[2]: field.message for field in error.fields}
        return _form(wallet_id, given, problems=pointers, problem=error.message), error.status
    flash("The limits were saved.", "success")
    return redirect(url_for("portal.show_wallet", wallet_id=wallet_id), code=303)


def _form(
    wallet_id: UUID, values: dict[str, str], *, problems: dict[str, str] | None = None, problem: str = ""
) -> str:
    wallet = own.get_wallet(own_id(), wallet_id)
    return render_template(
        "portal/limits.html",
        wallet=wallet,
        values=values,
        problems=problems or {},
        problem=problem,
        spent=caps.spent(wallet, at=clock.now()),
        methods=payment_methods.of(wallet.account),
    )


def _shown(value: object) -> str:
    return (
        "" if value is None else f"{value:f}".rstrip("0").rstrip(".") if not isinstance(value, str) else value
    )
