"""`flask billing rerate`: what was billed and what it comes to now, in the same bytes by every process."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import clock
from app.db import transaction
from app.models import Account, AuditRecord, Invoice, Metric
from tests import factories as make
from tests.services.invoicing import IN_NOVEMBER, drain, issue_for, use
from tests.services.metered import add_usage
from tests.services.simulating import OCTOBER_20, TODAY
from tests.support.own import OwnDatabase

ROOT = Path(__file__).resolve().parents[2]
Run = Callable[..., Result]


@pytest.fixture
def run(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(clock, "now", lambda: TODAY)

    def invoke(*arguments: str, expect: int = 0) -> Result:
        result = app.test_cli_runner().invoke(args=["billing", "rerate", *arguments])
        assert result.exit_code == expect, (result.output, result.exception)
        return result

    return invoke


def an_account() -> tuple[Account, Metric]:
    """Return an account on a plan and its metric, and a seller that may bill it."""
    make.make_seller()
    make.make_tax_rate("18")
    metric = make.make_metric()
    plan = make.make_plan(components=[make.graduated(metric, ("10", "0.333"), (None, "0.111")), make.fee()])
    account = make.make_account(name="Kaveri", external_id="acct-kaveri")
    make.make_subscription(account, plan)
    return account, metric


def test_a_month_is_rerated_account_by_account(session: Session, run: Run) -> None:
    account, metric = an_account()
    use(account, metric, 12)
    said = run("--period", "2026-10").stdout.splitlines()
    assert said[0].startswith("not billed yet  Kaveri: billed ₹0.00, now ₹1,002.55, open ₹1,002.55  sha256 ")
    assert said[1:] == ["2026-10: 0 invoices re-rated, 1 not billed yet", "  0 with a difference"]
    assert session.scalar(select(func.count()).select_from(Invoice)) == 0
    invoice = issue_for(account, at=IN_NOVEMBER)
    said = run("--period", "2026-10", "--account", "acct-kaveri").stdout.splitlines()
    assert said[0].startswith(f"{invoice.number}  Kaveri: billed ₹1,002.55, now ₹1,002.55, open ₹0.00")
    assert said[1:] == ["2026-10: 1 invoices re-rated, 0 not billed yet", "  0 with a difference"]
    use(account, metric, 3, at=OCTOBER_20)
    said = run("--period", "2026-10").stdout.splitlines()
    assert said[0].startswith(f"{invoice.number}  Kaveri: billed ₹1,002.55, now ₹1,002.89, open ₹0.34")
    assert said[2] == "  1 with a difference"
    noted = select(func.count()).select_from(AuditRecord).where(AuditRecord.action == "invoice.rerated")
    assert session.scalar(noted) == 2


def test_the_documents_are_json_lines(session: Session, run: Run) -> None:
    account, metric = an_account()
    use(account, metric, 12)
    invoice = issue_for(account, at=IN_NOVEMBER)
    (line,) = run("--period", "2026-10", "--json").stdout.splitlines()
    document = json.loads(line)
    assert (document["number"], document["billed"], document["difference"]) == (
        invoice.number,
        "1002.55",
        "0",
    )
    assert [row["rated"] for row in document["lines"]] == [True, True]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--period", "October"), "Write a month as a year and a month: 2026-10."),
        (("--period", "2026-10", "--account", "nobody"), "There is no such account."),
    ],
)
def test_what_cannot_be_rerated_is_told(run: Run, arguments: tuple[str, ...], told: str) -> None:
    assert told in run(*arguments, expect=1).output


@pytest.mark.processes
def test_two_processes_with_other_hash_seeds_give_the_same_bytes(own_database: OwnDatabase) -> None:
    with own_database.app(), transaction():
        account, metric = an_account()
        add_usage(account, metric, 12)
        drain()
        issue_for(account, at=IN_NOVEMBER)
        add_usage(account, metric, 3)
        drain()
    arguments = ("billing", "rerate", "--period", "2026-10", "--json")
    command = (sys.executable, "-m", "flask", "--app", "wsgi", *arguments)
    said = [
        subprocess.run(
            command,
            env={**own_database.environment, "PYTHONHASHSEED": seed},
            cwd=ROOT,
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "4242")
    ]
    assert said[0] == said[1]
    assert json.loads(said[0])["open"] == "0.34"
