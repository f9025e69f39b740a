"""Changing rows behind the product's back, and reading what the checks say of it."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.services import verify

GUARDED = (
    "journals",
    "postings",
    "invoices",
    "invoice_lines",
    "event_corrections",
    "event_keys",
    "ledger_anchors",
    "grant_uses",
    "vouchers",
    "voucher_adjustments",
    "einvoices",
    "audit_records",
    "audit_seals",
    "audit_anchors",
)
BECOME_OWNER = text("SELECT set_config('role', tableowner, true) FROM pg_tables WHERE tablename = 'postings'")


def power(session: Session, statement: str, **parameters: object) -> None:
    """Change a row as the owner of the tables can, with the triggers off."""
    session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
    with owning(session):
        for table in GUARDED:
            session.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        session.execute(text(statement), parameters)
        for table in GUARDED:
            session.execute(text(f"ALTER TABLE {table} ENABLE TRIGGER USER"))
    session.expire_all()


@contextmanager
def owning(session: Session) -> Iterator[None]:
    """Let the session be the owner of the tables for a while, instead of the role that owns nothing."""
    session.execute(BECOME_OWNER)
    try:
        yield
    finally:
        session.execute(text("RESET ROLE"))


def red(report: verify.Report) -> dict[str, list[str]]:
    """Return the places that each failing check names."""
    return {each.name: [one.where for one in each.problems] for each in report.results if not each.ok}
