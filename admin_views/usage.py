"""Usage: the events as they arrived, and what has been charged for them."""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup
from sqlalchemy import ColumnElement, false
from sqlalchemy.orm import InstrumentedAttribute

from admin_views.base import ModelScreen
from admin_views.event_corrections import CORRECTIONS
from admin_views.event_search import read_search, zone_of
from admin_views.filters import Filter
from admin_views.formatters import status
from admin_views.paging import Page
from admin_views.registry import screen
from app.errors import Invalid
from app.models import ChargePosition, EventCorrection, UsageEvent
from app.models.usage import EventStatus
from app.services import archives, event_stories, explorer
from app.services.explorer import Search
from app.templating import instant, words

MOST_MONTHS = 3
STATUSES = tuple((each.value, words(each.value)) for each in EventStatus)


def event_status(event: UsageEvent) -> Markup:
    """Return whether an event counts, as a badge."""
    return status(event.status)


def occurred(event: UsageEvent) -> Markup:
    """Return when an event happened, in its account's time zone."""
    return instant(event.occurred_at, event.account.timezone)


def received(event: UsageEvent) -> Markup:
    """Return when an event arrived, in its account's time zone."""
    return instant(event.received_at, event.account.timezone)


@screen(UsageEvent, category="Usage", icon="activity", place=1)
class UsageEventScreen(ModelScreen):
    """Every accepted event, newest first. Walked by key, never counted: there may be hundreds of millions."""

    column_list = (
        "event_id",
        "account",
        "metric",
        "quantity",
        "properties",
        "correction.kind",
        "occurred_at",
    )
    labels = {"correction.kind": "Status", "event_id": "Event id"}
    formats = {
        "correction.kind": event_status,
        "status": event_status,
        "occurred_at": occurred,
        "received_at": received,
    }
    filters = (
        Filter("event_id", kind="text", hint="otp-7f3a or otp-*"),
        "account",
        "metric",
        Filter("property", kind="text", hint="channel=sms"),
        Filter("status", kind="choice", choices=STATUSES),
        "occurred_at",
    )
    details = ("status",)
    parts = ("admin/parts/event.html",)
    operations = CORRECTIONS
    drawer = True
    big = True
    walk = ("occurred_at", "account_id", "event_id")
    intro = "What services reported, exactly once per account and event id."
    empty = "Post an event to /api/v1/events with an API key; it shows here at once."

    def told_intro(self) -> str:
        """Tell also which months are not here, and how they come back."""
        months = archives.months()
        if not months:
            return self.intro
        shown = ", ".join(months[-MOST_MONTHS:])
        more = f" and {len(months) - MOST_MONTHS} older months" if len(months) > MOST_MONTHS else ""
        return f"{self.intro} Events of {shown}{more} are archived: restore them under Data care to see them."

    def conditions(self, args: Mapping[str, str]) -> list[ColumnElement[bool]]:
        """Return what the filters ask, put so that an index answers."""
        search = read_search(args)
        return [false()] if search is None else explorer.conditions(search)

    def page(self, args: Mapping[str, str]) -> Page:
        """Return one page of the list, or say that the search takes too long."""
        try:
            with explorer.bounded(read_search(args) or Search()):
                return super().page(args)
        except Invalid as error:
            return Page(rows=[], refusal=error.message)

    def walk_keys(self, args: Mapping[str, str]) -> tuple[InstrumentedAttribute[Any], ...]:
        """Return the columns that the pages are walked by."""
        search = read_search(args)
        return explorer.order_of(search.account_id if search else None)

    def filter_note(self, args: Mapping[str, str]) -> str:
        """Say in which time zone days are meant."""
        return f"Days begin and end at midnight of {zone_of(args)}."

    story = staticmethod(event_stories.tell)


@screen(EventCorrection, category="Usage", title="Corrections", icon="history", place=3)
class EventCorrectionScreen(ModelScreen):
    """What was taken back, by whom and why, the latest first."""

    column_list = (
        "event_id",
        "account",
        "kind",
        "quantity",
        "metric",
        "reason",
        "replacement_event_id",
        "actor",
        "at",
    )
    labels = {"at": "Taken back", "replacement_event_id": "Replaced by"}
    search = ("=event_id", "=replacement_event_id")
    filters = ("kind", "account", "metric", "at")
    big = True
    walk = ("at", "account_id", "event_id")
    intro = "Events are never edited: what should not have counted was taken back here."
    empty = "No event was cancelled or amended. Open an event to do that."
    details = (*column_list, "occurred_at", "bucket_at", "dimensions")


@screen(ChargePosition, category="Usage", icon="calculator", place=4, listed=False)
class ChargePositionScreen(ModelScreen):
    """What each component has added up to in each period, and how much of it was charged."""

    column_list = ("component", "account", "period_start", "quantity", "charged_amount", "invoiced_amount")
    search = ("account.name",)
    filters = ("account",)
    empty = "Usage of a subscribed account is charged here within seconds."
    big = True
