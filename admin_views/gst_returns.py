"""The page of monthly GST returns: a month of a registration by the sections of GSTR-1, with its files."""

import json
from datetime import timedelta
from typing import Any

from flask import Response, request
from flask_admin import BaseView, expose
from sqlalchemy import select

from admin_views.base import StaffView
from app import clock, personal
from app.db import db
from app.domain.numbering import ist_date
from app.errors import DomainError, NotFound
from app.models import SellerRegistration
from app.services import gst_returns
from app.services.gst_returns import Filing

MOST_ROWS = 200


class GstReturnsView(StaffView, BaseView):
    """The page at /admin/gst-returns/."""

    behind = True
    resource = "billing"
    icon = "building-bank"

    def __init__(self) -> None:
        super().__init__(
            name="GST returns", category="Billing", endpoint="admin_gst_returns", url="gst-returns"
        )

    def is_accessible(self) -> bool:
        """Tell whether the person may open the page: every row of it names a customer's GSTIN."""
        return super().is_accessible() and not personal.is_hidden()

    def _handle_view(self, name: str, /, **values: Any) -> None:
        super()._handle_view(name, **values)
        personal.require("Returns")

    @expose("/")
    def index(self) -> Any:
        """Show the return of the month and registration that are asked for, by default of last month."""
        sellers = _sellers()
        month, chosen = _asked(sellers)
        filing, problem = None, ""
        if chosen is not None:
            try:
                filing = gst_returns.make(chosen, month)
            except DomainError as error:
                problem = error.message
        page = self.render(
            "admin/gst_returns.html",
            sellers=sellers,
            chosen=chosen,
            month=month,
            filing=filing,
            problem=problem,
            most=MOST_ROWS,
        )
        return page, 422 if problem else 200

    @expose("/csv/")
    def csv(self) -> Response:
        """Send the return as CSV."""
        filing = _filing()
        return _file(gst_returns.as_csv(filing), filing, "csv", "text/csv")

    @expose("/json/")
    def json(self) -> Response:
        """Send the return as JSON."""
        filing = _filing()
        text = json.dumps(gst_returns.as_json(filing), ensure_ascii=False, indent=1)
        return _file(text, filing, "json", "application/json")


def _sellers() -> list[SellerRegistration]:
    order = (SellerRegistration.is_default.desc(), SellerRegistration.state_code, SellerRegistration.gstin)
    return list(db.session.scalars(select(SellerRegistration).order_by(*order)))


def _asked(sellers: list[SellerRegistration]) -> tuple[str, SellerRegistration | None]:
    last_month = ist_date(clock.now()).replace(day=1) - timedelta(days=1)
    month = request.args.get("month") or last_month.isoformat()[:7]
    wanted = request.args.get("registration", "")
    return month, next((one for one in sellers if str(one.id) == wanted), sellers[0] if sellers else None)


def _filing() -> Filing:
    month, chosen = _asked(_sellers())
    if chosen is None:
        raise NotFound("No registration of the seller is entered.")
    return gst_returns.make(chosen, month)


def _file(text: str, filing: Filing, ending: str, kind: str) -> Response:
    name = f"gstr1-{filing.gstin}-{filing.month}.{ending}"
    return Response(text, mimetype=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})
