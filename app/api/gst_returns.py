"""Monthly returns of a registration in the style of GSTR-1, as JSON and CSV."""

from typing import Annotated
from uuid import UUID

from flask import Blueprint, Response

from app import personal
from app.api.attachments import attachment
from app.api.body import Body, Meta
from app.api.endpoint import endpoint
from app.api.envelope import resource, success
from app.api.guards import guard
from app.api.serializers import need_staff
from app.errors import Invalid
from app.services import gst_returns, registrations
from app.services.gst_returns import SECTIONS, Filing

blueprint = Blueprint("gst_returns", __name__)

WHAT = "Returns"
CSV = "text/csv"


class Asked(Body):
    """Which return."""

    registration_id: UUID
    month: Annotated[str, Meta(pattern=r"^\d{4}-\d{2}$", description="A year and a month: 2026-10")]


class AskedCsv(Asked):
    """Which return, or which section of it."""

    section: Annotated[str | None, Meta(description="One section: `b2b`; all without it")] = None


@blueprint.get("/admin/gst-returns")
@guard("billing", "read")
@endpoint("Read a monthly GST return", query=Asked, answers="gst_return")
def read_return(query: Asked) -> Response:
    """What was issued in the month, by the dates of the documents in India's time, by the sections of GSTR-1
    and in rupees. `supplies` is their sum, less what credit notes took back.
    """
    need_staff(WHAT)
    personal.require(WHAT)
    filing = _make(query)
    return success(resource("gst_return", f"{filing.gstin}:{filing.month}", gst_returns.as_json(filing)))


@blueprint.get("/admin/gst-returns.csv")
@guard("billing", "read")
@endpoint("Read a monthly GST return as CSV", query=AskedCsv, media=CSV)
def read_csv(query: AskedCsv) -> Response:
    """Every section beneath its title, for a spreadsheet; nothing in it runs as a formula."""
    need_staff(WHAT)
    personal.require(WHAT)
    if query.section is not None and query.section not in SECTIONS:
        raise Invalid.at("/section", f"Choose one of: {', '.join(SECTIONS)}.", code="unknown_choice")
    filing = _make(query)
    text = gst_returns.as_csv(filing, None if query.section is None else {query.section})
    name = f"gstr1-{filing.gstin}-{filing.month}.csv"
    return attachment(text, name, CSV)


def _make(query: Asked) -> Filing:
    return gst_returns.make(registrations.get(query.registration_id), query.month)
