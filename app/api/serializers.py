"""How records look on the wire: one function per resource, and what the views of resources share."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from app.api.envelope import decimal_text, instant_text, related, resource
from app.api.guards import current_actor
from app.errors import DomainError, Forbidden
from app.models import (
    Account,
    Customer,
    Invoice,
    InvoiceLine,
    Metric,
    PlanVersion,
    PricePlan,
    Subscription,
    UsageEvent,
)
from app.permissions import Role
from app.services import components

ADDRESS = {
    "line1": "address_line1",
    "line2": "address_line2",
    "city": "city",
    "state_code": "state_code",
    "postal_code": "postal_code",
}


@contextmanager
def pointers(names: Mapping[str, str]) -> Iterator[None]:
    """Rename the fields of a refusal from attributes to the wire's names: `/state_code` →
    `/billing_address/state_code`.
    """
    try:
        yield
    except DomainError as error:
        error.fields = tuple(
            replace(field, pointer=names.get(field.pointer, field.pointer)) for field in error.fields
        )
        raise


def need_staff(what: str) -> None:
    """Return if the caller is staff or a service that is not bound to one account.

    Raises:
        Forbidden: a customer, or a key of one account.
    """
    actor = current_actor()
    if actor.role is Role.customer or actor.account_id is not None:
        raise Forbidden(f"{what} is for staff and services.")


def customer(row: Customer) -> dict[str, Any]:
    """Return a customer, as posted and with its status; the notes of staff stay with staff."""
    attributes = {
        "external_id": row.external_id,
        "name": row.name,
        "email": row.email,
        "billing_emails": row.billing_emails,
        "phone": row.phone,
        "country": row.country,
        "billing_address": {
            **{name: getattr(row, attribute) for name, attribute in ADDRESS.items()},
            "country": row.country,
        },
        "gstin": row.gstin,
        "tax_id": row.tax_id,
        "tax_treatment": row.tax_treatment,
        "exempt_reason": row.exempt_reason,
        "reverse_charge": row.reverse_charge,
        "metadata": row.extra,
        "status": row.status,
        "created_at": instant_text(row.created_at),
        "updated_at": instant_text(row.updated_at),
    }
    return resource("customer", row.id, attributes)


def account(row: Account) -> dict[str, Any]:
    """Return an account."""
    attributes = {
        "customer_id": str(row.customer_id),
        "external_id": row.external_id,
        "name": row.name,
        "currency": row.currency,
        "timezone": row.timezone,
        "billing_mode": row.billing_mode,
        "payment_terms_days": row.payment_terms_days,
        "settings": row.settings,
        "registration_id": str(row.registration_id) if row.registration_id else None,
        "status": row.status,
        "created_at": instant_text(row.created_at),
        "updated_at": instant_text(row.updated_at),
    }
    return resource("account", row.id, attributes, {"customer": related("customer", row.customer_id)})


def metric(row: Metric) -> dict[str, Any]:
    """Return a metric."""
    names = ("code", "name", "aggregation", "value_property", "unit", "dimensions", "active")
    return resource("metric", row.id, {name: getattr(row, name) for name in names})


def plan(row: PricePlan) -> dict[str, Any]:
    """Return a plan with all its versions."""
    attributes = {
        "code": row.code,
        "name": row.name,
        "description": row.description,
        "active": row.active,
        "versions": [_version(version) for version in row.versions],
        "created_at": instant_text(row.created_at),
    }
    return resource("plan", row.id, attributes)


def plan_version(row: PlanVersion) -> dict[str, Any]:
    """Return one version of a plan."""
    attributes = {"plan_code": row.plan.code, **_version(row)}
    return resource("plan_version", row.id, attributes, {"plan": related("plan", row.plan_id)})


def _version(row: PlanVersion) -> dict[str, Any]:
    return {
        "number": row.number,
        "status": row.status,
        "interval": row.interval,
        "effective_on": row.effective_on.isoformat() if row.effective_on else None,
        "published_at": instant_text(row.published_at),
        "charge_zero_first_tier": row.charge_zero_first_tier,
        "suspend_when_empty": row.suspend_when_empty,
        "components": components.as_prices(row),
    }


def subscription(row: Subscription) -> dict[str, Any]:
    """Return a subscription."""
    attributes = {
        "account_id": str(row.account_id),
        "plan_code": row.plan.code,
        "version": row.version.number,
        "status": row.status,
        "anchor": row.anchor,
        "anchor_on": row.anchor_on.isoformat() if row.anchor_on else None,
        "start_at": instant_text(row.start_at),
        "end_at": instant_text(row.end_at),
        "trial_end_at": instant_text(row.trial_end_at),
        "ended_by": row.ended_by,
        "end_reason": row.end_reason,
        "origin_id": str(row.origin_id),
        "previous_id": str(row.previous_id) if row.previous_id else None,
    }
    links = {"account": related("account", row.account_id), "plan": related("plan", row.plan_id)}
    return resource("subscription", row.id, attributes, links)


def invoice(row: Invoice, *, with_lines: bool = True) -> dict[str, Any]:
    """Return an invoice, without its lines in a list."""
    attributes = {
        "number": row.number,
        "status": row.status,
        "kind": row.kind,
        "origin": row.origin,
        "currency": row.currency,
        "account_id": str(row.account_id),
        "period_start": instant_text(row.period_start),
        "period_end": instant_text(row.period_end),
        "issued_on": row.issued_on.isoformat() if row.issued_on else None,
        "due_on": row.due_on.isoformat() if row.due_on else None,
        "place_of_supply": row.place_of_supply,
        "reverse_charge": row.reverse_charge,
        "purchase_order": row.purchase_order,
        "taxes": row.taxes,
        "parked_reason": row.parked_reason,
    }
    for name in (
        "subtotal",
        "tax_total",
        "round_off",
        "total",
        "paid_from_wallet",
        "advance_tax",
        "amount_paid",
        "amount_credited",
        "amount_due",
    ):
        attributes[name] = decimal_text(getattr(row, name), row.currency)
    if with_lines:
        attributes["lines"] = [_line(line, row.currency) for line in row.lines]
    links = {"account": related("account", row.account_id), "customer": related("customer", row.customer_id)}
    return resource("invoice", row.id, attributes, links)


def _line(line: InvoiceLine, currency: str) -> dict[str, Any]:
    return {
        "n": line.n,
        "kind": line.kind,
        "description": line.description,
        "sac": line.sac,
        "metric": line.metric_code,
        "unit": line.unit,
        "quantity": decimal_text(line.quantity),
        "unit_price": decimal_text(line.unit_price),
        "amount": decimal_text(line.amount, currency),
        "taxes": line.taxes,
        "plan_version": line.version.label if line.version else None,
        "component": line.component.code if line.component else None,
        "breakdown": line.breakdown,
        "events_hash": line.events_hash,
    }


def usage_event(row: UsageEvent) -> dict[str, Any]:
    """Return an event as it explains a line."""
    attributes = {
        "event_id": row.event_id,
        "timestamp": instant_text(row.occurred_at),
        "quantity": decimal_text(row.quantity),
        "properties": row.properties,
        "status": row.status,
    }
    return resource("event", row.event_id, attributes)
