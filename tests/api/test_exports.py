"""`/exports`: asked for, looked at, fetched; a customer the own ones, a key of one account none."""

from dataclasses import replace

import pytest

from app.db import db
from app.models import Export
from app.services import keys
from app.services.exports import runs
from tests import factories as make


@pytest.fixture(autouse=True)
def files(app, tmp_path):
    before = app.extensions["settings"]
    app.extensions["settings"] = replace(before, data_dir=tmp_path)
    yield
    app.extensions["settings"] = before


@pytest.fixture
def call(client):
    scopes = ["billing:read", "customers:read"]
    _, secret = keys.create("Reports", scopes=scopes, at=make.START, actor=make.ACTOR)
    headers = {"Authorization": f"Bearer {secret}"}

    def send(method, path, **more):
        return client.open(
            f"/api/v1{path}", method=method, headers={**headers, **more.pop("headers", {})}, **more
        )

    return send


def test_a_list_is_asked_for_written_and_fetched(call):
    make.make_customer("Asha Traders")
    answer = call("POST", "/exports", json={"kind": "customers"})
    assert answer.status_code == 202
    made = answer.json["data"]
    assert (made["attributes"]["status"], made["attributes"]["file_name"]) == ("pending", "customers.csv")
    assert call("GET", f"/exports/{made['id']}/file").status_code == 409
    runs.work(db.session.get(Export, made["id"]).id)
    read = call("GET", f"/exports/{made['id']}").json["data"]["attributes"]
    assert (read["status"], read["rows"], read["expected"]) == ("done", 1, 1)
    file = call("GET", f"/exports/{made['id']}/file")
    assert (file.status_code, file.mimetype) == (200, "text/csv")
    assert file.get_data().decode("utf-8-sig").splitlines()[1].startswith("Asha Traders,")
    assert [row["id"] for row in call("GET", "/exports").json["data"]] == [made["id"]]


def test_the_same_key_asks_once(call):
    sent = {"json": {"kind": "customers"}, "headers": {"Idempotency-Key": "one"}}
    first, again = call("POST", "/exports", **sent), call("POST", "/exports", **sent)
    assert first.json["data"]["id"] == again.json["data"]["id"]
    assert db.session.query(Export).count() == 1


def test_one_can_be_stopped_while_it_is_under_way(call):
    made = call("POST", "/exports", json={"kind": "customers"}).json["data"]["id"]
    assert call("POST", f"/exports/{made}/cancel").json["data"]["attributes"]["status"] == "cancelled"
    assert call("POST", f"/exports/{made}/cancel").status_code == 409


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        ({"kind": "secrets"}, 400, "/kind"),
        ({"kind": "customers", "format": "pdf"}, 400, "/format"),
        ({"kind": "customers", "first": "2026-13-01"}, 400, "/first"),
        ({"kind": "customers", "filters": {"role": "support"}}, 400, "/filters"),
        ({"kind": "ledger"}, 403, None),
    ],
)
def test_what_cannot_be_asked_for_is_refused(call, body, status, pointer):
    answer = call("POST", "/exports", json=body)
    assert answer.status_code == status
    assert [field["pointer"] for field in answer.json["error"]["fields"]] == ([pointer] if pointer else [])
    assert db.session.query(Export).count() == 0


def test_the_audit_trail_is_narrowed_as_its_list_is(client):
    secret = keys.create("Auditor", scopes=["billing:read", "audit:read"], at=make.START, actor=make.ACTOR)[1]
    headers = {"Authorization": f"Bearer {secret}"}
    body = {"kind": "audit", "first": "2026-10-01", "filters": {"actor": "Meera", "action": "invoice.issued"}}
    answer = client.post("/api/v1/exports", json=body, headers=headers)
    assert answer.status_code == 202
    assert answer.json["data"]["attributes"]["parameters"] == {
        "first": "2026-10-01",
        "filters": {"actor": "Meera", "action": "invoice.issued"},
    }
    refused = client.post("/api/v1/exports", json={**body, "filters": {"outcome": "x"}}, headers=headers)
    assert refused.status_code == 400
    assert db.session.query(Export).count() == 1
