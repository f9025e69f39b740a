"""What is behind a line of an invoice: its explanation, its 15-minute buckets, its events."""

import json
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from flask import Blueprint, Response
from sqlalchemy import select
from sqlalchemy.orm import contains_eager, joinedload

from app.api import serializers
from app.api.body import Instant, Meta, Page, check_year, field
from app.api.endpoint import endpoint
from app.api.envelope import decimal_text, instant_text, paginate, related, resource, success
from app.api.guards import current_actor, guard, limit_to_caller
from app.db import db
from app.domain.events import read_instant
from app.domain.periods import bucket_start
from app.errors import NotFound
from app.models import Invoice, InvoiceLine, UsageEvent
from app.models.invoices import InvoiceStatus
from app.permissions import Role
from app.services import archives, components, explanations, line_evidence
from app.services.explanations import Explanation, Steps
from app.services.line_evidence import Charged, Proof, Used

blueprint = Blueprint("explanations", __name__)

UNNUMBERED = (InvoiceStatus.draft, InvoiceStatus.parked)


class BucketsQuery(Page):
    """Which buckets of a line."""

    since: Annotated[Instant | None, Meta(description="Buckets that begin at this instant or later.")] = (
        field(default=None, name="from")
    )
    until: Annotated[Instant | None, Meta(description="Buckets that begin before it.")] = field(
        default=None, name="to"
    )


class EventsQuery(Page):
    """Which events of a line."""

    bucket: Annotated[
        Instant | None, Meta(description="Only those of the 15 minutes in which this instant lies.")
    ] = None


@blueprint.get("/invoices/<uuid:invoice_id>/lines/<int:n>/explanation")
@guard("billing", "read")
@endpoint("Explain a line of an invoice", answers="line_explanation")
def explain_line(invoice_id: UUID, n: int) -> Response:
    """Why a line asks for its amount: a sentence, plan version and component, the steps of the price (by
    group where each value of a dimension is priced by itself), the fraction of the period for a fee, what
    earlier invoices asked for the same, and taxes.

    For usage `evidence` has the hash that the line keeps of its buckets (`recorded`) and the one worked out
    anew (`recomputed`). `verdict` is `matches` where they are equal; `matches_then` where they are once what
    came or was taken back since is set aside, of which the next invoice asks for the difference; else
    `differs`.
    `archived_months` are months whose events are in files: buckets and hash are there all the same.
    """
    return success(_explanation(explanations.explain(_line(invoice_id, n))))


@blueprint.get("/invoices/<uuid:invoice_id>/lines/<int:n>/buckets")
@guard("billing", "read")
@endpoint("List the buckets behind a line", query=BucketsQuery, answers="usage_bucket", many=True)
def list_line_buckets(invoice_id: UUID, n: int, query: BucketsQuery) -> Response:
    """What was counted in each 15 minutes (UTC) by dimension values, the oldest first. A quarter of an hour
    is never cut in two, so that a page may be a little longer than `limit`.
    """
    charged = line_evidence.charged_by(_line(invoice_id, n))
    since: datetime | None = query.since
    if query.cursor is not None:
        since = read_instant(query.cursor, pointer="/cursor")
        check_year(since.year, pointer="/cursor")
    found, after = line_evidence.page(charged, since, query.until, query.limit)
    rows = [_bucket(charged, one) for one in found]
    return success(rows, next_cursor=instant_text(after))


@blueprint.get("/invoices/<uuid:invoice_id>/lines/<int:n>/events")
@guard("billing", "read")
@endpoint("List the events behind a line", query=EventsQuery, answers="event", many=True)
def list_line_events(invoice_id: UUID, n: int, query: EventsQuery) -> Response:
    """The oldest first: every event that the line's component charges in the line's period, or in one of its
    buckets, also those that came after the invoice. One that was taken back after it has the `status`
    cancelled or amended. `archived_months` in `meta` are months whose events are in files.
    """
    line = _line(invoice_id, n)
    bucket_at = bucket_start(query.bucket) if query.bucket is not None else None
    chosen, keep = explanations.events_behind(line, bucket_at)
    key = (UsageEvent.occurred_at, UsageEvent.event_id)
    rows, cursor = paginate(chosen, query, key, descending=False)
    archived = archives.months_between(line.period_start, line.period_end)
    told = [serializers.usage_event(row) for row in rows if keep(row)]
    return success(told, next_cursor=cursor, archived_months=archived)


def _line(invoice_id: UUID, n: int) -> InvoiceLine:
    invoice = contains_eager(InvoiceLine.invoice)
    query = (
        limit_to_caller(select(InvoiceLine).join(InvoiceLine.invoice), Invoice.account_id)
        .where(InvoiceLine.invoice_id == invoice_id, InvoiceLine.n == n)
        .options(
            invoice.joinedload(Invoice.account),
            joinedload(InvoiceLine.component),
            joinedload(InvoiceLine.version),
        )
    )
    if current_actor().role is Role.customer:
        query = query.where(Invoice.status.not_in(UNNUMBERED))
    line: InvoiceLine | None = db.session.scalar(query)
    if line is None:
        raise NotFound("There is no such line.")
    return line


def _explanation(found: Explanation) -> dict[str, Any]:
    line = found.line
    currency = line.invoice.currency
    attributes = {
        "n": line.n,
        "kind": line.kind,
        "description": line.description,
        "says": found.says,
        "currency": currency,
        "amount": decimal_text(line.amount, currency),
        "quantity": decimal_text(line.quantity),
        "metric": line.metric_code,
        "period_start": instant_text(line.period_start),
        "period_end": instant_text(line.period_end),
        "plan_version": line.version.label if line.version else None,
        "component": components.as_price(line.component) if line.component else None,
        "facts": [{"label": label, "text": text} for label, text in found.facts],
        "steps": [_steps(each, currency) for each in found.steps],
        "asked_before": [
            {
                "invoice_id": str(each.invoice_id),
                "number": each.invoice.number,
                "n": each.n,
                "amount": decimal_text(each.amount, currency),
            }
            for each in found.asked_before
        ],
        "taxes": line.taxes,
        "evidence": _evidence(found.proof) if found.proof else None,
    }
    links = {"invoice": related("invoice", line.invoice_id)}
    return resource("line_explanation", line.id, attributes, links)


def _steps(found: Steps, currency: str) -> dict[str, Any]:
    return {
        "group": found.group,
        "amount": decimal_text(found.amount, currency),
        "rows": [{"says": says, **row} for says, row in found.rows],
    }


def _evidence(proof: Proof) -> dict[str, Any]:
    return {
        "recorded": proof.recorded,
        "recomputed": proof.recomputed,
        "verdict": str(proof.verdict),
        "buckets": proof.buckets,
        "events": proof.events,
        "came_since": proof.came,
        "taken_back_since": proof.taken_back,
        "archived_months": list(proof.archived),
    }


def _bucket(charged: Charged, one: Used) -> dict[str, Any]:
    at = instant_text(one.bucket_at)
    attributes = {
        "bucket_at": at,
        "dimensions": json.loads(one.dimensions),
        "group": explanations.group_of(charged, one),
        "quantity": decimal_text(one.quantity),
        "events": one.events,
    }
    return resource("usage_bucket", f"{at} {one.dimensions}", attributes)
