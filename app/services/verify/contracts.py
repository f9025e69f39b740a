"""Checks of contracts: commitments are trued up, nothing is used more often than it may be, and what is taken
off is taken off before tax."""

from datetime import datetime
from decimal import Decimal

from app.domain.contracts import true_up
from app.domain.money import plain, quantize
from app.domain.periods import periods_between
from app.services import commitments
from app.services.price_book import PriceBook
from app.services.rating import Coverage
from app.services.verify.checks import Findings, check, chunks, count_rows, stream

ACCOUNTS_AT_ONCE = 500
NOTHING = Decimal(0)
MINOR_UNIT = Decimal("0.01")

COMMITTED_ACCOUNTS = """
    SELECT i.account_id, max(i.period_end) AS until, max(i.created_at) AS billed_at,
           greatest(max(s.updated_at), max(c.updated_at)) AS changed_at
    FROM commitments c
    JOIN subscriptions s ON s.origin_id = c.subscription_id
    JOIN invoices i ON i.account_id = s.account_id
    WHERE i.number IS NOT NULL AND NOT i.rebilled AND i.origin = 'run'
    GROUP BY i.account_id ORDER BY i.account_id
"""

USES = """
    SELECT l.source_id, l.kind, i.period_start, -sum(l.amount) AS amount
    FROM invoice_lines l JOIN invoices i ON i.id = l.invoice_id
    WHERE l.kind IN ('discount', 'coupon', 'credit') AND i.number IS NOT NULL AND NOT i.rebilled
    GROUP BY l.source_id, l.kind, i.period_start
"""

MISCOUNTED_CREDITS = f"""
    WITH uses AS ({USES})
    SELECT c.id, c.amount, c.withdrawn, c.remaining, coalesce(sum(u.amount), 0) AS used
    FROM account_credits c LEFT JOIN uses u ON u.source_id = c.id AND u.kind = 'credit'
    GROUP BY c.id HAVING c.amount - c.withdrawn - coalesce(sum(u.amount), 0) <> c.remaining
"""  # noqa: S608

MISCOUNTED_REDEMPTIONS = f"""
    WITH uses AS ({USES})
    SELECT r.id, r.used, count(u.period_start) AS periods
    FROM coupon_redemptions r LEFT JOIN uses u ON u.source_id = r.id AND u.kind = 'coupon'
    GROUP BY r.id HAVING r.used <> count(u.period_start)
"""  # noqa: S608

MISCOUNTED_COUPONS = """
    SELECT c.code, c.redeemed, count(r.id) AS redemptions
    FROM coupons c LEFT JOIN coupon_redemptions r ON r.coupon_id = c.id
    GROUP BY c.id HAVING c.redeemed <> count(r.id)
"""

EXCEEDED = f"""
    WITH uses AS ({USES})
    SELECT u.kind, u.source_id, u.amount AS used, coalesce(d.amount, c.amount) AS most
    FROM uses u
    LEFT JOIN discounts d ON d.id = u.source_id
    LEFT JOIN coupon_redemptions r ON r.id = u.source_id
    LEFT JOIN coupons c ON c.id = r.coupon_id
    WHERE u.amount > coalesce(d.amount, c.amount)
"""  # noqa: S608

# A wallet gets the tax as well. A credit has the id that the lines name.
CARRIED = """
    WITH carried AS (
        SELECT i.id, i.number, i.account_id, l.source_id, sum(l.amount) AS amount, sum(t.amount) AS tax
        FROM invoice_lines l JOIN invoices i ON i.id = l.invoice_id
        CROSS JOIN LATERAL (
            SELECT coalesce(sum((tax ->> 'amount')::numeric), 0) AS amount
            FROM jsonb_array_elements(l.taxes) AS tax
        ) t
        WHERE l.kind = 'carried' AND i.number IS NOT NULL AND NOT i.rebilled
        GROUP BY i.id, l.source_id
    ), moved AS (
        SELECT wallet_id, reference, sum(amount) AS amount FROM wallet_transactions
        WHERE kind = 'credit' AND state IN ('COMPLETED', 'REVERSED') GROUP BY wallet_id, reference
    )
    SELECT r.number, r.amount + CASE WHEN w.id IS NULL THEN 0 ELSE r.tax END AS carried,
           coalesce(c.amount, m.amount, 0) AS kept
    FROM carried r
    LEFT JOIN account_credits c ON c.id = r.source_id AND c.account_id = r.account_id
    LEFT JOIN wallets w ON w.id = r.source_id AND w.account_id = r.account_id
    LEFT JOIN moved m ON m.wallet_id = w.id AND m.reference = r.id::text
    ORDER BY r.number
"""

TAXED_OTHERWISE = """
    SELECT i.number, l.n, l.tax_rate, o.tax_rate AS rate
    FROM invoice_lines l
    JOIN invoices i ON i.id = l.invoice_id AND i.number IS NOT NULL
    JOIN invoice_lines o ON o.invoice_id = l.invoice_id AND o.sac = l.sac AND o.tax_rate <> l.tax_rate
    WHERE l.kind IN ('discount', 'coupon', 'credit')
"""

