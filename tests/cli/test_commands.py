"""The commands: what they print, what they refuse, and their exit status."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import clock
from app.cli.console import actor
from app.db import db
from app.domain.periods import local_date
from app.models import ApiKey, Customer, Invoice, SellerRegistration, TaxRate, UsageEvent, User, Wallet
from app.permissions import Role
from app.services.callers import bearers
from tests.factories import make_account, make_customer, make_metric, make_wallet
from tests.portal.world import ZONE, make_world

Run = Callable[..., Result]


@pytest.fixture
def run(app: Flask) -> Run:
    def invoke(*arguments: str, expect: int = 0) -> Result:
        result = app.test_cli_runner().invoke(args=arguments)
        assert result.exit_code == expect, (result.output, result.exception)
        return result

    return invoke


def count(model: type) -> int:
    return db.session.scalar(select(func.count()).select_from(model)) or 0


@pytest.mark.parametrize(
    "command",
    [
        ("seed",),
        ("import-events",),
        ("billing", "run"),
        ("verify",),
        ("create-user",),
        ("users", "add-super-admin"),
        ("api-key", "create"),
        ("api-key", "rotate"),
    ],
)
def test_every_command_explains_itself(run: Run, command: tuple[str, ...]) -> None:
    said = run(*command, "--help").stdout
    assert f" {' '.join(command)} [OPTIONS]" in said.splitlines()[0]
    assert len(said.splitlines()) > 6


def test_a_user_of_the_machine_without_a_name_is_called_by_the_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr("getpass.getuser", nameless)
    monkeypatch.setattr("os.getuid", lambda: 12345)
    assert (actor().id, actor().label) == ("user 12345", "user 12345 (command line)")


def test_reference_data_is_loaded_once(run: Run, session: Session) -> None:
    assert (
        "Reference data: seller registration 29AABCO4821K1Z9, GST of 18 %."
        in run("seed", "--reference-only").stdout
    )
    assert "Reference data: there already." in run("seed", "--reference-only").stdout
    assert (count(SellerRegistration), count(TaxRate), count(Customer)) == (1, 1, 0)
    seller = session.scalars(select(SellerRegistration)).one()
    assert (seller.state_code, seller.is_default, bool(seller.letters)) == ("29", True, True)


def test_a_user_is_made_who_may_sign_in(run: Run, session: Session) -> None:
    said = run("create-user", "Priya@Example.com", "--role", "finance_admin", "--name", "Priya Nair").stdout
    assert said == "Priya Nair <priya@example.com> may sign in as finance_admin.\n"
    user = session.scalars(select(User)).one()
    assert (user.email, user.role, user.customer_id) == ("priya@example.com", Role.finance_admin, None)


def test_a_customers_user_belongs_to_the_customer(run: Run, session: Session) -> None:
    customer = make_customer(external_id="cust-1")
    run("create-user", "asha@example.com", "--role", "customer", "--customer", "cust-1")
    assert session.scalars(select(User.customer_id)).one() == customer.id


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nobody", "--role", "support"), "Error: 'nobody' is not an e-mail address"),
        (("a@example.com", "--role", "customer"), "Error: Name the customer whose data this person sees."),
        (
            ("a@example.com", "--role", "customer", "--customer", "cust-9"),
            "Error: There is no such customer.",
        ),
        (
            ("a@example.com", "--role", "support", "--timezone", "Mars/Base"),
            "Error: 'Mars/Base' is not an IANA time zone",
        ),
    ],
)
def test_a_user_that_cannot_be_is_refused(run: Run, arguments: tuple[str, ...], message: str) -> None:
    assert message in run("create-user", *arguments, expect=1).stderr
    assert count(User) == 0


def test_the_same_address_signs_in_once_only(run: Run) -> None:
    run("create-user", "a@example.com", "--role", "support")
    refused = run("create-user", "A@EXAMPLE.com", "--role", "super_admin", expect=1)
    assert "Somebody signs in as a@example.com already." in refused.stderr
    assert count(User) == 1


def test_a_super_admin_is_made_and_a_lost_one_gets_back_in(run: Run, session: Session) -> None:
    made = run("users", "add-super-admin", "Priya@Example.com").stdout
    assert made == "priya <priya@example.com> may sign in as super_admin.\n"
    user = session.scalars(select(User)).one()
    user.role, user.active = Role.support, False
    session.commit()
    run("users", "add-super-admin", "priya@example.com")
    session.expire_all()
    user = session.scalars(select(User)).one()
    assert (user.role, user.active) == (Role.super_admin, True)


def test_the_secret_of_a_key_is_the_last_line(run: Run, session: Session) -> None:
    account = make_account(external_id="acct-1")
    said = run("api-key", "create", "OTP gateway", "--bearer", "--scope", "all", "--account", "acct-1").stdout
    secret = said.splitlines()[-1]
    key = session.scalars(select(ApiKey)).one()
    assert (key.name, key.scopes, key.account_id) == ("OTP gateway", ["all"], account.id)
    found = bearers.find(secret)
    assert found is not None
    assert found.key_id == key.id


def test_a_signed_key_prints_its_id_before_its_secret(run: Run, session: Session) -> None:
    options = ("--ip", "203.0.113.0/24", "--ip", "2001:db8::/32", "--expires", "2040-01-01T00:00:00+05:30")
    lines = run("api-key", "create", "OTP gateway", *options).stdout.splitlines()
    key = session.scalars(select(ApiKey)).one()
    assert (key.kind, key.allowed_ips) == ("hmac", ["203.0.113.0/24", "2001:db8::/32"])
    assert str(key.expires_at) == "2039-12-31 18:30:00+00:00"
    assert str(key.id) in lines[:-1]
    assert lines[-1].startswith(f"otps_{key.prefix}_")


def test_a_key_is_listed_rotated_rewrapped_and_revoked(run: Run, session: Session) -> None:
    run("api-key", "create", "OTP gateway")
    key = session.scalars(select(ApiKey)).one()
    rotated = run("api-key", "rotate", str(key.id), "--overlap", "2").stdout.splitlines()[-1]
    assert rotated.startswith(f"otps_{key.prefix}_")
    refused = run("api-key", "rotate", str(key.id), expect=1)
    assert "Two secrets of this key are active until" in refused.stderr
    assert run("api-key", "rewrap", "--new-master-key").stdout == "Wrapped anew: 2.\n"
    assert run("api-key", "revoke", str(key.id)).stdout == "Key OTP gateway is revoked.\n"
    session.expire_all()
    listed = run("api-key", "list").stdout
    assert listed == f"{key.id}  hmac    revoked  never              events:write  OTP gateway\n"


def test_a_key_for_an_unknown_account_is_not_made(run: Run) -> None:
    refused = run("api-key", "create", "x", "--bearer", "--account", "acct-9", expect=1)
    assert refused.stderr == "Error: There is no such account.\n"
    assert count(ApiKey) == 0


def test_an_import_reports_accepted_duplicate_and_rejected(
    run: Run, session: Session, tmp_path: Path
) -> None:
    make_metric("clicks", dimensions=[])
    make_account(external_id="acme")
    now = clock.now().isoformat(timespec="seconds")
    file = tmp_path / "clicks.csv"
    file.write_text(f"event_id,account_id,timestamp\nc-1,acme,{now}\nc-1,acme,{now}\nc-2,nobody,{now}\n")
    said = run("import-events", str(file), "--metric", "clicks").stdout.splitlines()
    assert said[0] == "clicks.csv: 3 rows of 2 accounts"
    assert [line.split() for line in said[2:5]] == [["accepted", "1"], ["duplicate", "1"], ["rejected", "1"]]
    assert said[5] == "    1 × unknown_account: There is no account with this id."
    assert said[-1] == "To make the missing accounts on the fly, add --create-accounts PLAN."
    assert count(UsageEvent) == 1


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (
            "id,who\n1,acme\n",
            ("--map", "event_id=id", "--map", "account_id=user"),
            "no column 'user'. Its columns are: id, who",
        ),
        ("id,who\n1,acme\n", (), "The file has no column event_id and no column account_id"),
        (
            "id,who\n1\n",
            ("--map", "event_id=id", "--map", "account_id=who"),
            "Line 2 of usage.csv has 1 cells",
        ),
        (
            "id,who\n1,x\n",
            ("--map", "event_id=id", "--map", "account_id=who", "--create-accounts", "nope"),
            "There is no plan 'nope'.",
        ),
    ],
)
def test_an_import_that_cannot_be_says_why_and_stores_nothing(
    run: Run, tmp_path: Path, content: str, options: tuple[str, ...], message: str
) -> None:
    make_metric("clicks", dimensions=[])
    file = tmp_path / "usage.csv"
    file.write_text(content)
    assert message in run("import-events", str(file), "--metric", "clicks", *options, expect=1).stderr
    assert (count(UsageEvent), count(Customer)) == (0, 0)


def test_a_file_that_is_not_there_is_named(run: Run) -> None:
    assert "'no.csv' does not exist" in run("import-events", "no.csv", expect=2).stderr


def test_a_billing_run_tells_what_it_issued(run: Run, client: FlaskClient) -> None:
    world = make_world(client)
    last_month = f"{local_date(clock.now(), ZONE).replace(day=1) - timedelta(days=1):%Y-%m}"
    before = count(Invoice)
    tried = run("billing", "run", "--period", last_month, "--account", "lotus-prepaid", "--dry-run").stdout
    assert "invoices would be issued" in tried
    assert count(Invoice) == before
    said = run("billing", "run", "--period", last_month, "--account", "lotus-postpaid").stdout
    assert f"{last_month}: 0 accounts, 0 invoices issued" in said
    assert count(Invoice) == before
    assert world.own.invoice.number is not None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--period", "October"), "Write a month as a year and a month: 2026-10."),
        (("--period", "2999-01"), "2999-01 has not ended yet."),
        (("--period", "2026-09", "--account", "nobody"), "There is no such account."),
    ],
)
def test_a_billing_run_that_cannot_be_says_why(run: Run, options: tuple[str, ...], message: str) -> None:
    assert message in run("billing", "run", *options, expect=1).stderr
    assert count(Invoice) == 0


def test_verify_says_what_it_counted(run: Run, app: Flask) -> None:
    make_wallet("250")
    said = run("verify").stdout.splitlines()
    assert said[-1] == "The books balance."
    assert "ok    Balances, debts and sequences of wallets equal their postings (1 wallets)" in said
    assert [line for line in said if line.endswith("()")] == []
    report = json.loads(run("verify", "--json").stdout)
    assert report["ok"] is True
    assert {each["ok"] for each in report["checks"]} == {True}


def test_verify_fails_when_a_balance_was_changed_by_hand(run: Run, session: Session) -> None:
    wallet = make_wallet("250")
    session.execute(Wallet.__table__.update().values(balance=251))
    session.expire(wallet)
    failed = run("verify", expect=1).stdout
    assert "FAIL  Balances, debts and sequences of wallets equal their postings" in failed
    assert failed.splitlines()[-1].endswith("checks fail.")
