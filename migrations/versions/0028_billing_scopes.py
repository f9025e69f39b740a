"""Billing runs by plan and account, dry runs, and what each account came to beside the month before; no two
series of a year with one prefix."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

AMOUNT = sa.Numeric(20, 4)
SCOPES = ("all", "plan", "accounts")
STATUSES = ("pending", "running", "done", "failed")
ITEM_STATUSES = ("pending", "issued", "nothing_owed", "parked", "failed")


def upgrade() -> None:
    op.drop_constraint(op.f("uq_billing_runs_period"), "billing_runs")
    scope = sa.Enum(*SCOPES, name="runscope", native_enum=False, length=32, create_constraint=False)
    op.add_column("billing_runs", sa.Column("scope", scope, server_default="all", nullable=False))
    op.create_check_constraint(op.f("ck_billing_runs_runscope"), "billing_runs", _one_of("scope", SCOPES))
    op.add_column("billing_runs", sa.Column("plan_id", sa.Uuid(), nullable=True))
    op.add_column("billing_runs", sa.Column("scope_key", sa.Text(), server_default="", nullable=False))
    op.add_column(
        "billing_runs", sa.Column("dry_run", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.create_foreign_key(
        op.f("fk_billing_runs_plan_id_price_plans"),
        "billing_runs",
        "price_plans",
        ["plan_id"],
        ["id"],
        ondelete="RESTRICT",
    )
    op.create_check_constraint(
        op.f("ck_billing_runs_plan_of_scope"), "billing_runs", "(scope = 'plan') = (plan_id IS NOT NULL)"
    )
    op.create_index("ix_billing_runs_plan_id", "billing_runs", ["plan_id"])
    op.create_index(
        "uq_billing_runs_one_per_scope",
        "billing_runs",
        ["period", "scope_key"],
        unique=True,
        postgresql_where=sa.text("NOT dry_run"),
    )
    op.create_unique_constraint(
        op.f("uq_invoice_series_registration_id_financial_year_prefix"),
        "invoice_series",
        ["registration_id", "financial_year", "prefix"],
    )
    _items()
    _choices((*STATUSES, "cancelled"), (*ITEM_STATUSES, "due"))


def downgrade() -> None:
    op.drop_constraint(op.f("uq_invoice_series_registration_id_financial_year_prefix"), "invoice_series")
    # What only the new states and scopes can say is not kept: runs are a record of work, not of money.
    op.execute("DELETE FROM billing_run_items WHERE run_id IN (SELECT id FROM billing_runs WHERE dry_run)")
    op.execute("DELETE FROM billing_runs WHERE dry_run")
    op.execute(
        "DELETE FROM billing_run_items WHERE run_id IN (SELECT id FROM billing_runs WHERE scope <> 'all')"
    )
    op.execute("DELETE FROM billing_runs WHERE scope <> 'all'")
    op.execute("UPDATE billing_runs SET status = 'done' WHERE status = 'cancelled'")
    _choices(STATUSES, ITEM_STATUSES)
    op.drop_index("ix_billing_run_items_run_id_status", "billing_run_items")
    op.drop_constraint(op.f("ck_billing_run_items_total_in_currency"), "billing_run_items")
    for column in ("previous", "total", "currency"):
        op.drop_column("billing_run_items", column)
    op.drop_index("uq_billing_runs_one_per_scope", "billing_runs")
    for column in ("dry_run", "scope_key", "plan_id", "scope"):
        op.drop_column("billing_runs", column)
    op.create_unique_constraint(op.f("uq_billing_runs_period"), "billing_runs", ["period"])


def _items() -> None:
    op.add_column("billing_run_items", sa.Column("currency", sa.String(3), nullable=True))
    op.add_column("billing_run_items", sa.Column("total", AMOUNT, nullable=True))
    op.add_column("billing_run_items", sa.Column("previous", AMOUNT, nullable=True))
    op.create_check_constraint(
        op.f("ck_billing_run_items_total_in_currency"),
        "billing_run_items",
        "(total IS NULL) = (currency IS NULL)",
    )
    op.create_index("ix_billing_run_items_run_id_status", "billing_run_items", ["run_id", "status", "id"])


def _choices(run: tuple[str, ...], item: tuple[str, ...]) -> None:
    for table, name, values in (
        ("billing_runs", "ck_billing_runs_runstatus", run),
        ("billing_run_items", "ck_billing_run_items_itemstatus", item),
    ):
        op.drop_constraint(op.f(name), table)
        op.create_check_constraint(op.f(name), table, _one_of("status", values))


def _one_of(column: str, values: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(value) for value in values)})"
