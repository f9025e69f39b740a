"""The monthly return of a registration in the style of GSTR-1: a registry of sections over the documents that
were issued (docs/ops/tax.md)."""

from app.services.gst_returns import advances, notes, summaries, supplies
from app.services.gst_returns.filing import Filing, Table, as_csv, as_json, days_of, make
from app.services.gst_returns.sections import SECTIONS, Month, Section, section

# Importing them entered their sections.
MODULES = (supplies, notes, advances, summaries)

__all__ = [
    "MODULES",
    "SECTIONS",
    "Filing",
    "Month",
    "Section",
    "Table",
    "as_csv",
    "as_json",
    "days_of",
    "make",
    "section",
]
