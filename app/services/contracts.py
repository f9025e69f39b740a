"""Own terms: dated prices of one subscription that the price list does not have (docs/api/contracts.md)."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from app import clock
from app.db import db
from app.domain.errors import RuleBroken
from app.domain.invoicing import day
from app.domain.periods import Period, day_start, local_date, period_containing
from app.domain.pricing import terms_json
from app.errors import Conflict, NotFound, Overlapping
from app.models import (
    Invoice,
    InvoiceLine,
    PriceComponent,
    Subscription,
    TermsOverride,
)
from app.permissions import Actor
from app.services import audit, components, inputs, metering, segments
from app.services.charges import still_billed
from app.services.inputs import a_day, optional, refusals

MOST_OVERRIDES = 100
BESIDE_TERMS = frozenset({"component", "start_on", "end_on", "reason"})


def override(
    subscription: Subscription, rows: Sequence[Mapping[str, Any]], *, at_start: bool = False, actor: Actor
) -> list[TermsOverride]:
    """Give components of a subscription other terms from a border of its billing periods on.

    Each row is `{"component", "start_on"?, "end_on"?, "reason"?, "model"?, …the fields of the model…}`:
    `start_on` is by default the first day of the next period (of the first, before the subscription begins or
    `at_start`), `end_on` the first day without these terms. Own terms that hold until now end where the new
    ones start. What was metered in an open period is priced anew at once.

    Raises:
        Invalid: with the field, such as `/overrides/0/tiers/1/up_to`: no such component, terms that its model
            refuses, a day that is no border (the nearest are named), a period that was billed.
        Overlapping: other own terms of the component begin then or later.
    """
    line = segments.of(subscription)
    with refusals():
        if not isinstance(rows, list | tuple) or not 1 <= len(rows) <= MOST_OVERRIDES:
            raise RuleBroken("/overrides", "not_a_list", f"A list of 1 to {MOST_OVERRIDES} is needed.")
        first = local_date(subscription.start_at, _zone(subscription)) if at_start else None
        made = [_override(subscription, line[0], row, f"/overrides/{n}", first) for n, row in enumerate(rows)]
    for each in made:
        summary = f"{each.component.name} has own terms for {subscription.account.name}"
        audit.record(actor, "subscription.terms_agreed", subscription, summary=summary, after=_told(each))
    since = min(each.start_at for each in made)
    metering.rebuild(subscription.account_id, since=since, repriced=True)
    return made


def end_override(agreed: TermsOverride, *, on: date | None = None, actor: Actor) -> TermsOverride | None:
    """Let own terms end at a border of the billing periods, by default the next; None where that is before
    they begin, so that they never hold. Usage of an open period is priced anew at once.

    Raises:
        Invalid: the day is no border, or a period from then on was billed.
        Conflict: they end before that day already.
    """
    subscription = agreed.subscription
    segments.of(subscription)
    with refusals():
        border = _border(subscription, on, "/on")
    if agreed.end_at is not None and agreed.end_at <= border.start:
        raise Conflict(f"These terms end on {day(local_date(agreed.end_at, _zone(subscription)))} already.")
    with refusals():
        check_unbilled(subscription, agreed.component, border.start, "/on")
    before = _told(agreed)
    withdrawn = border.start <= agreed.start_at
    if withdrawn:
        db.session.delete(agreed)
    else:
        agreed.end_at = border.start
    summary = f"The own terms of {agreed.component.name} end for {subscription.account.name}"
    after = {"end_at": None if withdrawn else agreed.end_at, "withdrawn": withdrawn}
    audit.record(actor, "subscription.terms_ended", subscription, summary=summary, before=before, after=after)
    metering.rebuild(subscription.account_id, since=border.start, repriced=True)
    return None if withdrawn else agreed


def overrides_of(subscription: Subscription) -> list[TermsOverride]:
    """Return the own terms of a subscription, past and future ones too, by their start."""
    query = select(TermsOverride).where(TermsOverride.subscription_id == subscription.origin_id)
    return list(db.session.scalars(query.order_by(TermsOverride.start_at, TermsOverride.id)))


def get_override(subscription: Subscription, override_id: UUID) -> TermsOverride:
    """Return own terms of a subscription by their id.

    Raises:
        NotFound: there are none.
    """
    found = next((each for each in overrides_of(subscription) if each.id == override_id), None)
    if found is None:
        raise NotFound("There are no such terms.")
    return found


def _override(
    subscription: Subscription, origin: Subscription, row: Any, at: str, default: date | None
) -> TermsOverride:
    if not isinstance(row, Mapping):
        raise RuleBroken(at, "not_an_object", "An object is needed here.")
    component = _component(subscription, row.get("component"), f"{at}/component")
    stated = {name: value for name, value in row.items() if name not in BESIDE_TERMS}
    terms = components.read_terms(component, stated, at)
    first = _border(subscription, row.get("start_on") or default, f"{at}/start_on")
    after = None if row.get("end_on") is None else _border(subscription, row["end_on"], f"{at}/end_on")
    check_order(first.start_on, after.start_on if after else None, f"{at}/end_on")
    check_unbilled(subscription, component, first.start, f"{at}/start_on")
    made = TermsOverride(
        subscription=origin,
        component=component,
        model=terms.model,
        terms=terms_json(terms),
        start_at=first.start,
        end_at=after.start if after else None,
        reason=optional(inputs.text())(row.get("reason"), f"{at}/reason"),
    )
    _make_room(made, origin, f"{at}/start_on")
    db.session.add(made)
    db.session.flush()
    return made


def _component(subscription: Subscription, named: Any, at: str) -> PriceComponent:
    known = [
        each for each in subscription.version.components if each.currency == subscription.account.currency
    ]
    found = next((each for each in known if each.code == named), None)
    if found is None:
        choices = ", ".join(each.code for each in known)
        raise RuleBroken(at, "unknown_component", f"There is no component {named!r}. Known: {choices}.")
    return found


def _make_room(made: TermsOverride, origin: Subscription, at: str) -> None:
    """End the own terms that hold at the start of new ones there."""
    query = select(TermsOverride).where(
        TermsOverride.subscription_id == origin.id,
        TermsOverride.component_id == made.component.id,
        TermsOverride.end_at.is_(None) | (TermsOverride.end_at > made.start_at),
    )
    with db.session.no_autoflush:
        others = list(db.session.scalars(query))
    for other in others:
        if other.start_at < made.start_at:
            other.end_at = made.start_at
        elif made.end_at is None or other.start_at < made.end_at:
            on = day(local_date(other.start_at, _zone(origin)))
            raise Overlapping.at(at, f"Other own terms of {made.component.code} begin on {on}.")
    db.session.flush()


def _zone(subscription: Subscription) -> str:
    return subscription.account.timezone


def next_border(subscription: Subscription) -> Period:
    """Return the next billing period, or the first of a subscription that is still to come."""
    now, cycle = clock.now(), segments.cycle(subscription)
    if subscription.start_at >= now:
        return period_containing(subscription.start_at, cycle)
    return period_containing(period_containing(now, cycle).end, cycle)


def _border(subscription: Subscription, given: Any, at: str) -> Period:
    """Return the billing period that starts on a day (or on which the subscription itself begins)."""
    on = optional(a_day)(given, at)
    if on is None:
        return next_border(subscription)
    period = period_containing(day_start(on, _zone(subscription)), segments.cycle(subscription))
    if on not in (period.start_on, local_date(subscription.start_at, _zone(subscription))):
        message = (
            "One billing period has one set of terms. The nearest borders are "
            f"{period.start_on.isoformat()} and {period.end_on.isoformat()}."
        )
        raise RuleBroken(at, "not_a_border", message)
    return period


def check_order(first: date, after: date | None, pointer: str) -> None:
    """Return if an end is after its start.

    Raises:
        RuleBroken: it is not.
    """
    if after is not None and after <= first:
        raise RuleBroken(pointer, "not_after_start", "The end must be after the start.")


def check_unbilled(
    subscription: Subscription, component: PriceComponent | None, since: datetime, at: str
) -> None:
    """Return if no issued invoice has billed a component of the subscription from then on; without one,
    what is billed in advance does not count.

    Raises:
        RuleBroken: one has.
    """
    query = (
        select(func.max(InvoiceLine.period_end))
        .join(Invoice, Invoice.id == InvoiceLine.invoice_id)
        .join(Subscription, Subscription.id == InvoiceLine.subscription_id)
        .where(
            Subscription.origin_id == subscription.origin_id,
            still_billed(),
            InvoiceLine.component_id.is_not(None),
        )
    )
    if component is not None:
        query = query.where(InvoiceLine.component_id == component.id)
    else:
        query = query.where(InvoiceLine.period_end <= Invoice.period_end)
    billed: datetime | None = db.session.scalar(query)
    if billed is not None and since < billed:
        until = local_date(billed, _zone(subscription)).isoformat()
        raise RuleBroken(at, "already_billed", f"Billed until {until}: choose that day or a later one.")


def _told(agreed: TermsOverride) -> dict[str, Any]:
    return {
        "component": agreed.component.code,
        "model": agreed.model,
        "terms": agreed.terms,
        "start_at": agreed.start_at,
        "end_at": agreed.end_at,
        "reason": agreed.reason,
    }
