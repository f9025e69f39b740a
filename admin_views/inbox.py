"""What the customers were told, for the staff who answer them."""

from typing import Any

from flask import redirect, url_for
from flask_admin import BaseView, expose
from flask_login import current_user
from werkzeug.wrappers import Response

from admin_views import formatters
from admin_views.access import require
from admin_views.base import ModelScreen, StaffView
from admin_views.filters import Filter
from admin_views.registry import screen
from app import clock
from app.db import in_transaction
from app.models import AutoTopUp, Notification, PaymentMethod
from app.permissions import Verb
from app.services import notifications
from app.services.notifications import KINDS
from app.templating import words

# Where what a notification is about has its page.
PAGES = {"Wallet": "admin_wallets.details_view", "Approval": "admin_approvals.details_view"}


@screen(AutoTopUp, category="Wallets", resource="wallets", title="Automatic top-ups", icon="refresh", place=5)
class AutoTopUpScreen(ModelScreen):
    """The wallets that fell below the threshold of their automatic top-up, and what came of it."""

    column_list = ("created_at", "wallet", "status", "attempts", "next_at", "payment", "error")
    filters = ("status", "wallet")
    empty = "A wallet with an automatic top-up that falls below its threshold shows here."


@screen(
    PaymentMethod,
    category="Wallets",
    resource="payments",
    title="Saved ways to pay",
    icon="credit-card",
    place=6,
    listed=False,
)
class PaymentMethodScreen(ModelScreen):
    """The cards that gateways keep for automatic top-ups; we have their names only."""

    column_list = ("created_at", "account", "gateway", "label", "removed_at")
    filters = ("gateway", "account")
    empty = "A customer who sets up an automatic top-up in the portal keeps a way to pay."


@screen(
    Notification,
    category="Customers",
    resource="wallets",
    title="Notifications sent",
    icon="bell",
    place=9,
    listed=False,
)
class NotificationScreen(ModelScreen):
    """Every notification of every customer."""

    column_list = ("created_at", "customer", "kind", "title", "resource_type")
    details = ("customer", "kind", "tone", "text", "resource_type", "resource_id", "url", "created_at", "id")
    formats = {
        "kind": lambda told: formatters.WORD % words(told.kind),
        "resource_type": lambda told: formatters.kind_of_record(told.resource_type),
    }
    labels = {"resource_type": "About"}
    search = ("=resource_id",)
    filters = (Filter("kind", kind="choice", choices=tuple((one, words(one)) for one in KINDS)), "customer")
    empty = "Low balances, spending caps and automatic top-ups are told here."
    big = True


class InboxView(StaffView, BaseView):
    """The page at /admin/inbox/, behind the bell: the newest notifications and the person's own marks."""

    resource = "wallets"
    icon = "bell"
    in_sidebar = False

    def __init__(self) -> None:
        super().__init__(name="Notifications", endpoint="admin_inbox", url="inbox")

    def _handle_view(self, name: str, /, **_: Any) -> None:
        # Marks are the person's own: whoever may read may set them.
        require(self.resource, Verb.read)

    @expose("/")
    def index(self) -> str:
        """Show what the customers were told and what waits for the person, the newest first."""
        listed = notifications.listed(current_user)
        return self.render(
            "admin/inbox.html",
            listed=listed,
            links={one.notification.id: _address(one) for one in listed},
        )

    @expose("/read", methods=["POST"])
    def read(self) -> Response:
        """Mark all as read."""
        in_transaction(lambda: notifications.mark_read(current_user, None, at=clock.now()))
        return redirect(url_for("admin_inbox.index"), code=303)


def _address(one: notifications.Listed) -> str | None:
    page = PAGES.get(one.notification.resource_type)
    return None if page is None else url_for(page, id=one.notification.resource_id)
