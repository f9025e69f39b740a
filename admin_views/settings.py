"""Settings that are data: the seller's registrations and letters, tax rates, exchange rates and number
series."""

from typing import Any

from admin_views.base import ModelScreen
from admin_views.records import Related
from admin_views.registry import screen
from admin_views.saving import Writes
from app.models import (
    Account,
    ExchangeRate,
    InvoiceSeries,
    LetterOfUndertaking,
    SellerRegistration,
    TaxCollector,
    TaxRate,
)
from app.permissions import Actor
from app.services import exchange_rates, registrations, tax_tables


def add_letter(values: dict[str, Any], *, actor: Actor) -> LetterOfUndertaking:
    """Enter the letter of the registration that the form names."""
    return registrations.add_letter(values.pop("registration"), values, actor=actor)


@screen(SellerRegistration, category="Settings", icon="building-store", place=1)
class SellerRegistrationScreen(ModelScreen):
    """The seller's GST registrations."""

    column_list = (
        "legal_name",
        "gstin",
        "state_code",
        "series_prefix",
        "is_default",
        "valid_from",
        "valid_until",
    )
    labels = {"is_default": "Default"}
    search = ("=gstin", "legal_name")
    intro = "Documents are issued by the default one, unless another is chosen for the account or by setting."
    empty = "Add the registration that invoices are issued from."
    can_create = True
    can_edit = True
    writes = Writes(registrations.create, registrations.change)
    form_columns = (
        "legal_name",
        "gstin",
        "address_line1",
        "address_line2",
        "city",
        "postal_code",
        "series_prefix",
        "is_default",
        "valid_from",
        "valid_until",
        "bank_details",
    )
    related = (
        Related(
            LetterOfUndertaking,
            by="registration_id",
            columns=("financial_year", "number", "valid_from", "valid_until"),
            title="Letters of undertaking",
            empty="Without one, exports bear integrated tax.",
        ),
        Related(
            InvoiceSeries,
            by="registration_id",
            columns=("prefix", "financial_year", "kind", "last_number"),
            title="Number series",
        ),
        Related(
            Account,
            by="registration_id",
            columns=("name", "customer", "currency", "status"),
            title="Accounts that it is chosen for",
        ),
    )


@screen(LetterOfUndertaking, category="Settings", title="Letters of undertaking", icon="file-text", place=2)
class LetterOfUndertakingScreen(ModelScreen):
    """The letters of undertaking, one for each registration and financial year."""

    column_list = ("registration", "financial_year", "number", "valid_from", "valid_until")
    labels = {"number": "Reference number"}
    search = ("=number", "financial_year")
    filters = ("registration",)
    order = "-financial_year"
    intro = (
        "With a letter on file for the day, exports and supplies to Special Economic Zones bear no tax. It "
        "holds for its whole financial year; edit it where it began later."
    )
    empty = "Add the letter of this financial year."
    can_create = True
    can_edit = True
    writes = Writes(add_letter, registrations.change_letter)
    form_columns = ("registration", "financial_year", "number")
    edit_columns = ("number", "valid_from", "valid_until")


@screen(TaxRate, category="Settings", icon="receipt-tax", place=3)
class TaxRateScreen(ModelScreen):
    """The tax rates by jurisdiction and service code, each from a date on. A change is a new row with a later
    date.
    """

    column_list = ("jurisdiction", "service_code", "rate", "valid_from")
    search = ("jurisdiction", "=service_code")
    order = "jurisdiction"
    labels = {"rate": "Rate, %"}
    intro = "A new rate is a new row with its first day; a rate is edited only to mend a slip of the pen."
    empty = "Add the rate of a service code, or of * for all of them."
    can_create = True
    can_edit = True
    can_delete = True
    writes = Writes(tax_tables.create_rate, tax_tables.change_rate)
    form_columns = ("jurisdiction", "service_code", "rate", "valid_from")


@screen(TaxCollector, category="Settings", title="Taxes collected abroad", icon="world", place=4)
class TaxCollectorScreen(ModelScreen):
    """The countries besides India whose tax the seller is registered to collect."""

    column_list = ("country", "tax_name", "number", "valid_from", "valid_until")
    labels = {"tax_name": "Tax", "number": "Tax number"}
    search = ("country", "=number")
    order = "country"
    intro = "Customers of such a country are charged its tax, at the tax rates of the country; others none."
    empty = "The seller collects no other country's tax: customers abroad are charged as exports."
    can_create = True
    can_edit = True
    writes = Writes(tax_tables.create_collector, tax_tables.change_collector)
    form_columns = ("country", "tax_name", "number", "valid_from", "valid_until")
    edit_columns = ("tax_name", "number", "valid_until")


@screen(ExchangeRate, category="Settings", icon="coins", place=5)
class ExchangeRateScreen(ModelScreen):
    """What other currencies are in rupees, by date and source."""

    column_list = ("currency", "rate", "valid_from", "valid_until", "source")
    labels = {"rate": "Rupees for one"}
    search = ("currency", "source")
    filters = ("currency",)
    order = "-valid_from"
    intro = "Documents in another currency keep their equivalent in rupees; without a rate they are parked."
    empty = "Add the rate of a currency before invoices in it are issued."
    can_create = True
    can_edit = True
    writes = Writes(exchange_rates.create, exchange_rates.update)
    form_columns = ("currency", "rate", "valid_from", "valid_until", "source")
    edit_columns = ("rate", "valid_until", "source")
