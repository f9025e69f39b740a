"""The check of grants: what is left of each, what a wallet has of them, and that nothing outlives its end."""

from datetime import datetime, timedelta

from app.domain.money import plain
from app.services.verify.checks import Findings, check, count_rows, stream

# The job that lets grants lapse runs every few seconds; one that is over longer ago was forgotten.
PATIENCE = timedelta(minutes=15)

LEFT_OTHERWISE = """
    SELECT g.id, g.remaining, g.amount - coalesce(sum(u.amount), 0) AS left
    FROM grants g LEFT JOIN grant_uses u ON u.grant_id = g.id
    GROUP BY g.id
    HAVING g.remaining <> g.amount - coalesce(sum(u.amount), 0)
"""

GRANTED_OTHERWISE = """
    SELECT w.id, w.granted, w.balance - w.held AS free, coalesce(sum(g.remaining), 0) AS left
    FROM wallets w LEFT JOIN grants g ON g.wallet_id = w.id
    GROUP BY w.id
    HAVING w.granted <> coalesce(sum(g.remaining), 0) OR w.granted > greatest(0, w.balance - w.held)
"""

OUTLIVED = """
    SELECT id, remaining FROM grants WHERE remaining > 0 AND (expires_at <= :late OR voided_at IS NOT NULL)
"""

# Neither a movement nor a hold takes more of grants than it moved, and what expires is all of a grant's own.
OVERUSED = """
    SELECT t.id, t.amount, sum(u.amount) AS used
    FROM grant_uses u JOIN wallet_transactions t ON t.id = u.transaction_id
    GROUP BY t.id
    HAVING abs(sum(u.amount)) > abs(t.amount)
        OR t.kind = 'expiry' AND sum(u.amount) <> -t.amount
    UNION ALL
    SELECT h.id, h.amount, sum(u.amount)
    FROM grant_uses u JOIN wallet_holds h ON h.id = u.hold_id
    GROUP BY h.id
    HAVING sum(u.amount) > h.amount
"""

# What grants paid for usage is remembered as stretches of what usage took from the wallet.
DRAWN_OTHERWISE = """
    SELECT g.id, d.drawn, coalesce(u.used, 0) AS used
    FROM grants g
    CROSS JOIN LATERAL (
        SELECT coalesce(sum((e ->> 1)::numeric - (e ->> 0)::numeric), 0) AS drawn
        FROM jsonb_array_elements(g.drawn) AS e
    ) d
    LEFT JOIN LATERAL (
        SELECT sum(u.amount) AS used FROM grant_uses u
        JOIN wallet_transactions t ON t.id = u.transaction_id AND t.kind = 'usage'
        WHERE u.grant_id = g.id
    ) u ON true
    WHERE d.drawn > coalesce(u.used, 0)
"""


@check("grants", "What is left of every grant is what was given less its uses, and nothing outlives its end")
def grants(findings: Findings, at: datetime) -> None:
    """Compare the cached figures of grants and wallets with the uses, and look for money past its end."""
    count_rows(findings, grants="grants", uses="grant_uses")
    for row in stream(LEFT_OTHERWISE):
        message = f"It says that {plain(row.remaining)} remains, its uses leave {plain(row.left)}."
        findings.add(f"grant {row.id}", message)
    for row in stream(GRANTED_OTHERWISE):
        message = (
            f"It says that {plain(row.granted)} of {plain(row.free)} free is granted, "
            f"its grants come to {plain(row.left)}."
        )
        findings.add(f"wallet {row.id}", message)
    for row in stream(OUTLIVED, late=at - PATIENCE):
        findings.add(f"grant {row.id}", f"{plain(row.remaining)} remains though it is over.")
    for row in stream(OVERUSED):
        message = f"It moved {plain(row.amount)} and took {plain(row.used)} of grants."
        findings.add(f"movement {row.id}", message)
    for row in stream(DRAWN_OTHERWISE):
        message = f"{plain(row.drawn)} of usage is noted, its uses say {plain(row.used)}."
        findings.add(f"grant {row.id}", message)
