"""What a customer was told, and which of it comes by mail."""

from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask_login import current_user
from werkzeug.wrappers import Response

from app import clock
from app.db import db, in_transaction
from app.models import Customer
from app.permissions import Role
from app.portal.guard import blueprint, own_id
from app.services import notifications


@blueprint.get("/notifications")
def list_notifications() -> str:
    """Show what the customer was told, the newest first."""
    listed = notifications.listed(current_user)
    customer = db.session.get_one(Customer, own_id())
    return render_template(
        "portal/notifications.html",
        listed=listed,
        links={one.notification.id: _address(one) for one in listed},
        kinds=notifications.kinds_for(Role.customer),
        chosen=notifications.preferences(customer),
        email=customer.email,
    )


@blueprint.post("/notifications/read")
def read_notifications() -> Response:
    """Mark one notification as read, or all of them."""
    one = request.form.get("id", type=UUID)
    in_transaction(lambda: notifications.mark_read(current_user, [one] if one else None, at=clock.now()))
    return redirect(url_for("portal.list_notifications"), code=303)


@blueprint.post("/notifications/mails")
def choose_mails() -> Response:
    """Set which kinds come by mail."""
    wanted = set(request.form.getlist("mail"))

    def choose() -> None:
        customer = db.session.get_one(Customer, own_id())
        for kind in notifications.kinds_for(Role.customer):
            notifications.prefer(customer, kind, mail=kind in wanted)

    in_transaction(choose)
    flash("Saved.", "success")
    return redirect(url_for("portal.list_notifications"), code=303)


def _address(one: notifications.Listed) -> str | None:
    told = one.notification
    if told.resource_type != "Wallet":
        return None
    return url_for("portal.show_wallet", wallet_id=told.resource_id)
