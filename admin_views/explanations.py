"""The page that explains a line of an invoice: why it asks for its amount, down to the single events."""

from collections.abc import Callable
from uuid import UUID

from flask import request
from flask_admin import expose

from admin_views.access import require
from app import clock
from app.db import Base
from app.domain.numbering import ist_date
from app.models import Invoice, InvoiceLine
from app.permissions import Verb
from app.services import explanations, invoice_story, invoices, line_words
from app.services.explanations import read_bucket, read_day
from app.services.invoice_story import Step


class LineRoutes:
    """What the screen of invoices knows about explaining a line."""

    resource: str
    render: Callable[..., str]
    get_url: Callable[..., str]
    get_one: Callable[[str], Base]

    def _handle_view(self, name: str, /, **values: object) -> None:
        if name == "line_view":
            require(self.resource, Verb.read)
        else:
            super()._handle_view(name, **values)  # type: ignore[misc]

    @expose("/line/")
    def line_view(self) -> str:
        """Show a line: its steps, its facts, the proof, and its usage by day, bucket and event."""
        record = self.get_one(request.args.get("id", ""))
        assert isinstance(record, Invoice)
        line = explanations.find_line(invoices.get(record.id), request.args.get("n", 0, type=int))
        near = None
        if line_words.counts(line):
            near = explanations.closer(
                line,
                on=read_day(request.args.get("day", "")),
                bucket_at=read_bucket(request.args.get("bucket", "")),
                after=request.args.get("after", ""),
            )

        def to_line(other: InvoiceLine) -> str:
            return self.get_url(".line_view", id=other.invoice_id, n=other.n)

        found = explanations.explain(line)
        return self.render("admin/invoice_line.html", record=record, found=found, near=near, to_line=to_line)


class StoryRoutes:
    """What the page of an invoice tells besides its columns."""

    get_url: Callable[..., str]

    @staticmethod
    def story(invoice: Invoice) -> list[Step]:
        """Return the steps of an invoice."""
        return invoice_story.story(invoice, today=ist_date(clock.now()))

    def page_of_invoice(self, key: UUID) -> str:
        """Return the address of the page of another document."""
        return self.get_url(".details_view", id=key)
