"""Notes on customers by the API."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.models import CustomerNote
from tests import factories as make
from tests.api.conftest import Caller, NewCaller


def test_a_note_is_written_pinned_and_listed(session: Session, caller: Caller) -> None:
    customer, other = make.make_customer(), make.make_customer("Zari House")
    first = caller.post(f"/customers/{customer.id}/notes", {"text": "Pays late."}).json["data"]
    second = caller.post(f"/customers/{customer.id}/notes", {"text": "Call Meera.", "pinned": True}).json[
        "data"
    ]
    listed = caller.get(f"/customers/{customer.id}/notes").json["data"]
    assert [one["attributes"]["text"] for one in listed] == ["Call Meera.", "Pays late."]
    assert [one["attributes"]["pinned"] for one in listed] == [True, False]
    assert first["attributes"]["author"] == "test"
    answer = caller.client.patch(
        f"/api/v1/customers/{customer.id}/notes/{second['id']}",
        json={"pinned": False},
        headers=caller.headers,
    )
    assert answer.json["data"]["attributes"]["pinned"] is False
    foreign = caller.client.patch(
        f"/api/v1/customers/{other.id}/notes/{second['id']}", json={"pinned": True}, headers=caller.headers
    )
    assert foreign.status_code == 404
    assert session.scalar(select(func.count()).where(CustomerNote.pinned)) == 0


def test_who_is_bound_to_an_account_sees_and_writes_none(session: Session, new_caller: NewCaller) -> None:
    account = make.make_account()
    bound, reader = new_caller("all", account=account), new_caller("customers:read")
    path = f"/customers/{account.customer_id}/notes"
    assert bound.get(path).status_code == 403
    assert bound.post(path, {"text": "x"}).status_code == 403
    assert reader.post(path, {"text": "x"}).status_code == 403
    assert reader.get(path).json["data"] == []
    assert session.scalar(select(func.count()).select_from(CustomerNote)) == 0


def test_an_empty_note_is_refused_with_its_field(session: Session, caller: Caller) -> None:
    customer = make.make_customer()
    answer = caller.post(f"/customers/{customer.id}/notes", {"text": " "})
    assert answer.status_code == 400
    assert [one["pointer"] for one in answer.json["error"]["fields"]] == ["/text"]
    assert session.scalar(select(func.count()).select_from(CustomerNote)) == 0
