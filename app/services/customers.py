"""Customers: making, changing and finding the legal persons that buy."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import exists, select
from sqlalchemy.exc import IntegrityError

from app.config import current_settings
from app.db import db, lock
from app.domain.errors import RuleBroken
from app.domain.gstin import state_of, validate
from app.domain.places import INDIA, check_state
from app.errors import Conflict, IllegalTransition, NotFound
from app.models import Account, Customer
from app.models.customers import CustomerStatus, TaxTreatment
from app.permissions import Actor
from app.services import audit, inputs
from app.services.addressing import by_reference
from app.services.inputs import optional, refusals, text

MOST_COPIES = 10


def _copies(value: Any, pointer: str) -> list[str]:
    """Return the addresses that get documents in copy, each once."""
    if not isinstance(value, list) or len(value) > MOST_COPIES:
        raise RuleBroken(pointer, "wrong_type", f"Write at most {MOST_COPIES} e-mail addresses.")
    return list(dict.fromkeys(inputs.email(each, f"{pointer}/{n}") for n, each in enumerate(value)))


READERS: dict[str, inputs.Reader] = {
    "external_id": optional(text(255)),
    "name": text(300),
    "email": inputs.email,
    "billing_emails": _copies,
    "phone": optional(inputs.phone),
    "country": inputs.country,
    "address_line1": optional(text(300)),
    "address_line2": optional(text(300)),
    "city": optional(text(100)),
    "state_code": optional(text(10)),
    "postal_code": optional(text(20)),
    "gstin": optional(text(30)),
    "tax_id": optional(text(50)),
    "tax_treatment": inputs.choice(TaxTreatment),
    "exempt_reason": optional(text(300)),
    "reverse_charge": inputs.yes_or_no,
    "status": inputs.choice(CustomerStatus),
    "extra": inputs.an_object,
}

# A customer keeps the contacts up to date; what documents and taxes hang on is for staff.
OWN_TO_CHANGE = frozenset(
    {"email", "billing_emails", "phone", "address_line1", "address_line2", "city", "postal_code"}
)
TAX_IDENTITY = ("gstin", "state_code", "country", "tax_treatment", "exempt_reason", "reverse_charge")


def create(values: Mapping[str, Any], *, actor: Actor) -> Customer:
    """Make a customer from the attributes in `values`; `name` and `email` are needed, `country` is IN by
    default.

    Raises:
        Invalid: with every attribute that cannot be used; a GSTIN with a wrong check character or of another
            State than the address; a Special Economic Zone outside India; an exemption without its reason;
            reverse charge of somebody, or a Special Economic Zone, without a GSTIN.
        Conflict: the external id is taken.
    """
    found = inputs.read(values, READERS, required=("name", "email"))
    defaults = {"country": INDIA, "tax_treatment": TaxTreatment.regular, "status": CustomerStatus.active}
    given = {**defaults, **found}
    customer = Customer(**{**given, **_tax_identity(given)})
    _flush(customer)
    after = {name: value for name, value in found.items() if value not in (None, {})}
    audit.record(
        actor, "customer.created", customer, summary=f"{customer.name} became a customer", after=after
    )
    return customer


def update(customer: Customer, values: Mapping[str, Any], *, actor: Actor) -> Customer:
    """Change the attributes in `values`; issued invoices keep what they say.

    Raises:
        Invalid, Conflict: as `create` says; the customer is then as before.
    """
    found = inputs.read(values, READERS)
    found |= _tax_identity({**{name: getattr(customer, name) for name in TAX_IDENTITY}, **found})
    with db.session.no_autoflush:
        for name, value in found.items():
            setattr(customer, name, value)
        before, after = audit.changes(customer)
    if after:
        _flush(customer)
        summary = f"{customer.name} was changed"
        audit.record(actor, "customer.updated", customer, summary=summary, before=before, after=after)
    return customer


def suspend(customer: Customer, *, at: datetime, actor: Actor) -> Customer:
    """Mark that no business is done with a customer for the time being.

    Raises:
        IllegalTransition: the customer is not active.
    """
    return _move(customer, CustomerStatus.active, CustomerStatus.suspended, at, actor)


def resume(customer: Customer, *, at: datetime, actor: Actor) -> Customer:
    """Mark that business is done with a suspended customer again.

    Raises:
        IllegalTransition: the customer is not suspended.
    """
    return _move(customer, CustomerStatus.suspended, CustomerStatus.active, at, actor)


def _move(
    customer: Customer, before: CustomerStatus, after: CustomerStatus, at: datetime, actor: Actor
) -> Customer:
    if customer.status is not before:
        raise IllegalTransition(f"{customer.name} is {customer.status}, not {before}.")
    customer.status = after
    db.session.flush()
    done = "suspended" if after is CustomerStatus.suspended else "resumed"
    audit.record(
        actor,
        f"customer.{done}",
        customer,
        summary=f"{customer.name} was {done}",
        at=at,
        before={"status": before},
        after={"status": after},
    )
    return customer


def set_payment_terms(customer: Customer, *, days: int, at: datetime, actor: Actor) -> Customer:
    """Give all accounts of a customer the same days to pay; invoices that are issued keep their due date.

    Raises:
        Invalid: it is not 0 to 365 days.
        Conflict: the customer has no account.
    """
    with refusals():
        days = inputs.whole(0, 365)(days, "/days")
    found = db.session.scalars(select(Account.id).where(Account.customer_id == customer.id))
    accounts = [account for account in lock(Account, list(found)) if account.payment_terms_days != days]
    before = {account.name: account.payment_terms_days for account in accounts}
    if not accounts and not db.session.scalar(select(exists().where(Account.customer_id == customer.id))):
        raise Conflict(f"{customer.name} has no account yet.")
    for account in accounts:
        account.payment_terms_days = days
    db.session.flush()
    audit.record(
        actor,
        "customer.terms_set",
        customer,
        summary=f"{customer.name} has {days} days to pay",
        at=at,
        before={"payment_terms_days": before},
        after={"payment_terms_days": dict.fromkeys(before, days)},
    )
    return customer


def get(reference: str | UUID) -> Customer:
    """Return the customer with this id or external id.

    Raises:
        NotFound: there is none.
    """
    customer = find(reference)
    if customer is None:
        raise NotFound("There is no such customer.")
    return customer


def find(reference: str | UUID) -> Customer | None:
    """Return the customer with this id or external id, or None."""
    return db.session.scalar(by_reference(select(Customer), Customer, reference))


def _tax_identity(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return GSTIN and State code in their normal form, the State that of the GSTIN where no other is given.

    Raises:
        Invalid: they contradict each other or the country.
    """
    gstin, state, country = values.get("gstin"), values.get("state_code"), values["country"]
    with refusals():
        gstin = validate(gstin, accept_test=current_settings().accept_test_gstins) if gstin else None
        if gstin and country != INDIA:
            raise RuleBroken("/gstin", "mismatch", "A GSTIN belongs to a customer in India: country IN.")
        state = state or (state_of(gstin) if gstin else None)
        if country == INDIA and state:
            check_state(state)
        if gstin and state_of(gstin) != state:
            message = f"The GSTIN is registered in State {state_of(gstin)}, the address is in {state}."
            raise RuleBroken("/state_code", "mismatch", message)
        if values["tax_treatment"] is TaxTreatment.sez and country != INDIA:
            raise RuleBroken("/tax_treatment", "mismatch", "A Special Economic Zone is in India.")
        _check_treatment({**values, "gstin": gstin})
    return {"gstin": gstin, "state_code": state}


