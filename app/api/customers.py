"""Customers: the legal persons that buy."""

from typing import Annotated, Any
from uuid import UUID

from flask import Blueprint, Response
from sqlalchemy import Select, select

from app.api import serializers
from app.api.body import UNSET, Body, CountryCode, Meta, Page, Text, UnsetType, given
from app.api.endpoint import endpoint
from app.api.envelope import paginate, success
from app.api.guards import current_actor, guard
from app.api.idempotency import idempotent
from app.api.serializers import ADDRESS, need_staff, pointers
from app.db import db
from app.errors import Forbidden, Invalid, NotFound
from app.models import Account, Customer
from app.permissions import Role
from app.services import customers
from app.services.addressing import by_reference

blueprint = Blueprint("customers", __name__)

WIRE_POINTERS = {
    **{f"/{attribute}": f"/billing_address/{name}" for name, attribute in ADDRESS.items()},
    "/extra": "/metadata",
}
Email = Annotated[str, Meta(max_length=254, description="RFC 5322")]
Copies = Annotated[list[str], Meta(max_length=10, description="Who else gets documents by mail")]
Phone = Annotated[str | None, Meta(description="E.164, such as +919876543210")]
Gstin = Annotated[str | None, Meta(description="15 characters; its State is the place of supply")]
Treatment = Annotated[str, Meta(description="`regular`, `sez` in a Special Economic Zone, or `exempt`")]
Reason = Annotated[str | None, Meta(description="The notification that exempts, as invoices cite it")]
Reverse = Annotated[bool, Meta(description="The customer, who has a GSTIN, pays the tax itself")]


class Address(Body):
    """Where documents go. In India `state_code` is the two-digit GST State code."""

    line1: str | None = None
    line2: str | None = None
    city: str | None = None
    state_code: str | None = None
    postal_code: str | None = None
    country: CountryCode | None = None


class NewCustomer(Body):
    """A customer to be made."""

    name: Text
    email: Email
    billing_emails: Copies | UnsetType = UNSET
    phone: Phone | UnsetType = UNSET
    country: CountryCode | UnsetType = UNSET
    billing_address: Address | UnsetType | None = UNSET
    gstin: Gstin | UnsetType = UNSET
    tax_id: str | UnsetType | None = UNSET
    tax_treatment: Treatment | UnsetType = UNSET
    exempt_reason: Reason | UnsetType = UNSET
    reverse_charge: Reverse | UnsetType = UNSET
    external_id: str | UnsetType | None = UNSET
    metadata: dict[str, Any] | UnsetType | None = UNSET


class CustomerChange(Body):
    """What is to be changed; what is left out stays. An address replaces the whole address."""

    name: Text | UnsetType = UNSET
    email: Email | UnsetType = UNSET
    billing_emails: Copies | UnsetType = UNSET
    phone: Phone | UnsetType = UNSET
    country: CountryCode | UnsetType = UNSET
    billing_address: Address | UnsetType | None = UNSET
    gstin: Gstin | UnsetType = UNSET
    tax_id: str | UnsetType | None = UNSET
    tax_treatment: Treatment | UnsetType = UNSET
    exempt_reason: Reason | UnsetType = UNSET
    reverse_charge: Reverse | UnsetType = UNSET
    external_id: str | UnsetType | None = UNSET
    metadata: dict[str, Any] | UnsetType | None = UNSET
    status: Annotated[str, Meta(description="`active`, `suspended` or `closed`")] | UnsetType = UNSET


class ListQuery(Page):
    """Which customers."""

    external_id: str | None = None
    email: str | None = None
    status: str | None = None


@blueprint.get("/customers")
@guard("customers", "read")
@endpoint("List customers", query=ListQuery, answers="customer", many=True)
def list_customers(query: ListQuery) -> Response:
    """The newest first."""
    chosen = _visible()
    for name in ("external_id", "email", "status"):
        wanted = getattr(query, name)
        if wanted is not None:
            chosen = chosen.where(getattr(Customer, name) == wanted)
    rows, cursor = paginate(chosen, query, (Customer.id,))
    return success([serializers.customer(row) for row in rows], next_cursor=cursor)


@blueprint.post("/customers")
@guard("customers", "write")
@idempotent
@endpoint("Make a customer", body=NewCustomer, answers="customer", status=201)
def create_customer(body: NewCustomer) -> Response:
    """Without `country` the customer is in India. A GSTIN brings its State along."""
    need_staff("Making customers")
    with pointers(WIRE_POINTERS):
        made = customers.create(_attributes(given(body)), actor=current_actor())
    return success(serializers.customer(made), 201)


@blueprint.get("/customers/<reference>")
@guard("customers", "read")
@endpoint("Read a customer", answers="customer")
def read_customer(reference: str) -> Response:
    """By id, or by your own `external_id`."""
    return success(serializers.customer(_get(reference)))


@blueprint.patch("/customers/<reference>")
@guard("customers", "write")
@idempotent
@endpoint("Change a customer", body=CustomerChange, answers="customer")
def change_customer(reference: str, body: CustomerChange) -> Response:
    """Issued invoices keep what they say. A customer may change the own contacts only."""
    row = _get(reference)
    values = _attributes(given(body))
    actor = current_actor()
    foreign = sorted(values.keys() - customers.OWN_TO_CHANGE)
    if foreign and (actor.role is Role.customer or actor.account_id is not None):
        raise Forbidden(f"Ask us to change {foreign[0]}: invoices and taxes hang on it.")
    with pointers(WIRE_POINTERS):
        customers.update(row, values, actor=actor)
    db.session.refresh(row)
    return success(serializers.customer(row))


def _visible() -> Select[Any]:
    actor, query = current_actor(), select(Customer)
    if actor.customer_id is not None:
        query = query.where(Customer.id == UUID(actor.customer_id))
    if actor.account_id is not None:
        own = select(Account.customer_id).where(Account.id == UUID(actor.account_id))
        query = query.where(Customer.id.in_(own))
    return query


def _get(reference: str) -> Customer:
    row: Customer | None = db.session.scalar(by_reference(_visible(), Customer, reference))
    if row is None:
        raise NotFound("There is no such customer.")
    return row


def _attributes(values: dict[str, Any]) -> dict[str, Any]:
    """Return wire values as the attributes that the service knows."""
    if "metadata" in values:
        values["extra"] = values.pop("metadata")
    if "billing_address" not in values:
        return values
    address = values.pop("billing_address") or Address()
    values |= {attribute: getattr(address, name) for name, attribute in ADDRESS.items()}
    if address.country is not None and values.setdefault("country", address.country) != address.country:
        message = "The address is in another country than the customer."
        raise Invalid.at("/billing_address/country", message, code="mismatch")
    return values