TAXED = """
    SELECT i.number, i.currency, tax ->> 'code' AS code, (tax ->> 'rate')::numeric AS rate,
           sum(l.amount) AS taxable, sum((tax ->> 'amount')::numeric) AS tax,
           count(*) FILTER (WHERE l.kind = 'manual') AS by_hand
    FROM invoices i
    JOIN invoice_lines l ON l.invoice_id = i.id
    CROSS JOIN LATERAL jsonb_array_elements(l.taxes) AS tax
    WHERE i.number IS NOT NULL AND EXISTS (
        SELECT FROM invoice_lines o WHERE o.invoice_id = i.id AND o.kind IN ('discount', 'coupon', 'credit')
    )
    GROUP BY i.number, i.currency, 3, 4
"""


@check("commitments", "What is missing to a commitment is billed, and no more")
def trued_up(findings: Findings, at: datetime) -> None:
    """Work out anew every true-up of the periods that billing runs have billed. What changed since an
    account's last invoice is corrected by its next one and only counted."""
    book = PriceBook()
    for rows in chunks(stream(COMMITTED_ACCOUNTS), ACCOUNTS_AT_ONCE):
        book.tariffs.load([row.account_id for row in rows])
        for row in rows:
            if row.changed_at > row.billed_at:
                findings.count("changed since")
                continue
            coverages = book.tariffs.coverages(row.account_id)
            charges, asked = commitments.charged(row.account_id), commitments.asked(row.account_id)
            agreed = commitments.by_origin({each.origin_id for each in coverages})
            for coverage in coverages:
                if coverage.origin_id in agreed:
                    _true_ups(findings, coverage, row.until, agreed, charges, asked)


def _true_ups(
    findings: Findings,
    coverage: Coverage,
    until: datetime,
    agreed: commitments.Agreed,
    charges: commitments.Charges,
    asked: dict[commitments.Place, Decimal],
) -> None:
    for period in periods_between(coverage.start_at, until, coverage.cycle):
        if period.end > until:
            continue
        findings.count("periods")
        committed, _ = commitments.committed_in(coverage, period, agreed[coverage.origin_id])
        due = true_up(committed, commitments.spent(charges, coverage, period))
        billed = asked.get((coverage.subscription_id, period.start), NOTHING)
        if billed != due:
            where = f"subscription {coverage.subscription_id}, period from {period.start_on.isoformat()}"
            message = f"{plain(billed)} was billed as its true-up, {plain(due)} is missing to its commitment."
            findings.add(where, message)


@check("reductions", "Discounts, coupons and credits are used as often as is counted, and no further")
def used(findings: Findings, at: datetime) -> None:
    """Count redemptions and uses again, from the lines of issued invoices."""
    count_rows(findings, coupons="coupons", redemptions="coupon_redemptions", credits="account_credits")
    for row in stream(MISCOUNTED_COUPONS):
        message = f"It counts {row.redeemed} redemptions, there are {row.redemptions}."
        findings.add(f"coupon {row.code}", message)
    for row in stream(MISCOUNTED_REDEMPTIONS):
        message = f"It counts {row.used} periods as reduced, invoices say {row.periods}."
        findings.add(f"redemption {row.id}", message)
    for row in stream(MISCOUNTED_CREDITS):
        message = (
            f"{plain(row.remaining)} counts as left; of {plain(row.amount)} {plain(row.used)} was used and "
            f"{plain(row.withdrawn)} withdrawn."
        )
        findings.add(f"credit {row.id}", message)
    for row in stream(EXCEEDED):
        message = f"{plain(row.used)} was taken off in one period, {plain(row.most)} is the most."
        findings.add(f"{row.kind} {row.source_id}", message)


@check("carried", "What invoices carry on is kept as a credit or put into the wallet, once")
def carried(findings: Findings, at: datetime) -> None:
    """Compare what issued invoices carry on with the credits and the movements of wallets made of it."""
    for row in stream(CARRIED):
        findings.count("invoices")
        if row.kept != row.carried:
            message = f"It carries on {plain(row.carried)}, {plain(row.kept)} is kept."
            findings.add(f"invoice {row.number}", message)


@check("reduced_tax", "What is taken off an invoice is taken off before tax")
def reduced_tax(findings: Findings, at: datetime) -> None:
    """Work out the taxes of every invoice with a reduction anew, from what its lines leave."""
    for row in stream(TAXED_OTHERWISE):
        message = f"Line {row.n} reduces at {plain(row.tax_rate)} % what is taxed at {plain(row.rate)} %."
        findings.add(f"invoice {row.number}", message)
    for row in stream(TAXED):
        findings.count("taxes")
        due = quantize(row.taxable * row.rate / 100, row.currency)
        # The price of a person's line may include its tax, which is then rounded by itself.
        if abs(due - row.tax) > MINOR_UNIT * row.by_hand:
            message = f"{row.code} is {plain(row.tax)}, on {plain(row.taxable)} it comes to {plain(due)}."
            findings.add(f"invoice {row.number}", message)
