"""Who buys in the demonstration: forty invented companies in India, the United States and Indonesia."""

import csv
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from app.services.reference import gstin

CURRENCY_OF = {"IN": "INR", "US": "USD", "ID": "IDR"}
PREPAID = frozenset({"full", "low", "empty"})


@dataclass(frozen=True, slots=True)
class Buyer:
    """A customer with one account, a row of `buyers.csv`.

    `daily` is how many messages it sends on a common weekday. `pays` tells how it pays: `prompt`, `late`,
    `partly` or `never` for invoices, and for a wallet how well it is filled: `full`, `low` or `empty`.
    """

    key: str
    name: str
    country: str
    street: str
    city: str
    place: str
    postal_code: str
    timezone: str
    plan: str
    daily: int
    pays: str
    pan: str
    phone: str
    tax_treatment: str

    @property
    def external_id(self) -> str:
        """The id under which services post its usage."""
        return f"acct-{self.key}"

    @property
    def prepaid(self) -> bool:
        """True for who pays from a wallet."""
        return self.pays in PREPAID

    @property
    def currency(self) -> str:
        """The currency it is billed in."""
        return CURRENCY_OF[self.country]

    def customer(self) -> dict[str, Any]:
        """Return the attributes of the customer, ready for `services.customers.create`."""
        return {
            "external_id": f"cust-{self.key}",
            "name": self.name,
            "email": f"accounts@{self.key}.example",
            "phone": self.phone,
            "country": self.country,
            "address_line1": self.street,
            "city": self.city,
            "state_code": self.place,
            "postal_code": self.postal_code,
            "gstin": gstin(self.place, self.pan) if self.pan else None,
            "tax_treatment": self.tax_treatment,
        }

    def account(self) -> dict[str, Any]:
        """Return the attributes of its account, ready for `services.accounts.create`."""
        return {
            "external_id": self.external_id,
            "name": self.name,
            "currency": self.currency,
            "timezone": self.timezone,
            "billing_mode": "prepaid" if self.prepaid else "postpaid",
            "payment_terms_days": 15,
        }


def buyers() -> list[Buyer]:
    """Return everybody who buys in the demonstration."""
    text = files(__package__).joinpath("buyers.csv").read_text("utf-8")
    rows: list[dict[str, Any]] = list(csv.DictReader(text.splitlines()))
    return [Buyer(**{**row, "daily": int(row["daily"])}) for row in rows]