def _check_treatment(values: Mapping[str, Any]) -> None:
    """Return if the exemption has its reason, and who is to bear the tax or is in a Special Economic Zone is
    registered.

    Raises:
        RuleBroken: it has none, or is not (CGST Act s.9(3), s.11; CGST Rule 8(1)).
    """
    exempt = values["tax_treatment"] is TaxTreatment.exempt
    if exempt and (values["country"] != INDIA or not values.get("exempt_reason")):
        message = "An exemption in India names its notification, as invoices cite it."
        raise RuleBroken("/exempt_reason", "required", message)
    if values["tax_treatment"] is TaxTreatment.sez and not values["gstin"]:
        message = "A unit in a Special Economic Zone has a GSTIN of its own, which invoices and returns name."
        raise RuleBroken("/tax_treatment", "needs_gstin", message)
    if values.get("reverse_charge") and not values["gstin"]:
        message = "Only a customer with a GSTIN can pay the tax on reverse charge."
        raise RuleBroken("/reverse_charge", "needs_gstin", message)


def _flush(customer: Customer) -> None:
    try:
        with db.session.begin_nested():
            db.session.add(customer)
    except IntegrityError as error:
        if "external_id" in str(error.orig):
            raise Conflict.at(
                "/external_id", "Another customer has this external id.", code="taken"
            ) from None
        raise
