"""Number series by the API."""

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from app.db import db
from app.models import InvoiceSeries, SellerRegistration
from tests import factories as make
from tests.api.conftest import Caller, NewCaller

SERIES = "/admin/number-series"


def _seller() -> str:
    """Return the seller's registration, made once."""
    found = db.session.scalar(select(SellerRegistration))
    return str((found or make.make_seller()).id)


def rename(caller: Caller, path: str, prefix: str) -> TestResponse:
    return caller.client.patch(f"/api/v1{path}", json={"prefix": prefix}, headers=caller.headers)


def body(**more: Any) -> dict[str, Any]:
    given = {"kind": "tax_invoice", "financial_year": "2026-27", "prefix": "INV"}
    return {"registration_id": _seller(), **given, **more}


def test_a_series_is_opened_renamed_and_listed(session: Session, caller: Caller) -> None:
    made = caller.post(SERIES, body())
    assert made.status_code == 201, made.json
    path = f"{SERIES}/{made.json['data']['id']}"
    assert rename(caller, path, "KA").json["data"]["attributes"]["prefix"] == "KA"
    (row,) = caller.get(SERIES).json["data"]
    assert row["attributes"] == {
        "kind": "tax_invoice",
        "financial_year": "2026-27",
        "prefix": "KA",
        "last_number": 0,
        "issued": 0,
        "gaps": 0,
    }
    session.scalars(select(InvoiceSeries)).one().last_number = 1
    session.flush()
    assert rename(caller, path, "NEW").status_code == 409
    assert session.scalars(select(InvoiceSeries.prefix)).one() == "KA"


def test_a_series_that_cannot_be_is_refused_with_its_field(session: Session, caller: Caller) -> None:
    answer = caller.post(SERIES, body(prefix="a-b"))
    assert [field["pointer"] for field in answer.json["error"]["fields"]] == ["/prefix"]
    assert caller.post(SERIES, body(registration_id="nobody")).status_code == 404
    assert session.scalar(select(func.count()).select_from(InvoiceSeries)) == 0


def test_only_who_may_write_billing_opens_a_series(new_caller: NewCaller) -> None:
    reader = new_caller("billing:read")
    assert reader.get(SERIES).status_code == 200
    assert reader.post(SERIES, body()).status_code == 403
