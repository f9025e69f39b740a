"""Branding by the API."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.models import Branding
from tests import factories as make
from tests.api.conftest import Caller, NewCaller


def test_it_is_read_and_set(session: Session, caller: Caller) -> None:
    before = caller.get("/branding").json["data"]["attributes"]
    assert (before["name"], before["accent"], before["logo"]) == ("OTPless Billing", "#1976d2", None)
    body = {"name": "Asha", "accent": "#0B6E4F"}
    answer = caller.client.put("/api/v1/branding", json=body, headers=caller.headers)
    assert answer.status_code == 200, answer.json
    assert answer.json["data"]["attributes"] == {
        "name": "Asha",
        "accent": "#0b6e4f",
        "support_email": None,
        "invoice_footer": None,
        "logo": None,
    }
    assert caller.get("/branding").json["data"] == answer.json["data"]


def test_a_colour_that_cannot_be_read_is_refused(
    session: Session, caller: Caller, new_caller: NewCaller
) -> None:
    body = {"name": "Asha", "accent": "#ffff00"}
    answer = caller.client.put("/api/v1/branding", json=body, headers=caller.headers)
    assert (answer.status_code, answer.json["error"]["fields"][0]["pointer"]) == (400, "/accent")
    for other in (new_caller("settings:read"), new_caller("all", account=make.make_account())):
        refused = other.client.put(
            "/api/v1/branding", json={**body, "accent": "#000000"}, headers=other.headers
        )
        assert refused.status_code == 403
    assert session.scalar(select(func.count()).select_from(Branding)) == 0
