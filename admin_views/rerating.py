"""The page that shows an invoice as it was billed and as it comes to now, line by line. Looking changes
nothing."""

from collections.abc import Callable
from typing import Any

from flask import request
from flask_admin import expose

from admin_views.access import require
from app.db import Base
from app.models import Invoice
from app.permissions import Verb
from app.services import invoices, rerating
from app.services.rerating import BILLS


class ReratingRoutes:
    """What the screen of invoices knows about re-rating."""

    resource: str
    render: Callable[..., str]
    get_one: Callable[[str], Base]

    def _handle_view(self, name: str, /, **values: Any) -> None:
        if name == "rerate_view":
            require(self.resource, Verb.read)
        else:
            super()._handle_view(name, **values)  # type: ignore[misc]

    @staticmethod
    def may_rerate(invoice: Invoice) -> bool:
        """Tell whether re-rating says something of a document: of invoices it does."""
        return invoice.kind in BILLS

    @expose("/rerate/")
    def rerate_view(self) -> str:
        """Show each line as it was billed, as it comes to now, and what is still open."""
        record = self.get_one(request.args.get("id", ""))
        assert isinstance(record, Invoice)
        found = rerating.rerate(invoices.get(record.id))
        return self.render("admin/rerating.html", record=record, found=found, document=found.document)
