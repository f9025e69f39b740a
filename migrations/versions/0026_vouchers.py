"""Receipt and refund vouchers for advances, and TDS."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

MONEY = sa.Numeric(precision=20, scale=4)
PERCENT = sa.Numeric(precision=6, scale=3)
INSTANT = sa.DateTime(timezone=True)
JSON = postgresql.JSONB(astext_type=sa.Text())

SERIES = ("tax_invoice", "export_invoice", "credit_note")
VOUCHERS = ("receipt_voucher", "refund_voucher")
BOOKS = (
    "wallet",
    "receivable",
    "invoiced",
    "cash",
    "revenue",
    "adjustment",
    "promotion",
    "transfer",
    "tax",
)

PROTECTION = """
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""


def upgrade() -> None:
    op.drop_constraint(op.f("ck_invoice_series_invoicekind"), "invoice_series", type_="check")
    op.create_check_constraint(
        op.f("ck_invoice_series_serieskind"), "invoice_series", _one_of("kind", SERIES + VOUCHERS)
    )
    op.drop_constraint(op.f("ck_postings_book"), "postings", type_="check")
    op.create_check_constraint(op.f("ck_postings_book"), "postings", _one_of("book", (*BOOKS, "withheld")))
    none = sa.text("0")
    op.add_column("invoices", sa.Column("advance_tax", MONEY, server_default=none, nullable=False))
    op.add_column("payments", sa.Column("tax", MONEY, server_default=none, nullable=False))
    op.create_check_constraint(op.f("ck_payments_tax_within"), "payments", "tax BETWEEN 0 AND amount")
    _make_vouchers()
    _make_adjustments()
    _make_tds()
    for table in ("vouchers", "voucher_adjustments"):
        op.execute(PROTECTION.format(table=table))


def downgrade() -> None:
    op.drop_table("tds_receivables")
    op.drop_table("voucher_adjustments")
    op.drop_table("vouchers")
    op.drop_constraint(op.f("ck_payments_tax_within"), "payments", type_="check")
    op.drop_column("payments", "tax")
    op.drop_column("invoices", "advance_tax")
    op.drop_constraint(op.f("ck_postings_book"), "postings", type_="check")
    op.create_check_constraint(op.f("ck_postings_book"), "postings", _one_of("book", BOOKS))
    op.drop_constraint(op.f("ck_invoice_series_serieskind"), "invoice_series", type_="check")
    op.create_check_constraint(
        op.f("ck_invoice_series_invoicekind"), "invoice_series", _one_of("kind", SERIES)
    )


