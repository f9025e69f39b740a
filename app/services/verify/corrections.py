"""The check of what was taken back: a correction undoes exactly what its event had counted."""

import json
from datetime import datetime
from decimal import Decimal
from typing import Any

from app.domain.money import plain
from app.domain.rating import dimension_values
from app.services import archives
from app.services.verify.checks import Findings, check, stream

# The events of an archived month are in files; their keys and what was metered are still here.
CORRECTIONS = """
    SELECT c.account_id, c.event_id, c.kind, c.metric_id, c.quantity, c.dimensions, c.replacement_event_id,
           k.occurred_at IS NOT DISTINCT FROM c.occurred_at AS is_keyed,
           date_bin('15 minutes', c.occurred_at, '2000-01-01 00:00Z') = c.bucket_at AS is_in_bucket,
           r.event_id AS replacement, e.metric_id AS counted_metric_id, e.quantity AS counted,
           e.properties::text AS properties, m.dimensions AS names,
           date_trunc('month', c.occurred_at, 'UTC') = ANY (CAST(:archived AS timestamptz[])) AS is_archived
    FROM event_corrections c
    LEFT JOIN event_keys k ON k.account_id = c.account_id AND k.event_id = c.event_id
    LEFT JOIN event_keys r ON r.account_id = c.account_id AND r.event_id = c.replacement_event_id
    LEFT JOIN usage_events e
        ON e.account_id = c.account_id AND e.occurred_at = c.occurred_at AND e.event_id = c.event_id
    LEFT JOIN metrics m ON m.id = c.metric_id
"""


@check("corrections", "Every correction takes back exactly what its event had counted")
def corrections(findings: Findings, at: datetime) -> None:
    """Compare each correction with its event and its replacement; the sums are compared with the rollups."""
    for row in stream(CORRECTIONS, archived=archives.month_starts()):
        findings.count("corrections")
        problem = _problem(row)
        if problem:
            findings.add(f"correction of {row.event_id} of account {row.account_id}", problem)


def _problem(row: Any) -> str:
    if not row.is_keyed:
        return "There never was an event of this id at that time."
    if (row.kind == "amend") != (row.replacement_event_id is not None):
        return f"Its kind is {row.kind} and its replacement {row.replacement_event_id or 'none'}."
    if row.replacement_event_id is not None and row.replacement is None:
        return f"The replacement {row.replacement_event_id} does not exist."
    if row.is_archived:
        return ""
    if row.counted is None:
        return "Its event is gone."
    if (row.metric_id, row.quantity) != (row.counted_metric_id, row.counted):
        return f"It took back {plain(row.quantity)}, the event had counted {plain(row.counted)}."
    properties = json.loads(row.properties, parse_float=Decimal)
    if not row.is_in_bucket or row.dimensions != dimension_values(properties, row.names, pointer=""):
        return "It took the usage out of another bucket than the event was in."
    return ""
