"""Revision 0025 keeps letters of undertaking, up and down: one with long dates becomes one for each year."""

from datetime import date

import flask_migrate

from app.db import transaction
from tests import factories as make
from tests.support.own import OwnDatabase


def test_a_letter_becomes_one_for_each_of_its_financial_years_and_back(own_database: OwnDatabase) -> None:
    with own_database.app():
        with transaction():
            make.make_seller(lut=False)
        flask_migrate.downgrade(revision="0024")
        with own_database.connect() as connection:
            connection.execute(
                "UPDATE seller_registrations SET lut_number = 'AD29', lut_from = '2024-06-01', "
                "lut_until = '2026-03-31'"
            )
            connection.commit()
        flask_migrate.upgrade(revision="0025")
        with own_database.connect() as connection:
            query = "SELECT financial_year, number, valid_from, valid_until FROM letters_of_undertaking"
            assert connection.execute(f"{query} ORDER BY valid_from").fetchall() == [
                ("2024-25", "AD29", date(2024, 6, 1), date(2025, 3, 31)),
                ("2025-26", "AD29", date(2025, 4, 1), date(2026, 3, 31)),
            ]
        flask_migrate.downgrade(revision="0024")
        with own_database.connect() as connection:
            query = "SELECT lut_number, lut_from, lut_until FROM seller_registrations"
            assert connection.execute(query).fetchall() == [("AD29", date(2025, 4, 1), date(2026, 3, 31))]
        flask_migrate.upgrade()
