"""Checks of subscriptions: their segments follow one another, and fees are billed for exactly their days."""

from collections import defaultdict
from datetime import datetime
from typing import Any
from uuid import UUID

from app.domain.money import plain
from app.services import fee_charges
from app.services.price_book import PriceBook
from app.services.rating import Coverage
from app.services.verify.checks import Findings, check, chunks, count_rows, stream

ACCOUNTS_AT_ONCE = 500

OVERLAPPING = """
    SELECT a.id AS first, b.id AS second, a.account_id, a.origin_id = b.origin_id AS same
    FROM subscriptions a JOIN subscriptions b ON a.account_id = b.account_id AND a.id < b.id
        AND (a.plan_id = b.plan_id OR a.origin_id = b.origin_id)
        AND tstzrange(a.start_at, a.end_at) && tstzrange(b.start_at, b.end_at)
    ORDER BY a.id, b.id
"""

BROKEN = """
    SELECT s.id, p.id AS previous, p.account_id <> s.account_id AS elsewhere, p.end_at, s.start_at
    FROM subscriptions s JOIN subscriptions p ON p.id = s.previous_id
    WHERE p.account_id <> s.account_id OR p.origin_id <> s.origin_id
        OR (p.end_at IS NULL OR p.end_at > s.start_at) AND (s.end_at IS NULL OR s.end_at > s.start_at)
    ORDER BY s.id
"""

BILLED_ACCOUNTS = """
    SELECT i.account_id, max(i.created_at) FILTER (WHERE i.origin = 'run') AS billed_at,
           (SELECT max(s.updated_at) FROM subscriptions s WHERE s.account_id = i.account_id) AS changed_at,
           (SELECT max(o.updated_at) FROM terms_overrides o JOIN subscriptions s ON s.id = o.subscription_id
            WHERE s.account_id = i.account_id) AS agreed_at
    FROM invoices i WHERE i.number IS NOT NULL AND NOT i.rebilled
    GROUP BY i.account_id ORDER BY i.account_id
"""


@check("segments", "Segments of a subscription, and of an account on one plan, never overlap")
def segments(findings: Findings, at: datetime) -> None:
    """Compare every segment with those of its subscription and plan, and with the one that it follows."""
    count_rows(findings, segments="subscriptions")
    for row in stream(OVERLAPPING):
        where = "of one subscription" if row.same else f"of account {row.account_id} on one plan"
        findings.add(f"subscription {row.second}", f"It and {row.first}, both {where}, hold at one time.")
    for row in stream(BROKEN):
        findings.add(f"subscription {row.id}", f"It does not follow {row.previous}, which it is said to.")


@check("fees", "Fixed fees are billed for exactly the days of their subscription")
def fees(findings: Findings, at: datetime) -> None:
    """Work out anew every fee that invoices have asked for. What changed since the account's last invoice is
    corrected by its next one and only counted."""
    book = PriceBook()
    for rows in chunks(stream(BILLED_ACCOUNTS), ACCOUNTS_AT_ONCE):
        book.tariffs.load([row.account_id for row in rows])
        for row in rows:
            changes = [each for each in (row.changed_at, row.agreed_at) if each is not None]
            waits = row.billed_at is None or max(changes, default=row.billed_at) >= row.billed_at
            _compare(findings, row.account_id, waits=waits, book=book)


def _compare(findings: Findings, account_id: UUID, *, waits: bool, book: PriceBook) -> None:
    asked: defaultdict[UUID, list[tuple[datetime, UUID, Any]]] = defaultdict(list)
    for (subscription_id, component_id, period_start), amount in fee_charges.invoiced(account_id).items():
        asked[subscription_id].append((period_start, component_id, amount))
    whole: fee_charges.Wholes = {}
    for coverage in book.tariffs.coverages(account_id):
        for period_start, component_id, amount in sorted(asked[coverage.subscription_id]):
            findings.count("fees")
            wanted = _wanted(coverage, component_id, period_start, book, whole)
            if wanted == amount:
                continue
            if waits:
                findings.count("fees that the next invoice corrects")
                continue
            where = f"fee {component_id} of subscription {coverage.subscription_id}"
            message = f"{plain(amount)} was billed from {period_start:%Y-%m-%d}, {plain(wanted)} is right."
            findings.add(where, message)


def _wanted(
    coverage: Coverage, component_id: UUID, at: datetime, book: PriceBook, whole: fee_charges.Wholes
) -> Any:
    price = book.price_in(coverage, component_id, at)
    return fee_charges.fee_of(coverage, price, coverage.cycle.period(coverage.cycle.index_of(at)), whole)
