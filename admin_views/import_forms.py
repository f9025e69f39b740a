"""The forms of an import: the file, and what its columns are."""

from collections.abc import Mapping, Sequence
from typing import Any

from flask_admin.form import BaseForm
from werkzeug.datastructures import FileStorage
from wtforms import (
    BooleanField,
    Field,
    FileField,
    Form,
    SelectField,
    SelectMultipleField,
    StringField,
    ValidationError,
    widgets,
)
from wtforms.validators import InputRequired, Length

from admin_views.fields import no_zero_bytes
from app.services.imports.choices import Choices, countable, guess, read_by, subscribable

COLUMN = "column:"
NEEDED = [InputRequired("Choose a column.")]


def a_file(form: Form, field: Field) -> None:
    """Refuse a form without its file."""
    if not isinstance(field.data, FileStorage) or not field.data.filename:
        raise ValidationError("Choose a file first.")


class UploadForm(BaseForm):
    """The first step."""

    file = FileField(
        "File",
        validators=[a_file],
        description="CSV or JSON lines, plain or packed by gzip, at most 16 MB. "
        "The first line of a CSV names its columns.",
        render_kw={
            "accept": ".csv,.tsv,.txt,.jsonl,.ndjson,.gz",
            "required": True,
            "data-most-bytes": "16000000",
        },
    )


class ChecksField(SelectMultipleField):
    """Several of a list, by check boxes."""

    widget = widgets.ListWidget(prefix_label=False)
    option_widget = widgets.CheckboxInput()


class MappingForm(BaseForm):
    """The second step; `mapping_form` gives the selects their columns.

    `summed` names, for each metric that adds up a property which is no column, that property: there the
    column of the quantity goes.
    """

    summed: Mapping[str, str] = {}
    metric = SelectField("Metric", validators=[InputRequired("Choose what the rows count.")])
    event_id = SelectField(
        "Event id", validators=NEEDED, description="Tells a row apart: the same id counts once, for ever."
    )
    prefix = StringField(
        "Put before each event id",
        validators=[Length(max=50), no_zero_bytes],
        description="Needed only to import the same rows again as another metric, for instance: bytes-",
    )
    account_id = SelectField(
        "Account", validators=NEEDED, description="The id of the account, as you know it or as we do."
    )
    timestamp = SelectField(
        "Time", description="With its offset, such as 2026-11-20T10:00:00+05:30, or in seconds since 1970."
    )
    quantity = SelectField(
        "Quantity",
        description="The number to add up, where the metric does not read a column of its own. "
        "A metric that counts needs none.",
    )
    properties = ChecksField(
        "Properties", description="Kept with the event. Those that the metric reads are taken along anyhow."
    )
    backfill = BooleanField("Take usage of any age (backfill)")
    plan = SelectField(
        "Unknown accounts",
        description="An account made here gets a customer of the same name, in rupees, billed monthly.",
    )

    def choices(self) -> Choices:
        """Return what was chosen."""
        metric = str(self.metric.data)
        by_column = metric.startswith(COLUMN)
        return Choices(
            metric="" if by_column else metric,
            metric_column=metric.removeprefix(COLUMN) if by_column else "",
            event_id=self.event_id.data,
            prefix=(self.prefix.data or "").strip(),
            account_id=self.account_id.data,
            timestamp=self.timestamp.data or "",
            quantity=self.quantity.data or "",
            summed=self.summed.get(metric, ""),
            properties=tuple(self.properties.data or ()),
            backfill=self.backfill.data,
            plan=self.plan.data or "",
        )


def mapping_form(columns: Sequence[str], given: Any = None) -> MappingForm:
    """Return the form for a file with these columns, filled in with what was given or else with guesses."""
    guessed, counted = guess(columns), countable()
    read = read_by(counted, columns)
    form = MappingForm(given, data={**guessed, "properties": read, "metric": ""})
    form.summed = {
        one.code: one.value_property
        for one in counted
        if one.value_property and one.value_property not in columns
    }
    named = [(name, name) for name in columns]
    codes = [(one.code, f"{one.name} ({one.code})") for one in counted]
    if told := guessed.get("metric"):
        codes.insert(0, (f"{COLUMN}{told}", f"As the column {told} says"))
    form.metric.choices = codes if len(codes) == 1 else [("", "Choose a metric"), *codes]
    for field in (form.event_id, form.account_id):
        field.choices = [("", "Choose a column"), *named]
    # A column of the very name of a field is always read.
    form.timestamp.choices = named if "timestamp" in columns else [("", "None: the time of import"), *named]
    form.quantity.choices = named if "quantity" in columns else [("", "None: each row is one"), *named]
    used = {guessed.get(name) for name in ("event_id", "account_id", "timestamp", "metric")}
    form.properties.choices = [(name, name) for name in columns if name in read or name not in used]
    plans = [(one.code, f"Make them on {one.name}") for one in subscribable()]
    form.plan.choices = [("", "Refuse their rows"), *plans]
    return form
