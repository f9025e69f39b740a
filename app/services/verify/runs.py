"""Running the checks, all on one unchanging view of the database."""

import time
from collections.abc import Callable, Iterable
from datetime import datetime

from sqlalchemy import text

from app import clock
from app.db import db, is_isolated
from app.services.verify import (
    advanced,
    archives,
    audited,
    books,
    chains,
    contracts,
    corrections,
    credits,
    debts,
    einvoicing,
    granted,
    held,
    invoicing,
    queues,
    returns,
    roles,
    states,
    subscriptions,
    usage,
)
from app.services.verify.checks import Findings, Report, Result, checks

# Importing them entered their checks; this is the order in which they run and are shown.
ORDER = [
    module.__name__
    for module in (
        usage,
        states,
        corrections,
        archives,
        books,
        chains,
        held,
        granted,
        debts,
        invoicing,
        einvoicing,
        returns,
        credits,
        advanced,
        subscriptions,
        contracts,
        queues,
        audited,
        roles,
    )
]


def run(
    names: Iterable[str] | None = None,
    *,
    at: datetime | None = None,
    progress: Callable[[Result], object] | None = None,
) -> Report:
    """Run all checks, or those of these names, and return what they found; `progress` hears of each as it
    ends.

    Call it at the start of a transaction: it fixes one view of the database, so that work that goes on
    meanwhile cannot look like a fault. Nothing is written.

    Raises:
        UnknownName: there is no such check.
    """
    at = at or clock.now()
    if not is_isolated() and not db.session().in_transaction():
        db.session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
    db.session.execute(text("SET LOCAL statement_timeout = 0"))
    # Taken before the view is: no month can be moved into a file while it is being compared.
    db.session.execute(text("LOCK TABLE usage_events IN ACCESS SHARE MODE"))
    results = []
    for name in names or sorted(checks, key=lambda name: ORDER.index(checks[name].find.__module__)):
        results.append(_run_one(name, at))
        if progress:
            progress(results[-1])
    return Report(at, tuple(results))


def _run_one(name: str, at: datetime) -> Result:
    entry, findings, started = checks[name], Findings(), time.monotonic()
    entry.find(findings, at)
    spent = round((time.monotonic() - started) * 1000)
    return Result(name, entry.title, findings.counted, tuple(findings.problems), findings.failures, spent)
