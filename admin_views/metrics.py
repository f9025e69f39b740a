"""Metrics: what is counted, and how."""

from admin_views.base import ModelScreen
from admin_views.registry import screen
from admin_views.saving import Writes
from app.models import Metric
from app.services import metrics


@screen(Metric, category="Catalog", icon="ruler-measure", place=1)
class MetricScreen(ModelScreen):
    """The metrics. How one counts stays as it is; a change is a new metric."""

    column_list = ("code", "name", "aggregation", "value_property", "unit", "dimensions", "active")
    order = "code"
    filters = ("aggregation", "active")
    inline = ("name", "unit")
    intro = "Events name a metric by its code; the metric says what of them is counted."
    empty = "Define a metric first: everything usage-based is priced by one."
    can_create = True
    can_edit = True
    writes = Writes(metrics.create, metrics.update)
    form_columns = ("code", "name", "aggregation", "value_property", "unit", "dimensions", "active")
    edit_columns = ("name", "unit", "active")
