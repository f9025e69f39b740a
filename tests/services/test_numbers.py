"""Document numbers under concurrency and rollback: no gap, no repeat."""

import random
import threading
from datetime import date

import pytest
from sqlalchemy.orm import Session

from app.db import db, transaction
from app.domain.numbering import format_number
from app.errors import Invalid
from app.models.invoices import InvoiceKind
from app.services import numbers, taxes
from app.services.taxes import Seller
from tests import factories as make
from tests.support.own import OwnDatabase

ON = date(2026, 11, 1)
THREADS, EACH = 8, 25


@pytest.fixture
def seller(session: Session) -> Seller:
    return taxes.seller_of(make.make_seller())


def test_each_kind_and_financial_year_has_a_series_of_its_own(seller: Seller) -> None:
    taken = [
        numbers.take(seller, kind, on=on)
        for kind, on in (
            (InvoiceKind.tax_invoice, ON),
            (InvoiceKind.tax_invoice, ON),
            (InvoiceKind.export_invoice, ON),
            (InvoiceKind.credit_note, ON),
            (InvoiceKind.tax_invoice, date(2027, 4, 1)),
        )
    ]
    assert taken == [
        "OT29/26-27/00001",
        "OT29/26-27/00002",
        "OT29E/26-27/0001",
        "OT29C/26-27/0001",
        "OT29/27-28/00001",
    ]


def test_a_number_that_was_rolled_back_is_given_to_the_next(seller: Seller) -> None:
    with pytest.raises(ZeroDivisionError), db.session.begin_nested():
        numbers.take(seller, InvoiceKind.tax_invoice, on=ON)
        raise ZeroDivisionError
    assert numbers.take(seller, InvoiceKind.tax_invoice, on=ON) == "OT29/26-27/00001"


def test_a_prefix_that_no_number_may_start_with_is_refused(session: Session) -> None:
    seller = taxes.seller_of(make.make_seller(series_prefix="-x"))
    with pytest.raises(Invalid, match="A prefix is 1 to 5"):
        numbers.take(seller, InvoiceKind.tax_invoice, on=ON)


def test_eight_threads_with_rollbacks_leave_no_gap_and_no_repeat(own_database: OwnDatabase) -> None:
    kept: list[str] = []
    with own_database.app() as app:
        with transaction():
            seller = taxes.seller_of(make.make_seller())

        def go(seed: int) -> None:
            chance = random.Random(seed)
            with app.app_context():
                for _ in range(EACH):
                    taken: list[str] = []
                    try:
                        with transaction():
                            taken.append(numbers.take(seller, InvoiceKind.tax_invoice, on=ON))
                            if chance.random() < 0.1:
                                raise ZeroDivisionError
                    except ZeroDivisionError:
                        continue
                    kept.extend(taken)
                db.session.remove()

        threads = [threading.Thread(target=go, args=(seed,)) for seed in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert 0 < len(kept) < THREADS * EACH
    year = numbers.financial_year(ON)
    assert sorted(kept) == [format_number("OT29", year, n) for n in range(1, len(kept) + 1)]
