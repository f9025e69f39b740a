"""Notes on customers, saved filters, branding, and what the global search looks up."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
# What a person may have in hand and no index found before: table, name, what it covers.
SEARCHED = (
    ("accounts", "ix_accounts_name_prefix", [sa.text("lower(name) text_pattern_ops")]),
    ("customers", "ix_customers_gstin", ["gstin"]),
    ("payments", "ix_payments_gateway_ref", ["gateway_ref"]),
    ("payments", "ix_payments_gateway_payment_ref", ["gateway_payment_ref"]),
    ("vouchers", "ix_vouchers_number_prefix", [sa.text("number text_pattern_ops")]),
)


def upgrade() -> None:
    op.create_table(
        "customer_notes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("pinned", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, server_default=sa.func.now(), nullable=False),
        sa.CheckConstraint("length(text) BETWEEN 1 AND 10000", name=op.f("ck_customer_notes_text_length")),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["customers.id"],
            name=op.f("fk_customer_notes_customer_id_customers"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customer_notes")),
    )
    op.create_index(
        "ix_customer_notes_customer_id_created_at", "customer_notes", ["customer_id", "created_at"]
    )
    # The one note that a customer could have is the first of many.
    op.execute(
        "INSERT INTO customer_notes (id, customer_id, text, pinned, author)"
        " SELECT gen_random_uuid(), id, left(notes, 10000), true, 'Before notes had authors'"
        " FROM customers WHERE notes <> ''"
    )
    op.drop_column("customers", "notes")
    op.create_table(
        "saved_filters",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("screen", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("shared", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("arguments", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", INSTANT, server_default=sa.func.now(), nullable=False),
        sa.Column("updated_at", INSTANT, server_default=sa.func.now(), nullable=False),
        sa.CheckConstraint("length(name) BETWEEN 1 AND 60", name=op.f("ck_saved_filters_name_length")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_saved_filters_user_id_users"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saved_filters")),
        sa.UniqueConstraint("user_id", "screen", "name", name=op.f("uq_saved_filters_user_id_screen_name")),
    )
    op.create_index("ix_saved_filters_screen", "saved_filters", ["screen"])
    _branding()
    for table, name, covered in SEARCHED:
        op.create_index(name, table, covered)


def downgrade() -> None:
    for table, name, _ in reversed(SEARCHED):
        op.drop_index(name, table)
    op.add_column("customers", sa.Column("notes", sa.Text(), nullable=True))
    op.execute(
        "UPDATE customers SET notes = kept.words FROM (SELECT customer_id, string_agg(text, E'\\n\\n'"
        " ORDER BY pinned DESC, created_at DESC) AS words FROM customer_notes GROUP BY customer_id) kept"
        " WHERE kept.customer_id = customers.id"
    )
    for table in ("branding", "brand_logos", "saved_filters", "customer_notes"):
        op.drop_table(table)


def _branding() -> None:
    op.create_table(
        "brand_logos",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", INSTANT, server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_brand_logos")),
        sa.UniqueConstraint("sha256", name=op.f("uq_brand_logos_sha256")),
    )
    op.create_table(
        "branding",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("accent", sa.Text(), nullable=False),
        sa.Column("support_email", sa.Text(), nullable=True),
        sa.Column("invoice_footer", sa.Text(), nullable=True),
        sa.Column("logo_id", sa.Uuid(), nullable=True),
        sa.Column("updated_at", INSTANT, server_default=sa.func.now(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_branding_one_row")),
        sa.CheckConstraint("accent ~ '^#[0-9a-f]{6}$'", name=op.f("ck_branding_accent_form")),
        sa.ForeignKeyConstraint(
            ["logo_id"], ["brand_logos.id"], name=op.f("fk_branding_logo_id_brand_logos"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_branding")),
    )
    op.create_index("ix_branding_logo_id", "branding", ["logo_id"])
