"""Settings that are data: the seller's registrations, tax rates and number series."""

from admin_views.base import ModelScreen
from admin_views.registry import screen
from app.models import InvoiceSeries, SellerRegistration, TaxRate


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
    search = ("=gstin", "legal_name")
    empty = "Add the registration that invoices are issued from."
    can_create = True
    can_edit = True
    form_columns = (
        "legal_name",
        "gstin",
        "state_code",
        "address_line1",
        "address_line2",
        "city",
        "postal_code",
        "country",
        "series_prefix",
        "is_default",
        "valid_from",
        "valid_until",
        "bank_details",
    )


@screen(TaxRate, category="Settings", icon="receipt-tax", place=2)
class TaxRateScreen(ModelScreen):
    """The tax rates by jurisdiction and service code, each from a date on. A change is a new row with a later
    date.
    """

    column_list = ("jurisdiction", "service_code", "rate", "valid_from")
    search = ("jurisdiction", "=service_code")
    order = "jurisdiction"
    labels = {"rate": "Rate, %"}
    empty = "Add the rate of a service code, or of * for all of them."
    can_create = True
    can_edit = True
    can_delete = True
    form_columns = ("jurisdiction", "service_code", "rate", "valid_from")


@screen(InvoiceSeries, category="Settings", title="Number series", icon="hash", place=3)
class InvoiceSeriesScreen(ModelScreen):
    """The consecutive numbers of every registration, document kind and financial year."""

    column_list = ("prefix", "financial_year", "kind", "registration", "last_number")
    search = ("prefix",)
    filters = ("kind", "registration")
    order = "-financial_year"
    empty = "A series begins by itself with its first number."
