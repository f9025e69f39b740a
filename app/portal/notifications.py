"""What a customer was told."""

from uuid import UUID

from flask import redirect, render_template, request, url_for
from flask_login import current_user
from werkzeug.wrappers import Response

from app import clock
from app.db import in_transaction
from app.portal.guard import blueprint
from app.services import notifications


@blueprint.get("/notifications")
def list_notifications() -> str:
    """Show what the customer was told, the newest first."""
    listed = notifications.listed(current_user)
    return render_template(
        "portal/notifications.html",
        listed=listed,
        links={one.notification.id: _address(one) for one in listed},
    )


@blueprint.post("/notifications/read")
def read_notifications() -> Response:
    """Mark one notification as read, or all of them."""
    one = request.form.get("id", type=UUID)
    in_transaction(lambda: notifications.mark_read(current_user, [one] if one else None, at=clock.now()))
    return redirect(url_for("portal.list_notifications"), code=303)


def _address(one: notifications.Listed) -> str | None:
    told = one.notification
    if told.resource_type == "ApiKey":
        return url_for("portal.list_keys")
    if told.resource_type != "Wallet":
        return None
    return url_for("portal.show_wallet", wallet_id=told.resource_id)
