"""The series of document numbers: what each has given, and its prefix before its first number."""

from admin_views.base import ModelScreen
from admin_views.registry import screen
from admin_views.saving import Writes
from app.models import InvoiceSeries
from app.services import number_series


@screen(InvoiceSeries, category="Settings", title="Number series", icon="hash", place=6)
class InvoiceSeriesScreen(ModelScreen):
    """The consecutive numbers of every registration, document kind and financial year."""

    column_list = ("prefix", "financial_year", "kind", "registration", "last_number", "issued", "gaps")
    computed = {"issued": number_series.issued, "gaps": number_series.gaps}
    labels = {"issued": "Issued", "gaps": "Gaps found"}
    search = ("prefix",)
    filters = ("kind", "registration", "financial_year")
    order = "-financial_year"
    intro = (
        "Numbers are consecutive within a series and at most 16 characters long (CGST Rule 46(b)). "
        "A prefix can be changed until the first number is given."
    )
    empty = "A series begins by itself with its first number."
    can_create = True
    can_edit = True
    writes = Writes(number_series.open_series, number_series.change_prefix)
    form_columns = ("registration", "kind", "financial_year", "prefix")
    edit_columns = ("prefix",)

    def is_number(self, name: str) -> bool:
        """Tell also of the counts that a column stands at the end of its cell."""
        return name in self.computed or super().is_number(name)
