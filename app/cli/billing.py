"""`flask billing run`: invoices for a month."""

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal

import click
from flask.cli import AppGroup

from app import clock
from app.cli.console import actor, command, progress, say, table
from app.db import in_transaction
from app.formatting import format_money
from app.models.billing_runs import ItemStatus
from app.services import accounts, billing_runs, plans
from app.services import billing as work
from app.services.billing_candidates import Scope
from app.services.billing_steps import Step

MADE = (ItemStatus.issued, ItemStatus.due)

billing = AppGroup("billing", help="Billing runs.")


@billing.command("run", with_appcontext=False)
@click.option("--period", required=True, metavar="YYYY-MM", help="The month to bill, such as 2026-10.")
@click.option(
    "--account", "references", multiple=True, metavar="ID", help="Bill only this account; repeatable."
)
@click.option("--plan", "plan_code", metavar="CODE", help="Bill only who was on this plan in the month.")
@click.option("--dry-run", is_flag=True, help="Show what would be invoiced, and write nothing.")
@command
def run(period: str, references: tuple[str, ...], plan_code: str | None, dry_run: bool) -> None:
    """Make one invoice for each account that owes for a month.

    A run that was interrupted goes on when it is started again; a running worker takes its share; a month
    that is billed already makes nothing. The PDFs follow by the workers. Exits with 1 if an account failed or
    was parked for a person to look at.

    \b
    flask billing run --period 2026-10
    flask billing run --period 2026-10 --account acct-kaveri --dry-run
    """
    only = in_transaction(lambda: {accounts.get(one).id for one in references}) or None
    plan = in_transaction(lambda: plans.get(plan_code)) if plan_code else None
    steps = work.run(period, at=clock.now(), actor=actor(), plan=plan, accounts=only, dry_run=dry_run)
    told = _follow(steps)
    _tell(told, period, dry_run)
    if not dry_run:
        say(f"  the whole run: {in_transaction(lambda: _whole_run(period, Scope.of(plan, only)))}")
    if any(step.status in {ItemStatus.failed, ItemStatus.parked} for step in told):
        raise click.exceptions.Exit(1)


def _whole_run(period: str, scope: Scope) -> str:
    """Return how all accounts of a run stand, those included that workers or earlier commands did."""
    run_id = billing_runs.find(period, scope).id
    counts = billing_runs.progress(run_id)
    stands = [f"{number:,} {str(status).replace('_', ' ')}" for status, number in counts.items() if number]
    return ", ".join(stands) or "nobody owes anything"


def _follow(steps: Iterable[Step]) -> list[Step]:
    told: list[Step] = []
    steps = iter(steps)
    first = next(steps, None)
    if first is None:
        return told
    with progress("Billing", first.of) as advance:
        advance(1)
        told.append(first)
        for step in steps:
            told.append(step)
            advance(1)
    return told


def _tell(told: list[Step], period: str, dry_run: bool) -> None:
    verb = "would be issued" if dry_run else "issued"
    counts = Counter(step.status for step in told)
    made = counts[ItemStatus.issued] + counts[ItemStatus.due]
    say(f"{period}: {len(told):,} accounts, {made:,} invoices {verb}")
    rows: list[tuple[str, object]] = [
        (str(status).replace("_", " "), f"{counts[status]:,}") for status in counts
    ]
    table(rows)
    totals: dict[str, Decimal] = {}
    for step in told:
        if step.status in MADE and step.total is not None and step.currency is not None:
            totals[step.currency] = totals.get(step.currency, Decimal(0)) + step.total
    for currency, total in sorted(totals.items()):
        say(f"  total {currency}: {format_money(total, currency)}")
    for step in told:
        if step.status in {ItemStatus.failed, ItemStatus.parked}:
            say(f"  {step.status}: {step.account}: {step.message}")
