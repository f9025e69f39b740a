"""An export is asked for by whoever may read it, written by a worker, fetched while it is kept, and harmless
in a spreadsheet."""

import csv
import io
from dataclasses import replace
from datetime import date, timedelta
from hashlib import sha256
from uuid import UUID

import pytest
from openpyxl import load_workbook
from sqlalchemy import func, select

from app import clock
from app.db import db, transaction
from app.errors import Conflict, Forbidden, Invalid, NotFound
from app.models import AuditRecord, Export
from app.models.exports import ExportStatus
from app.permissions import Actor, Role
from app.services.exports import requests, runs
from app.services.exports.kinds import Scope, kinds
from tests import factories as make
from tests.services.paying import make_issued_invoice

HOSTILE = '=HYPERLINK("http://evil.example";"Asha")'
ARABIC = "شركة 🚀 हिन्दी"
ALL_DAYS = {"first": date(2026, 10, 1), "last": date(2027, 12, 31)}


@pytest.fixture(autouse=True)
def files(app, tmp_path):
    before = app.extensions["settings"]
    app.extensions["settings"] = replace(before, data_dir=tmp_path)
    yield tmp_path / "files"
    app.extensions["settings"] = before


def ask(kind, form="csv", actor=make.ACTOR, **scope):
    with transaction():
        return requests.request(kind, form, scope=Scope(**scope), at=clock.now(), actor=actor)


def made(kind, form="csv", **scope):
    export = ask(kind, form, **scope)
    runs.work(export.id)
    db.session.refresh(export)
    assert (export.status, export.error) == (ExportStatus.done, None)
    return export


def content(export):
    with transaction(), requests.opened(export, actor=make.ACTOR) as file:
        return file.read()


def table(export):
    return list(csv.reader(io.StringIO(content(export).decode("utf-8-sig"))))


def customer_actor(customer):
    return Actor(kind="user", id="c", label="Asha", role=Role.customer, customer_id=str(customer.id))


def a_world():
    """Return a wallet with two movements, a customer with an invoice, and the rows of every kind."""
    with transaction():
        invoice = make_issued_invoice()
        wallet = make.make_wallet("250")
        return invoice, wallet


def scope_for(kind, invoice, wallet):
    given = {"wallet_id": wallet.id, "customer_id": invoice.customer_id, "currency": "INR", **ALL_DAYS}
    return {name: given[name] for name in kinds[kind].needs}


@pytest.mark.parametrize("kind", sorted(kinds))
@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_every_kind_has_one_cell_for_each_heading(kind, form):
    export = made(kind, form, **scope_for(kind, *a_world()))
    if form == "csv":
        rows = table(export)
    else:
        (sheet,) = load_workbook(io.BytesIO(content(export))).worksheets
        rows = [list(row) for row in sheet.iter_rows(values_only=True)]
    assert tuple(rows[0]) == kinds[kind].headings
    assert {len(row) for row in rows} == {len(kinds[kind].headings)}
    assert len(rows) == 1 + export.rows


def test_the_file_is_the_one_that_the_row_remembers(files):
    with transaction():
        make.make_customer("Asha")
    export = made("customers")
    stored = (files / export.file_key).read_bytes()
    assert (export.sha256, export.size) == (sha256(stored).digest(), len(stored))
    assert (export.rows, export.expected) == (1, 1)
    assert export.keep_until == export.finished_at + timedelta(days=30)


@pytest.mark.parametrize("name", [HOSTILE, "+1", "-1+2", "@SUM(A1)", "＝1"])
def test_a_formula_is_a_text_in_csv(name):
    with transaction():
        make.make_customer(name)
    assert table(made("customers"))[1][0] == f"'{name}"


def test_a_formula_is_a_text_in_a_workbook_too_and_every_script_is_whole():
    with transaction():
        make.make_customer(HOSTILE)
        make.make_customer(ARABIC)
    (sheet,) = load_workbook(io.BytesIO(content(made("customers", "xlsx")))).worksheets
    cells = [sheet.cell(row, 1) for row in (2, 3)]
    assert [(cell.value, cell.data_type) for cell in cells] == [(HOSTILE, "s"), (ARABIC, "s")]


