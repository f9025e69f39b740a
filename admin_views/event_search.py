"""What the event explorer is asked by its address: ids, days in the account's time zone, a property."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from flask import g

from app.db import db
from app.models import Account
from app.models.usage import EventStatus
from app.services.explorer import Search, read_property
from app.templating import current_zone


def read_search(args: Mapping[str, str]) -> Search | None:
    """Return what these arguments ask, None where one of them is nonsense, which no event fits.

    Days are those of the account that is asked for, else of the reader.
    """
    given = {name: value.strip().replace("\x00", "") for name, value in args.items() if value.strip()}
    try:
        account_id = _id(given.get("account"))
        zone = ZoneInfo(zone_of(args))
        since = _midnight(given.get("occurred_at_from"), zone)
        until = _midnight(given.get("occurred_at_until"), zone, days=1)
        having = read_property(given["property"]) if "property" in given else None
        if "property" in given and having is None:
            return None
        return Search(
            account_id=account_id,
            metric_id=_id(given.get("metric")),
            since=since,
            until=until,
            event_id=given.get("event_id"),
            having=having,
            status=EventStatus(given["status"]) if "status" in given else None,
        )
    except (ValueError, OverflowError):
        return None


def zone_of(args: Mapping[str, str]) -> str:
    """Return the time zone in which the days of an address are meant: the account's, else the reader's."""
    try:
        account_id = _id(args.get("account", "").strip())
    except ValueError:
        account_id = None
    account = db.session.get(Account, account_id) if account_id else None
    # A session forgets what nobody holds; the rest of the page asks for the same account.
    g.event_account = account
    return account.timezone if account else current_zone()


def _id(text: str | None) -> UUID | None:
    return UUID(text) if text else None


def _midnight(text: str | None, zone: ZoneInfo, days: int = 0) -> datetime | None:
    if text is None:
        return None
    day = date.fromisoformat(text) + timedelta(days=days)
    return datetime.combine(day, time(), zone).astimezone(UTC)
