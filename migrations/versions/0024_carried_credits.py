"""Credits that one invoice cannot take are carried to the next."""

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

KINDS = ("usage", "fixed", "adjustment", "manual", "commitment", "discount", "coupon", "credit")


def upgrade() -> None:
    _allow_kinds(*KINDS, "carried")


def downgrade() -> None:
    _allow_kinds(*KINDS)


def _allow_kinds(*kinds: str) -> None:
    op.drop_constraint(op.f("ck_invoice_lines_linekind"), "invoice_lines", type_="check")
    listed = ", ".join(f"'{kind}'" for kind in kinds)
    op.create_check_constraint(op.f("ck_invoice_lines_linekind"), "invoice_lines", f"kind IN ({listed})")
