"""Accounts: what is metered, priced and billed on its own."""

from typing import Annotated, Any

from flask import Blueprint, Response
from sqlalchemy import select

from app.api import serializers
from app.api.body import UNSET, Body, CurrencyCode, Meta, Page, Text, UnsetType, given
from app.api.endpoint import endpoint
from app.api.envelope import paginate, success
from app.api.guards import current_actor, get_account, guard, limit_to_caller
from app.api.idempotency import idempotent
from app.api.serializers import need_staff
from app.db import db
from app.errors import Invalid
from app.models import Account
from app.services import accounts, customers

blueprint = Blueprint("accounts", __name__)

Mode = Annotated[str, Meta(description="`postpaid` (the default) or `prepaid`, which has a wallet")]
Zone = Annotated[str, Meta(description="IANA, such as Asia/Kolkata, the default")]
Days = Annotated[int, Meta(ge=0, le=365, description="Days until an invoice is due; 15 by default")]
Registration = Annotated[str | None, Meta(description="The seller's registration that issues its documents")]


class NewAccount(Body):
    """An account to be opened."""

    customer_id: Annotated[str, Meta(max_length=255, description="The customer's id or external id.")]
    external_id: Annotated[str | None, Meta(description="What services post usage with.")] | UnsetType = UNSET
    name: Annotated[Text, Meta(description="Default: the customer's.")] | UnsetType = UNSET
    currency: CurrencyCode | UnsetType = UNSET
    timezone: Zone | UnsetType = UNSET
    billing_mode: Mode | UnsetType = UNSET
    payment_terms_days: Days | UnsetType = UNSET
    settings: dict[str, Any] | UnsetType = UNSET
    registration_id: Registration | UnsetType = UNSET


class AccountChange(Body):
    """What is to be changed; currency, time zone and mode stay once there is a subscription."""

    external_id: str | UnsetType | None = UNSET
    name: Text | UnsetType = UNSET
    currency: CurrencyCode | UnsetType = UNSET
    timezone: Zone | UnsetType = UNSET
    billing_mode: Mode | UnsetType = UNSET
    payment_terms_days: Days | UnsetType = UNSET
    settings: dict[str, Any] | UnsetType = UNSET
    registration_id: Registration | UnsetType = UNSET
    status: Annotated[str, Meta(description="`active`, `suspended` or `closed`")] | UnsetType = UNSET


class ListQuery(Page):
    """Which accounts."""

    customer_id: str | None = None
    external_id: str | None = None
    billing_mode: str | None = None


@blueprint.get("/accounts")
@guard("customers", "read")
@endpoint("List accounts", query=ListQuery, answers="account", many=True)
def list_accounts(query: ListQuery) -> Response:
    """The newest first."""
    chosen = limit_to_caller(select(Account), Account.id)
    if query.customer_id is not None:
        found = customers.find(query.customer_id)
        chosen = chosen.where(Account.customer_id == (found.id if found else None))
    for name in ("external_id", "billing_mode"):
        wanted = getattr(query, name)
        if wanted is not None:
            chosen = chosen.where(getattr(Account, name) == wanted)
    rows, cursor = paginate(chosen, query, (Account.id,))
    return success([serializers.account(row) for row in rows], next_cursor=cursor)


@blueprint.post("/accounts")
@guard("customers", "write")
@idempotent
@endpoint("Open an account", body=NewAccount, answers="account", status=201)
def open_account(body: NewAccount) -> Response:
    """A prepaid account gets its wallet at once."""
    need_staff("Opening accounts")
    values = given(body)
    customer = customers.find(values.pop("customer_id"))
    if customer is None:
        raise Invalid.at("/customer_id", "There is no such customer.", code="unknown_customer")
    made = accounts.create(customer, values, actor=current_actor())
    return success(serializers.account(made), 201)


@blueprint.get("/accounts/<reference>")
@guard("customers", "read")
@endpoint("Read an account", answers="account")
def read_account(reference: str) -> Response:
    """By id, or by your own `external_id`."""
    return success(serializers.account(get_account(reference)))


@blueprint.patch("/accounts/<reference>")
@guard("customers", "write")
@idempotent
@endpoint("Change an account", body=AccountChange, answers="account")
def change_account(reference: str, body: AccountChange) -> Response:
    """409 `frozen` for what stays as it is once there is a subscription."""
    row = get_account(reference)
    need_staff("Changing accounts")
    accounts.update(row, given(body), actor=current_actor())
    db.session.refresh(row)
    return success(serializers.account(row))
