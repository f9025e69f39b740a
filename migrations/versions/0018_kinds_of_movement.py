"""More reasons for a wallet's money to move, and more books to move it between."""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

KINDS = ("top_up", "credit", "debit", "usage", "refund", "reversal")
MORE_KINDS = ("grant", "expiry", "capture", "transfer")
BOOKS = ("wallet", "receivable", "invoiced", "cash", "revenue", "adjustment")
MORE_BOOKS = ("promotion", "transfer", "tax")


def upgrade() -> None:
    _allow(KINDS + MORE_KINDS, BOOKS + MORE_BOOKS)


def downgrade() -> None:
    _allow(KINDS, BOOKS)


def _allow(kinds: tuple[str, ...], books: tuple[str, ...]) -> None:
    _check("journals", "transactionkind", "kind", kinds)
    _check("wallet_transactions", "transactionkind", "kind", kinds)
    _check("postings", "book", "book", books)


def _check(table: str, name: str, column: str, values: tuple[str, ...]) -> None:
    listed = ", ".join(f"'{value}'" for value in values)
    op.drop_constraint(op.f(f"ck_{table}_{name}"), table, type_="check")
    op.create_check_constraint(op.f(f"ck_{table}_{name}"), table, f"{column} IN ({listed})")
