"""The nightly check keeps its report and raises its voice."""

import logging

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.db import transaction
from app.models import JobRun
from jobs import verify
from tests.services.metered import a_rupee_each


def test_the_report_of_the_night_is_the_detail_of_its_run(
    session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    with transaction():
        session.add(JobRun(job="jobs.verify.nightly", period="2026-10-10T20:30Z"))
        _, wallet, _ = a_rupee_each(balance="10")
        session.execute(text("UPDATE wallets SET balance = 11"))
    with caplog.at_level(logging.ERROR):
        verify.nightly()
    detail = session.scalars(select(JobRun.detail)).one()
    assert detail is not None
    (wrong,) = [each for each in detail["checks"] if not each["ok"]]
    assert (detail["ok"], wrong["name"]) == (False, "wallets")
    assert wrong["problems"] == [
        {"where": f"wallet {wallet.id}", "message": "The balance is 11, the postings say 10."}
    ]
    assert [record.checks for record in caplog.records] == [["wallets"]]
