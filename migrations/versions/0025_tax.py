"""Several registrations, reverse charge, other countries' taxes."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

# A letter holds for one financial year: one that was kept with longer dates becomes one for each of them.
LETTERS_BY_YEAR = """
INSERT INTO letters_of_undertaking (id, registration_id, financial_year, number, valid_from, valid_until)
SELECT gen_random_uuid(), r.id, y || '-' || lpad(((y + 1) % 100)::text, 2, '0'), r.lut_number,
       greatest(r.lut_from, make_date(y, 4, 1)),
       least(coalesce(r.lut_until, make_date(y + 1, 3, 31)), make_date(y + 1, 3, 31))
FROM seller_registrations r
CROSS JOIN LATERAL generate_series(
    extract(year FROM r.lut_from - interval '3 months')::int,
    extract(year FROM coalesce(r.lut_until, current_date) - interval '3 months')::int
) AS y
WHERE r.lut_number IS NOT NULL AND r.lut_from IS NOT NULL AND coalesce(r.lut_until, r.lut_from) >= r.lut_from
"""
LATEST_LETTER = """
UPDATE seller_registrations r SET lut_number = l.number, lut_from = l.valid_from, lut_until = l.valid_until
FROM (
    SELECT DISTINCT ON (registration_id) * FROM letters_of_undertaking
    ORDER BY registration_id, valid_from DESC
) l WHERE l.registration_id = r.id
"""
LETTER = {"lut_number": sa.Text(), "lut_from": sa.Date(), "lut_until": sa.Date()}


def upgrade() -> None:
    _letters()
    _abroad()
    op.add_column("customers", sa.Column("exempt_reason", sa.Text(), nullable=True))
    op.add_column(
        "customers",
        sa.Column("reverse_charge", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    _allow_treatments("regular", "sez", "exempt")
    op.add_column("accounts", sa.Column("registration_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f("fk_accounts_registration_id_seller_registrations"),
        "accounts",
        "seller_registrations",
        ["registration_id"],
        ["id"],
        ondelete="RESTRICT",
    )
    op.create_index(op.f("ix_accounts_registration_id"), "accounts", ["registration_id"], unique=False)


def downgrade() -> None:
    op.drop_column("accounts", "registration_id")
    op.execute("UPDATE customers SET tax_treatment = 'regular' WHERE tax_treatment = 'exempt'")
    _allow_treatments("regular", "sez")
    op.drop_column("customers", "reverse_charge")
    op.drop_column("customers", "exempt_reason")
    op.drop_table("exchange_rates")
    op.drop_table("tax_collectors")
    for name, kind in LETTER.items():
        op.add_column("seller_registrations", sa.Column(name, kind, nullable=True))
    op.execute(LATEST_LETTER)
    op.drop_table("letters_of_undertaking")


def _letters() -> None:
    op.create_table(
        "letters_of_undertaking",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("registration_id", sa.Uuid(), nullable=False),
        sa.Column("financial_year", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_until", sa.Date(), nullable=False),
        *_timestamps(),
        sa.CheckConstraint("valid_until >= valid_from", name=op.f("ck_letters_of_undertaking_dates")),
        sa.ForeignKeyConstraint(
            ["registration_id"],
            ["seller_registrations.id"],
            name=op.f("fk_letters_of_undertaking_registration_id_seller_registrations"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_letters_of_undertaking")),
        sa.UniqueConstraint(
            "registration_id",
            "financial_year",
            name=op.f("uq_letters_of_undertaking_registration_id_financial_year"),
        ),
    )
    op.execute(LETTERS_BY_YEAR)
    for name in LETTER:
        op.drop_column("seller_registrations", name)


def _abroad() -> None:
    op.create_table(
        "tax_collectors",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("country", sa.String(length=2), nullable=False),
        sa.Column("tax_name", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_until", sa.Date(), nullable=True),
        *_timestamps(),
        sa.CheckConstraint("country <> 'IN'", name=op.f("ck_tax_collectors_abroad")),
        sa.CheckConstraint(
            "valid_until IS NULL OR valid_until >= valid_from", name=op.f("ck_tax_collectors_dates")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tax_collectors")),
        sa.UniqueConstraint("country", "valid_from", name=op.f("uq_tax_collectors_country_valid_from")),
    )
    op.create_table(
        "exchange_rates",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("rate", sa.Numeric(precision=20, scale=8), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_until", sa.Date(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        *_timestamps(),
        sa.CheckConstraint("currency <> 'INR'", name=op.f("ck_exchange_rates_foreign")),
        sa.CheckConstraint("rate > 0", name=op.f("ck_exchange_rates_rate")),
        sa.CheckConstraint(
            "valid_until IS NULL OR valid_until >= valid_from", name=op.f("ck_exchange_rates_dates")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exchange_rates")),
        sa.UniqueConstraint("currency", "valid_from", name=op.f("uq_exchange_rates_currency_valid_from")),
    )


def _timestamps() -> tuple[sa.Column[object], ...]:
    now = sa.text("now()")
    return tuple(
        sa.Column(name, sa.DateTime(timezone=True), server_default=now, nullable=False)
        for name in ("created_at", "updated_at")
    )


def _allow_treatments(*treatments: str) -> None:
    op.drop_constraint(op.f("ck_customers_taxtreatment"), "customers", type_="check")
    listed = ", ".join(f"'{one}'" for one in treatments)
    op.create_check_constraint(op.f("ck_customers_taxtreatment"), "customers", f"tax_treatment IN ({listed})")
