"""Usage as it was metered, and whether more is allowed (docs/api/README.md)."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

import msgspec
from flask import Blueprint, Response
from sqlalchemy import select

from app import clock
from app.api.body import Body, Instant, Meta, Page, Text, field
from app.api.endpoint import endpoint
from app.api.envelope import decimal_text, instant_text, resource, success
from app.api.guards import get_account, guard
from app.db import db
from app.errors import Invalid, NotFound
from app.models import Account, Metric
from app.services import entitlements, usage
from app.services.usage import Reading, UsageRow

blueprint = Blueprint("usage", __name__)

AccountReference = Annotated[Text, Meta(description="The account's id or external id.")]
DEFAULT_SPAN = timedelta(days=30)


class UsageQuery(Page):
    """What of an account's usage."""

    account_id: AccountReference
    metric: Text | None = None
    since: Annotated[Instant | None, Meta(description="From this instant on; default: 30 days ago.")] = field(
        default=None, name="from"
    )
    until: Annotated[Instant | None, Meta(description="Before this instant; default: now.")] = field(
        default=None, name="to"
    )
    granularity: Literal["15m", "hour", "day", "month"] = "day"
    group_by: Annotated[Text | None, Meta(description="A dimension of the metric.")] = None


class EntitlementQuery(Body):
    """Who wants to use what."""

    account_id: AccountReference
    metric: Text


@blueprint.get("/usage")
@guard("usage", "read")
@endpoint("Read usage", query=UsageQuery, answers="usage", many=True)
def read_usage(query: UsageQuery) -> Response:
    """The oldest first; days and months are those of the account's time zone. Intervals without usage have no
    row."""
    account = get_account(query.account_id)
    until = query.until or clock.now()
    reading = Reading(
        account=account,
        since=query.since or until - DEFAULT_SPAN,
        until=until,
        granularity=query.granularity,
        metric=_metric(query.metric) if query.metric else None,
        group_by=query.group_by,
    )
    rows = usage.read(reading, limit=query.limit + 1, after=_open_cursor(query.cursor))
    shown = rows[: query.limit]
    cursor = _make_cursor(shown[-1]) if len(rows) > query.limit else None
    return success([_row(account, row) for row in shown], next_cursor=cursor)


@blueprint.get("/entitlements")
@guard("usage", "read")
@endpoint("May this account use this metric now?", query=EntitlementQuery, answers="entitlement")
def read_entitlement(query: EntitlementQuery) -> Response:
    """`decision` is `allow` or `deny`; `remaining` is what a prepaid account can still spend,
    `remaining_quantity` what is left of the account's limit of the metric for this month."""
    account, metric = get_account(query.account_id), _metric(query.metric)
    found = entitlements.check(account, metric, at=clock.now())
    attributes = {
        "account_id": account.id,
        "metric": metric.code,
        "decision": "allow" if found.allowed else "deny",
        "allowed": found.allowed,
        "reason": found.reason,
        "remaining": decimal_text(found.remaining, account.currency),
        "remaining_quantity": decimal_text(found.remaining_quantity),
        "currency": account.currency,
    }
    return success(resource("entitlement", f"{account.id}:{metric.code}", attributes))


def _metric(code: str) -> Metric:
    metric = db.session.scalar(select(Metric).where(Metric.code == code))
    if metric is None:
        raise NotFound(f"There is no metric {code!r}.")
    return metric


def _row(account: Account, row: UsageRow) -> dict[str, Any]:
    value = "".join(f":{each}" for each in row.dimensions.values() if each is not None)
    attributes = {
        "start": instant_text(row.start),
        "end": instant_text(row.end),
        "metric": row.metric,
        "dimensions": row.dimensions,
        "quantity": decimal_text(row.quantity),
        "events": row.events,
    }
    return resource("usage", f"{account.id}:{row.metric}:{instant_text(row.start)}{value}", attributes)


def _make_cursor(row: UsageRow) -> str:
    value = next(iter(row.dimensions.values()), None) or ""
    return msgspec.json.encode((row.start, row.metric, value)).hex()


def _open_cursor(cursor: str | None) -> Any:
    if cursor is None:
        return None
    try:
        return msgspec.json.decode(bytes.fromhex(cursor), type=tuple[datetime, str, str])
    except (ValueError, msgspec.MsgspecError):
        raise Invalid.at("/cursor", "Use the `next_cursor` of the page before.", code="bad_cursor") from None
