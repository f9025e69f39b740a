"""Who may do what: specification 7.1.3 as one literal table, and the actor it is asked about.

Deny by default: a resource that the table does not name is for `super_admin` alone. `own` rights are
checked twice: here (may this role use the route at all) and in the query (a customer's queries are scoped
to the customer's own rows, so somebody else's id is a 404).
"""

from dataclasses import dataclass, replace
from enum import StrEnum


class Role(StrEnum):
    """The roles of specification 7.1.3, and `service` for API keys, whose rights are their scopes."""

    super_admin = "super_admin"
    finance_admin = "finance_admin"
    support = "support"
    customer = "customer"
    service = "service"


STAFF = frozenset({Role.super_admin, Role.finance_admin, Role.support})


class Verb(StrEnum):
    """What is done to a resource."""

    read = "read"
    write = "write"


READ = frozenset({Verb.read})
WRITE = frozenset({Verb.read, Verb.write})
NONE: frozenset[Verb] = frozenset()

# resource → role → verbs. Super admins may do everything and are not listed.
TABLE: dict[str, dict[Role, frozenset[Verb]]] = {
    "billing": {Role.finance_admin: WRITE, Role.support: READ, Role.customer: READ},
    "catalog": {Role.finance_admin: WRITE, Role.support: READ, Role.customer: NONE},
    "customers": {Role.finance_admin: WRITE, Role.support: READ, Role.customer: WRITE},
    "usage": {Role.finance_admin: READ, Role.support: READ, Role.customer: READ},
    "wallets": {Role.finance_admin: WRITE, Role.support: READ, Role.customer: WRITE},
    "payments": {Role.finance_admin: WRITE, Role.support: READ, Role.customer: WRITE},
    "approvals": {Role.finance_admin: WRITE, Role.support: READ},
    "approval_limits": {Role.finance_admin: READ, Role.support: READ},
    "settings": {Role.finance_admin: WRITE, Role.support: READ},
    "audit": {Role.finance_admin: READ, Role.support: READ},
    "operations": {Role.finance_admin: READ, Role.support: READ},
    "dead_letters": {Role.finance_admin: WRITE, Role.support: READ},
    "users": {},
    "api_keys": {},
    # What everybody chooses for themselves: language, theme, what they are told of.
    "profile": {Role.finance_admin: WRITE, Role.support: WRITE, Role.customer: WRITE},
}

# From whom personal data is hidden: `app.domain.masking` says what that is, `app.personal` applies it.
# A service reads what its scopes say, and a customer the own data only.
MASKED = frozenset({Role.support})

# What an API key's scope opens. `all` opens every one of these.
SCOPES: dict[str, tuple[str, Verb]] = {
    "events:write": ("events", Verb.write),
    "usage:read": ("usage", Verb.read),
    "billing:read": ("billing", Verb.read),
    "billing:write": ("billing", Verb.write),
    "catalog:read": ("catalog", Verb.read),
    "catalog:write": ("catalog", Verb.write),
    "customers:read": ("customers", Verb.read),
    "customers:write": ("customers", Verb.write),
    "wallets:read": ("wallets", Verb.read),
    "wallets:write": ("wallets", Verb.write),
    "payments:read": ("payments", Verb.read),
    "payments:write": ("payments", Verb.write),
    "approvals:read": ("approvals", Verb.read),
    "audit:read": ("audit", Verb.read),
    "admin:read": ("operations", Verb.read),
    "admin:write": ("operations", Verb.write),
    "settings:read": ("settings", Verb.read),
    "settings:write": ("settings", Verb.write),
    "dead_letters:read": ("dead_letters", Verb.read),
    "dead_letters:write": ("dead_letters", Verb.write),
    "api_keys:read": ("api_keys", Verb.read),
    "api_keys:write": ("api_keys", Verb.write),
    "users:read": ("users", Verb.read),
    "users:write": ("users", Verb.write),
}

# The scopes that another one brings along.
INCLUDED = {"admin:read": "dead_letters:read", "admin:write": "dead_letters:write"}


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, as the audit record will tell it.

    `account_id` narrows a key to one account and `customer_id` a person to one customer; None means every
    one.
    """

    kind: str
    id: str
    label: str
    role: Role
    customer_id: str | None = None
    account_id: str | None = None
    scopes: frozenset[str] = frozenset()
    ip: str | None = None
    request_id: str | None = None

    @classmethod
    def system(cls, name: str) -> "Actor":
        """Return the actor for work that no person asked for: a job, a migration."""
        return cls(kind="system", id=name, label=name, role=Role.super_admin)

    def at(self, *, ip: str | None, request_id: str | None) -> "Actor":
        """Return the same actor with the place that the request came from."""
        return replace(self, ip=ip, request_id=request_id)


def allows(who: Actor | Role, resource: str, verb: Verb | str) -> bool:
    """Tell whether a role, or the scopes of a service, may do `verb` to `resource`.

    A scope to write also reads. The events resource belongs to services and super admins only.
    """
    verb = Verb(verb)
    role = who if isinstance(who, Role) else who.role
    if role is Role.super_admin:
        return True
    if role is Role.service:
        return not isinstance(who, Role) and _scopes_allow(who.scopes, resource, verb)
    return verb in TABLE.get(resource, {}).get(role, NONE)


def sees_personal(role: Role | str) -> bool:
    """Tell whether a role sees e-mail addresses, telephone numbers, addresses and tax numbers in full."""
    return role not in MASKED


def _scopes_allow(scopes: frozenset[str], resource: str, verb: Verb) -> bool:
    included = {INCLUDED[scope] for scope in INCLUDED.keys() & scopes}
    granted = SCOPES.keys() if "all" in scopes else scopes | included
    for scope in granted:
        opened, most = SCOPES.get(scope, (None, None))
        if opened == resource and (most == verb or most == Verb.write):
            return True
    return False