def _one_of(column: str, values: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


def _references(table: str, *columns: tuple[str, str]) -> list[sa.ForeignKeyConstraint]:
    return [
        sa.ForeignKeyConstraint(
            [column], [f"{other}.id"], name=op.f(f"fk_{table}_{column}_{other}"), ondelete="RESTRICT"
        )
        for column, other in columns
    ]


def _make_vouchers() -> None:
    op.create_table(
        "vouchers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("registration_id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("wallet_id", sa.Uuid(), nullable=False),
        sa.Column("transaction_id", sa.Uuid(), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=True),
        sa.Column("receipt_id", sa.Uuid(), nullable=True),
        sa.Column("issued_at", INSTANT, nullable=False),
        sa.Column("issued_on", sa.Date(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("place_of_supply", sa.Text(), nullable=False),
        sa.Column("service_code", sa.Text(), nullable=False),
        sa.Column("rate", PERCENT, nullable=False),
        sa.Column("taxable", MONEY, nullable=False),
        sa.Column("tax", MONEY, nullable=False),
        sa.Column("amount", MONEY, nullable=False),
        sa.Column("taxes", JSON, nullable=False),
        sa.Column("snapshot", JSON, nullable=False),
        sa.Column("snapshot_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", INSTANT, server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(_one_of("kind", VOUCHERS), name=op.f("ck_vouchers_voucherkind")),
        sa.CheckConstraint("amount = taxable + tax", name=op.f("ck_vouchers_adds_up")),
        sa.CheckConstraint("taxable >= 0 AND tax >= 0 AND amount > 0", name=op.f("ck_vouchers_not_negative")),
        sa.CheckConstraint(
            "(kind = 'refund_voucher') = (receipt_id IS NOT NULL)",
            name=op.f("ck_vouchers_refund_of_a_receipt"),
        ),
        *_references(
            "vouchers",
            ("registration_id", "seller_registrations"),
            ("customer_id", "customers"),
            ("account_id", "accounts"),
            ("wallet_id", "wallets"),
            ("transaction_id", "wallet_transactions"),
            ("payment_id", "payments"),
            ("receipt_id", "vouchers"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_vouchers")),
        sa.UniqueConstraint("registration_id", "number", name=op.f("uq_vouchers_registration_id_number")),
        sa.UniqueConstraint(
            "transaction_id",
            "receipt_id",
            name=op.f("uq_vouchers_transaction_id_receipt_id"),
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_index("ix_vouchers_customer_id_currency", "vouchers", ["customer_id", "currency"])
    for column in ("account_id", "wallet_id", "payment_id", "receipt_id", "issued_on"):
        op.create_index(f"ix_vouchers_{column}", "vouchers", [column])


def _make_adjustments() -> None:
    op.create_table(
        "voucher_adjustments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("voucher_id", sa.Uuid(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("taxable", MONEY, nullable=False),
        sa.Column("tax", MONEY, nullable=False),
        sa.Column("taxes", JSON, nullable=False),
        sa.Column("created_at", INSTANT, server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "taxable >= 0 AND tax >= 0 AND taxable + tax > 0",
            name=op.f("ck_voucher_adjustments_not_negative"),
        ),
        *_references("voucher_adjustments", ("voucher_id", "vouchers"), ("invoice_id", "invoices")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_voucher_adjustments")),
        sa.UniqueConstraint(
            "voucher_id", "invoice_id", name=op.f("uq_voucher_adjustments_voucher_id_invoice_id")
        ),
    )
    op.create_index("ix_voucher_adjustments_invoice_id", "voucher_adjustments", ["invoice_id"])


def _make_tds() -> None:
    op.create_table(
        "tds_receivables",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("section", sa.Text(), nullable=False),
        sa.Column("rate", PERCENT, nullable=False),
        sa.Column("taxable", MONEY, nullable=False),
        sa.Column("amount", MONEY, nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("status", sa.String(length=32), server_default="expected", nullable=False),
        sa.Column("certificate_number", sa.Text(), nullable=True),
        sa.Column("certified_on", sa.Date(), nullable=True),
        sa.Column("created_at", INSTANT, server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", INSTANT, server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("kind IN ('income_tax', 'gst')", name=op.f("ck_tds_receivables_tdskind")),
        sa.CheckConstraint("status IN ('expected', 'certified')", name=op.f("ck_tds_receivables_tdsstatus")),
        sa.CheckConstraint("amount > 0", name=op.f("ck_tds_receivables_amount_positive")),
        sa.CheckConstraint(
            "amount <= round(taxable * rate / 100, 2)", name=op.f("ck_tds_receivables_within_rate")
        ),
        sa.CheckConstraint(
            "(status = 'certified') = (certificate_number IS NOT NULL)",
            name=op.f("ck_tds_receivables_certified_by_number"),
        ),
        *_references(
            "tds_receivables",
            ("payment_id", "payments"),
            ("invoice_id", "invoices"),
            ("customer_id", "customers"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tds_receivables")),
        sa.UniqueConstraint("payment_id", "kind", name=op.f("uq_tds_receivables_payment_id_kind")),
    )
    op.create_index("ix_tds_receivables_invoice_id", "tds_receivables", ["invoice_id"])
    op.create_index("ix_tds_receivables_customer_id_status", "tds_receivables", ["customer_id", "status"])