def test_an_amount_below_zero_stays_a_number():
    _, wallet = a_world()
    rows = table(made("ledger", customer_id=wallet.account.customer_id))[1:]
    assert sorted(row[8] for row in rows) == ["-250", "250"]


def test_the_days_of_a_list_are_indias_and_both_included():
    invoice, _ = a_world()
    on = invoice.issued_on
    assert made("invoices", first=on, last=on).rows == 1
    assert made("invoices", first=on + timedelta(days=1)).rows == 0


def test_a_customer_has_the_own_rows_only():
    invoice, wallet = a_world()
    export = ask("invoices", actor=customer_actor(wallet.account.customer))
    runs.work(export.id)
    assert (export.customer_id, db.session.get(Export, export.id).rows) == (
        wallet.account.customer_id,
        0,
    )
    stranger = customer_actor(invoice.customer)
    with pytest.raises(NotFound, match="There is no such export"):
        requests.get(export.id, stranger)
    with pytest.raises(NotFound, match="There is no such customer"):
        ask("invoices", actor=stranger, customer_id=wallet.account.customer_id)
    with pytest.raises(NotFound, match="There is no such wallet"):
        ask("wallet_statement", actor=stranger, wallet_id=wallet.id, **ALL_DAYS)


@pytest.mark.parametrize("kind", ["customers", "ledger"])
def test_some_lists_are_for_staff(kind):
    with transaction():
        customer = make.make_customer()
    with pytest.raises(Forbidden):
        ask(kind, actor=customer_actor(customer))
    assert db.session.scalar(select(func.count()).select_from(Export)) == 0


@pytest.mark.parametrize(
    ("kind", "form", "scope", "pointer"),
    [
        ("passwords", "csv", {}, "/kind"),
        ("invoices", "pdf", {}, "/format"),
        ("invoices", "exe", {}, "/format"),
        ("wallet_statement", "pdf", ALL_DAYS, "/wallet_id"),
        ("customers", "csv", {"filters": {"action": "customer.created"}}, "/filters"),
        ("audit", "csv", {"filters": {"outcome": "denied"}}, "/filters"),
        ("invoices", "csv", {"first": date(2026, 2, 1), "last": date(2026, 1, 1)}, "/last"),
    ],
)
def test_what_cannot_be_exported_is_refused_with_the_field(kind, form, scope, pointer):
    with pytest.raises(Invalid) as refused:
        ask(kind, form, **scope)
    assert [field.pointer for field in refused.value.fields] == [pointer]
    assert db.session.scalar(select(func.count()).select_from(Export)) == 0


def test_one_that_was_stopped_is_not_written(files):
    export = ask("customers")
    with transaction():
        requests.cancel(export, at=clock.now(), actor=make.ACTOR)
    assert runs.work(export.id) == 0
    assert (db.session.get(Export, export.id).status, files.exists()) == (ExportStatus.cancelled, False)
    with pytest.raises(Conflict, match="This export is over"), transaction():
        requests.cancel(export, at=clock.now(), actor=make.ACTOR)


def test_one_that_a_killed_worker_left_is_written_anew():
    export = ask("customers")
    with transaction():
        export.status = ExportStatus.running
        export.rows = 77
    assert runs.unfinished() == [export.id]
    runs.work(export.id)
    assert (export.status, export.rows) == (ExportStatus.done, 0)
    assert runs.unfinished() == []


def test_a_file_whose_days_are_over_is_deleted(files):
    export = made("customers")
    with transaction():
        assert runs.expire(export.keep_until, 10) == 0
        assert runs.expire(export.keep_until + timedelta(seconds=1), 10) == 1
    assert (export.status, list(files.rglob("*-*"))) == (ExportStatus.expired, [])
    with pytest.raises(Conflict, match="the export is expired"):
        content(export)


def test_what_fails_says_why():
    export = ask("customer_statement", **scope_for("customer_statement", *a_world()))
    with transaction():
        export.parameters = {**export.parameters, "customer_id": str(UUID(int=7))}
    with pytest.raises(Exception, match="No row"):
        runs.work(export.id)
    assert (export.status, export.error) == (ExportStatus.failed, "NoResultFound: see the log.")


def test_who_fetched_it_is_written_down():
    export = made("customers")
    content(export)
    query = select(AuditRecord.actor).where(AuditRecord.action == "export.downloaded")
    assert db.session.scalars(query).all() == ["Test Person"]
