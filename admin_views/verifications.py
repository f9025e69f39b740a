"""The books: whether they balance, what was counted, how it was before, and a button to look again."""

import re
from datetime import datetime
from typing import Any

from admin_views.base import ModelScreen
from admin_views.operations import Operation
from admin_views.registry import screen
from app.db import Base
from app.models import (
    Account,
    Customer,
    Grant,
    Hold,
    Invoice,
    Journal,
    Payment,
    Subscription,
    Verification,
    Wallet,
    WalletTransaction,
)
from app.permissions import Actor
from app.services import verifications

UUID_TEXT = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
PLACE = re.compile(rf"\b(?P<noun>[a-z]+) (?P<id>{UUID_TEXT})\b")
# What the checks call the records that they name.
NAMED: dict[str, type[Base]] = {
    "account": Account,
    "customer": Customer,
    "grant": Grant,
    "hold": Hold,
    "invoice": Invoice,
    "journal": Journal,
    "payment": Payment,
    "subscription": Subscription,
    "transaction": WalletTransaction,
    "wallet": Wallet,
}


def start(*, at: datetime, actor: Actor) -> str:
    """Ask for a run."""
    verifications.start(at=at, actor=actor)
    return "The books are being checked; this page tells how far it is."


@screen(
    Verification,
    category="Operations",
    slug="verify",
    title="Verify the books",
    icon="scale",
    place=0,
)
class VerificationScreen(ModelScreen):
    """The last result with its counts, and every run before it."""

    column_list = ("created_at", "status", "failures", "done", "started_by", "finished_at")
    labels = {"created_at": "Asked", "failures": "Checks that fail", "done": "Checks done"}
    filters = ("status", "created_at")
    search = ("started_by",)
    big = True
    walk = ("created_at", "id")
    intro = "Each check recomputes what the tables claim and names what differs, every night at 02:00 IST."
    none_yet = "The books were not verified yet"
    empty = "Nobody has looked yet. Run the checks now, or wait for the night."
    list_template = "admin/verify.html"
    list_parts = ("admin/parts/verify.html",)
    details_template = "admin/verification.html"
    parts = ("admin/parts/verification.html",)
    details = (
        "status",
        "started_by",
        "started_at",
        "finished_at",
        "checks",
        "done",
        "failures",
        "error",
        "id",
    )
    operations = (
        Operation(
            "start",
            "Run now",
            run=start,
            icon="player-play",
            on_list=True,
            confirm="Every check runs on one unchanging view, beside the work. Nothing is written.",
        ),
    )

    def latest(self) -> Verification | None:
        """Return the last run with a result."""
        return verifications.latest()

    def under_way(self) -> Verification | None:
        """Return the run that waits or is being done."""
        return verifications.find_under_way()

    def place_address(self, where: str) -> str | None:
        """Return the page of the record that a problem names, None where it names none that has one."""
        for found in reversed(list(PLACE.finditer(where))):
            model = NAMED.get(found["noun"])
            view: Any = self.screen_of(model) if model else None
            if view is not None and view.is_accessible():
                return str(view.page_address(found["id"]))
        return None
