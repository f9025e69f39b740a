"""The audit trail as a file: narrowed by whatever its list is narrowed by, noted once, and harmless."""

import csv
import io
from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import transaction
from app.models import AuditRecord, Customer, Export
from app.permissions import Actor, Role
from app.services import audit, audit_search
from app.services.exports import requests, runs
from app.services.exports.kinds import Scope
from tests import factories as make
from tests.services.metered import NOON

MEERA = Actor("user", "0199", "Meera", Role.finance_admin, ip="10.0.0.7", request_id="req-1")
ROHIT = Actor("user", "0200", "Rohit", Role.support, ip="10.0.0.8", request_id="req-2")
FORMULA = '=HYPERLINK("http://evil.example")'


@pytest.fixture(autouse=True)
def files(app: Flask, tmp_path: Path) -> Iterator[None]:
    before = app.extensions["settings"]
    app.extensions["settings"] = replace(before, data_dir=tmp_path)
    yield
    app.extensions["settings"] = before


@pytest.fixture
def customer(session: Session) -> Customer:
    """Meera noted something at a customer, Rohit was refused a page."""
    with transaction():
        customer = make.make_customer()
        audit.record(MEERA, "customer.noted", customer, summary=FORMULA, at=NOON)
        later = NOON + timedelta(seconds=1)
        audit.note(ROHIT, "access.denied", "Route", "admin_refunds", summary="Refused", at=later)
    return customer


def exported(**filters: str) -> list[dict[str, str]]:
    """Return the rows of the file that these filters leave, of what the two did."""
    with transaction():
        scope = Scope(filters=filters)
        export = requests.request("audit", "csv", scope=scope, at=NOON, actor=make.ACTOR)
    runs.work(export.id)
    with transaction(), requests.opened(export, actor=make.ACTOR) as file:
        rows = list(csv.DictReader(io.StringIO(file.read().decode("utf-8-sig"))))
    assert export.expected == export.rows == len(rows)
    return [row for row in rows if row["Who"] in {"Meera", "Rohit"}]


def test_every_filter_of_the_list_narrows_the_file(customer: Customer) -> None:
    noted, refused = exported()
    asked = {
        "actor": ("0199", "0200"),
        "role": ("finance_admin", "support"),
        "action": ("customer.noted", "access.denied"),
        "resource_type": ("Customer", "Route"),
        "resource_id": (str(customer.id), "admin_refunds"),
        "ip": ("10.0.0.7", "10.0.0.8"),
        "request_id": ("req-1", "req-2"),
        "search": ("req-1", refused["Id"]),
    }
    assert {*asked, "actor_kind"} == set(audit_search.FILTERS)
    assert {*audit_search.FILTERS, "since", "until"} == {one.name for one in fields(audit_search.Question)}
    for name, (first, second) in asked.items():
        assert (exported(**{name: first}), exported(**{name: second})) == ([noted], [refused]), name
    assert (exported(actor_kind="user"), exported(actor_kind="system")) == ([noted, refused], [])
    assert exported(role="support", action="customer.noted") == []


def test_a_formula_in_the_trail_is_a_text(customer: Customer) -> None:
    (row,) = exported(action="customer.noted")
    assert row["What happened"] == f"'{FORMULA}"


def test_an_export_of_the_trail_is_noted_once_with_what_was_asked(customer: Customer) -> None:
    exported(role="support")
    query = select(AuditRecord).where(AuditRecord.action == "export.requested")
    with transaction() as session:
        (entry,) = session.scalars(query)
        (export,) = session.scalars(select(Export))
    assert (entry.resource_id, entry.after) == (str(export.id), {"filters": {"role": "support"}})
