"""Series as people keep them: what they have given, and a prefix that is chosen before the first number."""

from datetime import date
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.db import db
from app.errors import Conflict, Invalid
from app.models import AuditRecord, InvoiceSeries, SellerRegistration
from app.models.invoices import InvoiceKind
from app.services import number_series, numbers, taxes
from tests import factories as make
from tests.services.invoicing import issue_for, priced, use

ON = date(2026, 11, 1)


@pytest.fixture
def registration(session: Session) -> SellerRegistration:
    make.make_tax_rate("18")
    return make.make_seller()


def opened(registration: SellerRegistration, **more: Any) -> InvoiceSeries:
    values = {"kind": "tax_invoice", "financial_year": "2026-27", "prefix": "INV"}
    return number_series.open_series({"registration": registration, **values, **more}, actor=make.ACTOR)


def figures() -> list[tuple[str, int, int, int]]:
    """Return the prefix, the last number, what was issued and the gaps of each series."""
    query = select(
        InvoiceSeries.prefix, InvoiceSeries.last_number, number_series.issued(), number_series.gaps()
    )
    return [tuple(row) for row in db.session.execute(query.order_by(InvoiceSeries.prefix))]


def test_a_series_opened_before_its_first_number_has_the_prefix_that_was_chosen(
    registration: SellerRegistration,
) -> None:
    series = opened(registration)
    number_series.change_prefix(series, {"prefix": "KA/"}, actor=make.ACTOR)
    taken = numbers.take(taxes.seller_of(registration), InvoiceKind.tax_invoice, on=ON)
    assert taken == "KA//26-27/000001"
    with pytest.raises(Conflict, match="has given numbers"):
        number_series.change_prefix(series, {"prefix": "INV"}, actor=make.ACTOR)
    db.session.refresh(series)
    assert (series.prefix, series.last_number) == ("KA/", 1)
    told = select(AuditRecord.action).where(AuditRecord.action.like("series.%")).order_by(AuditRecord.id)
    assert db.session.scalars(told).all() == ["series.opened", "series.changed"]


def test_what_a_series_has_given_is_counted_and_a_lost_number_is_found(
    session: Session, registration: SellerRegistration
) -> None:
    metric = make.make_metric()
    for quantity in (1, 2):
        account = priced(make.per_unit(metric, "1")).account
        use(account, metric, quantity)
        issue_for(account)
    assert figures() == [("OT29", 2, 2, 0)]
    session.scalars(select(InvoiceSeries)).one().last_number = 5
    session.flush()
    assert figures() == [("OT29", 5, 2, 3)]


@pytest.mark.parametrize(
    ("values", "pointer", "code"),
    [
        ({"prefix": "-A"}, "/prefix", "bad_prefix"),
        ({"prefix": "INVOIC"}, "/prefix", "too_long"),
        ({"prefix": "OT29C"}, "/prefix", "taken"),
        ({"financial_year": "2026-28"}, "/financial_year", "not_a_year"),
        ({"financial_year": "2026"}, "/financial_year", "not_a_year"),
        ({"kind": "letter"}, "/kind", "unknown_choice"),
    ],
)
def test_a_series_that_cannot_be_is_refused(
    registration: SellerRegistration, values: dict[str, str], pointer: str, code: str
) -> None:
    with pytest.raises(Invalid) as refused:
        opened(registration, **values)
    assert [(field.pointer, field.code) for field in refused.value.fields] == [(pointer, code)]
    assert figures() == []


def test_no_two_series_of_a_year_share_a_prefix(session: Session, registration: SellerRegistration) -> None:
    opened(registration)
    with pytest.raises(Conflict, match="already"):
        opened(registration, prefix="NEW")
    with pytest.raises(Invalid, match="another series"):
        opened(registration, kind="credit_note")
    assert opened(registration, kind="credit_note", financial_year="2027-28").prefix == "INV"
    copy = InvoiceSeries(
        registration=registration, kind="credit_note", financial_year="2026-27", prefix="INV", last_number=0
    )
    with pytest.raises(IntegrityError, match="prefix"), session.begin_nested():
        session.add(copy)
