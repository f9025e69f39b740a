"""The check of what the product's own role of the database could do to the books."""

from datetime import datetime

from app import rights
from app.db import db
from app.services.verify.checks import Findings, check


@check("roles", "The role that the product signs in as has no right too many")
def roles(findings: Findings, at: datetime) -> None:
    """Look for rights to rewrite tables of which nothing is ever deleted.

    Where one role owns the tables and works with them, which is allowed, that is counted and is no fault
    (docs/ops/database-roles.md).
    """
    within_reach = rights.could_rewrite(db.session.connection())
    findings.count("tables", len(rights.kept()))
    for table, owned in within_reach.items():
        if owned:
            findings.count("tables that the role owns")
        else:
            findings.add(table, "The role could delete from it: `flask db upgrade` gives the rights anew.")
