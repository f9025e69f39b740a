"""What is sent to the addresses that need something, so that a refusal is one of rights and not of form."""

from datetime import date
from types import SimpleNamespace
from typing import Any

from app.models import Account
from tests.security.world import NOBODY, House

MONEY = {"amount": "5", "reason": "x"}
REASON = {"reason": "x"}
DAYS = {"first": "2026-10-01", "last": "2026-10-31"}

# Method and address → the body; a callable gets the house whose row is asked for.
BODIES: dict[str, Any] = {
    "POST /accounts": lambda house: {"customer_id": str(house.customer.id)},
    "PATCH /accounts/<reference>": {"payment_terms_days": 30},
    "POST /accounts/<reference>/credits": {"amount": "5", "reason": "x"},
    "POST /accounts/<reference>/discounts": {"name": "x", "percent": "5"},
    "POST /admin/api-keys": {"name": "x", "scopes": ["api_keys:write"]},
    "POST /admin/users": {"email": "mallory@x.example", "role": "support"},
    "POST /admin/billing-runs": {"period": "2026-10"},
    "POST /admin/archives": {"month": "2024-02"},
    "POST /coupons": {"code": "X1", "name": "x", "percent": "5"},
    "POST /coupons/<code>/redeem": lambda house: {"account_id": str(house.world.account.id)},
    "POST /customers": {"name": "Mallory", "email": "mallory@x.example"},
    "PATCH /customers/<reference>": {"phone": "+919812345678"},
    "POST /customers/<reference>/notes": {"text": "x"},
    "POST /exports": lambda house: {"kind": "invoices", "customer_id": str(house.customer.id)},
    "POST /invoices": lambda house: {"account_id": str(house.world.account.id), **PERIOD},
    "POST /invoices/<invoice_id>/credit-notes": REASON,
    "POST /invoices/<invoice_id>/discard": REASON,
    "POST /invoices/<invoice_id>/release": REASON,
    "POST /invoices/<invoice_id>/void": REASON,
    "POST /invoices/<invoice_id>/write-off": REASON,
    "POST /invoices/<invoice_id>/e-invoice/cancel": {"reason": 1, "remark": "x"},
    "POST /metrics": {"code": "x", "name": "x", "aggregation": "count"},
    "POST /payments": lambda house: {"gateway": "sandbox", "invoice_id": str(house.world.invoice.id)},
    "POST /payments/<payment_id>/book": REASON,
    "POST /payments/<payment_id>/refunds": REASON,
    "POST /subscriptions/<subscription_id>/quote": {"usage": []},
    "POST /tds-receivables/<receivable_id>/certify": {"certificate_number": "X1"},
    "POST /wallets": lambda house: {"account_id": str(house.world.account.id)},
    "PATCH /wallets/<wallet_id>": {"low_balance_threshold": "5"},
    "POST /wallets/<wallet_id>/activate": REASON,
    "POST /wallets/<wallet_id>/close": REASON,
    "POST /wallets/<wallet_id>/freeze": REASON,
    "POST /wallets/<wallet_id>/credits": MONEY,
    "POST /wallets/<wallet_id>/debits": MONEY,
    "POST /wallets/<wallet_id>/grants": MONEY,
    "POST /wallets/<wallet_id>/grants/<grant_id>/void": REASON,
    "POST /wallets/<wallet_id>/holds": MONEY,
    "POST /wallets/<wallet_id>/refunds": MONEY,
    "POST /wallets/<wallet_id>/top-ups": {"amount": "5", "gateway": "sandbox"},
    "POST /wallets/<wallet_id>/transactions/<transaction_id>/reverse": REASON,
    "POST /wallets/<wallet_id>/transfers": lambda house: {
        **MONEY,
        "to_wallet_id": str(house.world.wallet.id),
    },
}
PERIOD = {"period_start": str(date(2026, 11, 1)), "period_end": str(date(2026, 11, 30))}

# A house in which nothing has an id that there is.
NOTHING = SimpleNamespace(id=NOBODY)
NOWHERE = SimpleNamespace(
    customer=NOTHING, world=SimpleNamespace(account=NOTHING, wallet=NOTHING, invoice=NOTHING)
)

# Address → its query.
QUERIES: dict[str, Any] = {
    "/admin/gst-returns": {"registration_id": NOBODY, "month": "2026-10"},
    "/admin/gst-returns.csv": {"registration_id": NOBODY, "month": "2026-10"},
    "/e-invoices/documents": DAYS,
}
# The lists that can be asked for the rows of one account.
BY_ACCOUNT = frozenset({"/events", "/invoices", "/subscriptions", "/wallets", "/vouchers", "/credit-notes"})
BY_METRIC = frozenset({"/usage", "/entitlements"})


def body_of(method: str, address: str, house: House, *, missing: bool) -> Any:
    """Return the body for an address, with the ids of the house's rows or with ids that nothing has."""
    found = BODIES.get(f"{method} {address.removeprefix('/api/v1')}", {})
    return found(NOWHERE if missing else house) if callable(found) else found


def query_of(address: str, house: House, *, missing: bool) -> dict[str, str]:
    """Return the query for an address: lists are asked for the rows of the house's account."""
    address = address.removeprefix("/api/v1")
    account: Account = house.world.account
    who = {"account_id": NOBODY if missing else str(account.id)}
    if address in BY_ACCOUNT:
        return who
    if address in BY_METRIC:
        return {**who, "metric": house.world.metric.code, "from": "2026-10-01", "to": "2026-11-01"}
    found: dict[str, str] = QUERIES.get(address, {})
    return found
