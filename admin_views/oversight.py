"""What ops looks at besides the audit trail: the jobs that ran, and the promises that wait."""

from datetime import datetime

from markupsafe import Markup

from admin_views import formatters
from admin_views.base import ModelScreen
from admin_views.registry import screen
from app.models import JobRun, OutboxMessage
from app.templating import instant


def due(run: JobRun) -> Markup:
    """Return when a run was due, in the reader's zone; a period that is no instant reads as it stands."""
    try:
        return instant(datetime.fromisoformat(run.period))
    except ValueError:
        return formatters.TEXT % run.period


@screen(JobRun, category="Operations", title="Job runs", icon="clock", place=2)
class JobRunScreen(ModelScreen):
    """The runs of the scheduled jobs."""

    column_list = ("job", "period", "started_at", "finished_at", "succeeded")
    formats = {"period": due}
    labels = {"period": "Due"}
    search = ("job",)
    filters = ("succeeded", "started_at")
    empty = "The scheduler starts the jobs; the first run shows here within minutes."
    big = True


@screen(OutboxMessage, category="Operations", title="Outbox", icon="send", place=3)
class OutboxScreen(ModelScreen):
    """Promises made inside a transaction and kept after it: documents, mails, webhooks."""

    column_list = ("kind", "key", "attempts", "available_at", "error", "done_at")
    search = ("=key",)
    filters = ("kind",)
    none_yet = "Nothing was promised yet"
    empty = "Documents, mails and webhooks are promised with a change and sent after it."
    big = True
