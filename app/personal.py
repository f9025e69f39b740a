"""Whether whoever is looking sees personal data in full, and values as they may see them.

The one place that screens, exports, documents and the API ask; what is personal is `app.domain.masking`.
"""

from collections.abc import Mapping
from typing import Any

from flask import g, has_request_context
from flask_login import current_user

from app.domain import masking
from app.errors import Forbidden
from app.models import Invoice, Voucher
from app.permissions import sees_personal
from app.services import documents

# Ourselves: the registrations that documents are issued from, by their tables and as the API calls them.
NOT_PERSONAL = frozenset({"seller_registrations", "tax_collectors", "registration", "tax_collector"})


def is_hidden() -> bool:
    """Tell whether personal data is hidden from whoever this request is of; a job sees it."""
    if not has_request_context():
        return False
    actor = g.get("actor")
    role = actor.role if actor is not None else getattr(current_user, "role", None)
    return role is not None and not sees_personal(role)


def is_named(name: str) -> bool:
    """Tell whether what is called `name` is personal: a column, or a dotted path that ends in one."""
    return name.rpartition(".")[2] in masking.PERSONAL


def shown(name: str, value: Any, *, of: str = "") -> Any:
    """Return a value called `name` as the person who is looking may see it; `of` is its table."""
    return masking.mask(name, value) if of not in NOT_PERSONAL and is_hidden() else value


def answered(data: Any) -> Any:
    """Return the data of an answer of the API as the caller may see it: a resource or a list of them."""
    actor = g.get("actor")
    if actor is None or sees_personal(actor.role):
        return data
    if isinstance(data, list):
        return [answered(one) for one in data]
    ours = isinstance(data, Mapping) and data.get("type") in NOT_PERSONAL
    return data if ours else masking.mask("", data)


def document(row: Invoice | Voucher) -> bytes:
    """Return the PDF of an issued document; for those from whom personal data is hidden, a masked copy.

    Raises:
        Conflict, DamagedSnapshot, CannotRender, StoreUnavailable: as `documents.load`.
    """
    return documents.copy_without_personal_data(row) if is_hidden() else documents.load(row)


def require(what: str) -> None:
    """Let those pass who see personal data.

    Raises:
        Forbidden: it is hidden from this person.
    """
    if is_hidden():
        raise Forbidden(f"{what} hold personal data of customers, which your role does not see. Ask finance.")
