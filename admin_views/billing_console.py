"""The billing console: what waits for a person, in figures, each with what to do next."""

from flask_admin import BaseView, expose

from admin_views.base import StaffView
from app import clock
from app.domain.numbering import ist_date
from app.services import billing_console as console


class BillingConsoleView(StaffView, BaseView):
    """The page at /admin/billing/."""

    resource = "billing"
    icon = "timeline"

    def __init__(self) -> None:
        super().__init__(name="Billing console", category="Billing", endpoint="admin_billing", url="billing")

    @expose("/")
    def index(self) -> str:
        """Show runs, drafts, what is parked, unpaid and overdue."""
        today = ist_date(clock.now())
        return self.render(
            "admin/billing_console.html",
            today=today,
            drafts=console.drafts(),
            parked=console.parked(),
            unpaid=console.unpaid(),
            overdue=console.overdue(today),
            runs=console.runs(),
        )
