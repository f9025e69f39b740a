"""The check of e-invoices is green over honest ones, and names what was planted."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from flask import Flask
from sqlalchemy.orm import Session

from app import clock
from app.db import db, transaction
from app.models import Invoice
from app.services import einvoice_attempts, verify
from tests import factories as make
from tests.services.invoicing import IN_NOVEMBER
from tests.services.reporting import issue_to, registered_buyer, reporting
from tests.services.tampering import power, red


@pytest.fixture
def reported(app: Flask, session: Session, tmp_path: Path) -> Iterator[list[Invoice]]:
    """One registered invoice, one that waits for it, and one that needs none."""
    with time_machine.travel(IN_NOVEMBER, tick=False), reporting(app, tmp_path):
        with transaction():
            make.make_tax_rate("18")
            make.make_seller()
            first = issue_to(registered_buyer())
        einvoice_attempts.run()
        with transaction():
            others = [issue_to(registered_buyer()), issue_to(make.make_account())]
        yield [first, *others]


def check(later: timedelta = timedelta(0)) -> dict[str, list[str]]:
    """Return what the check finds some time after the issue."""
    db.session.expire_all()
    return red(verify.run(["einvoices"], at=clock.now() + later))


def test_honest_ones_are_green_and_counted(reported: list[Invoice]) -> None:
    report = verify.run(["einvoices"], at=clock.now() + timedelta(hours=24))
    assert red(report) == {}
    assert report.results[0].counted == {"registered": 1, "awaiting_irn": 1}


def test_one_that_waits_longer_than_a_day_is_named(reported: list[Invoice]) -> None:
    waiting = reported[1].number
    assert check(timedelta(hours=24, seconds=1)) == {"einvoices": [f"invoice {waiting}"]}


def test_a_document_that_was_never_reported_is_named(session: Session, reported: list[Invoice]) -> None:
    power(session, "DELETE FROM einvoices WHERE invoice_id = :id", id=reported[1].id)
    assert check() == {"einvoices": [f"invoice {reported[1].number}"]}


def test_another_reference_number_is_named(session: Session, reported: list[Invoice]) -> None:
    power(session, "UPDATE einvoices SET irn = repeat('0', 64) WHERE invoice_id = :id", id=reported[0].id)
    assert check() == {"einvoices": [f"e-invoice {'0' * 64}"]}
