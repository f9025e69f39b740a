"""Finding a customer or an account by its id, or by the caller's own external id."""

from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Select, or_

from app.models import Account, Customer

Q = TypeVar("Q", bound=Select[Any])


def by_reference(query: Q, model: type[Account] | type[Customer], reference: str | UUID) -> Q:
    """Return `query` narrowed to the one row of `model` that `reference` names.

    An external id may itself look like an id; where it does, the row of that id goes first.
    """
    try:
        key = reference if isinstance(reference, UUID) else UUID(reference)
    except ValueError:
        return query.where(model.external_id == reference)
    named = or_(model.id == key, model.external_id == str(reference))
    return query.where(named).order_by((model.id == key).desc()).limit(1)
