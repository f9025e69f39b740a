"""Data care: the months of events in the database and in files, the jobs that mind them, and what is deleted
when.
"""

from collections.abc import Callable
from typing import Any

from flask import flash, redirect, request
from flask_admin import BaseView, expose
from sqlalchemy import select
from werkzeug.wrappers import Response as BaseResponse

from admin_views.access import current_actor
from admin_views.base import ModelScreen, StaffView
from admin_views.registry import screen
from app import clock
from app.config import current_settings
from app.db import db, in_transaction
from app.errors import DomainError
from app.formatting import format_bytes
from app.models import EventArchive
from app.services import archive_rules, archive_tables, archives, care

MOST_SHOWN = 120


@screen(EventArchive, category="Operations", title="Event archives", icon="archive", place=4, listed=False)
class EventArchiveScreen(ModelScreen):
    """The files of archived months."""

    column_list = ("month", "sequence", "status", "rows", "size", "archived_at", "keep_until")
    search = ("=month",)
    filters = ("status",)
    order = "-month"
    intro = "Archive and restore months on the page Data care."
    empty = "A month that is older than what is kept moves into a file by itself."


class DataCareView(StaffView, BaseView):
    """The page at /admin/data-care/."""

    resource = "operations"
    icon = "database"
    behind = True

    def __init__(self) -> None:
        super().__init__(name="Data care", category="Operations", endpoint="admin_data_care", url="data-care")

    @expose("/")
    def index(self) -> str:
        """Show the months, the files, the last runs and the rules."""
        at = clock.now()
        partitions = archive_tables.partitions()
        query = select(EventArchive).order_by(EventArchive.month.desc(), EventArchive.sequence.desc())
        rows = list(db.session.scalars(query.limit(MOST_SHOWN)))
        in_files = [row for row in rows if row.status in archives.IN_FILES]
        months_in_files = {row.month for row in in_files}
        kept = {row.month: row.keep_until for row in rows if row.month not in months_in_files}
        return self.render(
            "admin/data_care.html",
            this_month=archive_tables.month_of(at),
            kept_since=archive_rules.kept_since(at),
            retention=current_settings().event_retention_months,
            partitions=partitions[::-1],
            missing=care.missing_months(at),
            archives=rows,
            in_files=in_files,
            months_in_files=len(months_in_files),
            kept_until=kept,
            runs=care.last_runs(),
            job_titles=care.CARE_JOBS,
            rules=care.RULES,
            in_bytes=format_bytes,
        )

    @expose("/archive/", methods=("POST",))
    def archive(self) -> BaseResponse:
        """Have a month archived."""
        month = request.form.get("month", "")
        asked = f"{month} is being archived. A worker writes and checks its file, then drops the month."
        return self._ask(lambda: archives.request(month, at=clock.now(), actor=current_actor()), asked)

    @expose("/restore/", methods=("POST",))
    def restore(self) -> BaseResponse:
        """Have a month restored."""
        month = request.form.get("month", "")
        asked = f"{month} is being restored. A worker checks its file and puts the events back."
        return self._ask(
            lambda: archives.request_restore(month, at=clock.now(), actor=current_actor()), asked
        )

    def _ask(self, ask: Callable[[], Any], asked: str) -> BaseResponse:
        try:
            in_transaction(ask)
        except DomainError as error:
            flash(error.message, "error")
        else:
            flash(asked, "success")
        return redirect(self.get_url(".index"))
