"""`flask billing rerate`: what a month was billed and what it comes to now."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID

import click
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from app import clock
from app.cli.billing import billing
from app.cli.console import actor, command, progress, say
from app.db import db, in_transaction
from app.errors import DomainError
from app.formatting import format_money
from app.models import Account
from app.services import accounts, billing_candidates, invoices, rerating
from app.services.billing_candidates import Scope
from app.services.billing_steps import FIRST_TO_END, LAST_TO_END, month_of
from app.services.price_book import PriceBook
from app.services.rerating import Rerating

__all__ = ["billing", "rerate"]


@dataclass(slots=True)
class Told:
    """One account: its re-rated invoices, or why there are none."""

    name: str
    found: list[Rerating] = field(default_factory=list)
    problem: str | None = None


@billing.command("rerate", with_appcontext=False)
@click.option("--period", required=True, metavar="YYYY-MM", help="The month, such as 2026-10.")
@click.option("--account", "references", multiple=True, metavar="ID", help="Only this account; repeatable.")
@click.option("--json", "as_json", is_flag=True, help="One document a line, as canonical JSON.")
@command
def rerate(period: str, references: tuple[str, ...], as_json: bool) -> None:
    """Show every invoice of a month as it was billed and as it comes to now, before tax. No invoice changes.

    What is not invoiced yet is shown as it would be billed. The same usage and prices give the same bytes:
    compare the hashes. Exits with 1 if an account could not be rated.

    \b
    flask billing rerate --period 2026-10
    flask billing rerate --period 2026-10 --account acct-kaveri --json
    """
    told = list(_rerated(in_transaction(lambda: _chosen(period, references)), period))
    shown = [(one.name, found) for one in told for found in one.found]
    for name, found in shown:
        say(found.content.decode() if as_json else _line(name, found))
    if not as_json:
        _sum_up(period, [found for _, found in shown])
    failed = [one for one in told if one.problem]
    for one in failed:
        click.echo(f"  failed: {one.name}: {one.problem}", err=True)
    if failed:
        raise click.exceptions.Exit(1)


def _chosen(period: str, references: tuple[str, ...]) -> list[UUID]:
    """Return the accounts that were billed for the month and those that would be, or those that are
    named."""
    first, last = month_of(period, FIRST_TO_END), month_of(period, LAST_TO_END)
    if references:
        return sorted({accounts.get(reference).id for reference in references})
    billed = rerating.accounts_with_bills([first, last])
    return sorted({*billed, *billing_candidates.accounts(period, Scope())})


def _rerated(chosen: list[UUID], period: str) -> Iterator[Told]:
    book = PriceBook()
    with progress("Re-rating", len(chosen)) as advance:
        for account_id in chosen:
            yield in_transaction(partial(_rerate, account_id, period, book))
            advance(1)


def _rerate(account_id: UUID, period: str, book: PriceBook) -> Told:
    query = select(Account).where(Account.id == account_id).options(joinedload(Account.customer))
    account, at = db.session.scalars(query).one(), clock.now()
    told = Told(account.name)
    try:
        told.found = rerating.rerate_month(account, month_of(period, account.timezone), at=at, book=book)
    except DomainError as error:
        told.problem = error.message
    for found in told.found:
        invoice_id = found.document["invoice_id"]
        if invoice_id is not None:
            rerating.note(invoices.get(invoice_id), found, at=at, actor=actor())
    return told


def _line(name: str, found: Rerating) -> str:
    document = found.document
    billed, amount, left = (
        format_money(document[each], document["currency"]) for each in ("billed", "amount", "open")
    )
    number = document["number"] or "not billed yet"
    return f"{number}  {name}: billed {billed}, now {amount}, open {left}  sha256 {found.sha256}"


def _sum_up(period: str, found: list[Rerating]) -> None:
    billed = [one for one in found if one.document["invoice_id"] is not None]
    differing = [one for one in billed if any(line["difference"] for line in one.document["lines"])]
    say(f"{period}: {len(billed):,} invoices re-rated, {len(found) - len(billed):,} not billed yet")
    say(f"  {len(differing):,} with a difference")
