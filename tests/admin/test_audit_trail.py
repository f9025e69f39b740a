"""The audit trail as people read it: found by what is known, what changed field by field, and where it is
sealed."""

import re
from datetime import timedelta
from decimal import Decimal
from html import unescape
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import AuditRecord, Export
from app.permissions import Actor, Role
from app.services import audit, audit_chain
from tests.admin.conftest import Desk, Person
from tests.admin.world import World
from tests.services.metered import NOON
from tests.support.application import QueryCounter

MEERA = Actor("user", "0199", "Meera", Role.finance_admin, ip="10.0.0.7", request_id="req-1")


@pytest.fixture
def raised(session: Session, world: World) -> AuditRecord:
    """Meera raised the overdraft of a wallet, and a job wrote by the same request."""
    made = audit.record(
        MEERA,
        "wallet.limits_changed",
        world.wallet,
        summary="The overdraft was raised",
        at=NOON,
        before={"overdraft_limit": Decimal("0.0000"), "status": "active"},
        after={"overdraft_limit": Decimal("125000.5000"), "frozen": True, "since": NOON},
    )
    job = Actor.system("wallets").at(ip=None, request_id="req-1")
    audit.record(job, "wallet.noted", world.wallet, summary="It was noted", at=NOON + timedelta(seconds=1))
    session.flush()
    audit_chain.seal(NOON)
    audit_chain.anchor(NOON)
    return made


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"actor": "0199"}, ["The overdraft was raised"]),
        ({"actor": "wallets"}, ["It was noted"]),
        ({"actor_kind": "user", "role": "finance_admin"}, ["The overdraft was raised"]),
        ({"request_id": "req-1"}, ["It was noted", "The overdraft was raised"]),
        ({"ip": "10.0.0.7"}, ["The overdraft was raised"]),
        ({"action": "wallet.noted"}, ["It was noted"]),
        (
            {
                "resource_type": "Wallet",
                "at_from": "2026-10-10",
                "at_until": "2026-10-10",
                "role": "super_admin",
            },
            ["It was noted"],
        ),
        ({"resource_type": "Invoice", "request_id": "req-1"}, []),
    ],
)
def test_the_trail_is_found_by_what_is_known(
    desk: Person, raised: AuditRecord, asked: dict[str, str], found: list[str]
) -> None:
    page = desk.get("/admin/audit/", query_string=asked).get_data(as_text=True)
    assert [one for one in ("It was noted", "The overdraft was raised") if f">{one}<" in page] == found


def test_a_person_is_found_by_name_and_address(desk: Person, at_desk: Desk) -> None:
    at_desk(Role.support, name="Rohit", email="rohit@otpless.example")
    for who in ("Rohit", "Rohit@OTPless.example"):
        assert "Rohit signed in" in desk.text(f"/admin/audit/?actor={who}")


def test_the_list_tells_where_the_chain_ends_and_costs_four_statements(
    desk: Person, raised: AuditRecord, query_counter: QueryCounter
) -> None:
    desk.text("/admin/audit/")
    state = audit_chain.state()
    with query_counter() as queries:
        page = desk.text("/admin/audit/")
    assert len(queries) <= 4
    assert f"Sealed up to number {state.seq}" in page
    assert f"Anchor {state.anchor}," in page


def test_a_record_tells_what_changed_in_a_persons_words(
    desk: Person, raised: AuditRecord, world: World
) -> None:
    page = desk.text(f"/admin/audit/details/?id={raised.id}")
    assert "₹1,25,000.50" in page
    assert f"/admin/wallets/details/?id={world.wallet.id}" in page
    assert "/admin/audit/?request_id=req-1" in page
    assert "It was noted" in page
    assert raised.hash.hex() in page
    for label in ("Overdraft limit", "Status", "Frozen", "Since"):
        assert f'<th scope="row">{label}</th>' in page


def test_the_page_of_every_record_tells_its_history(desk: Person, raised: AuditRecord, world: World) -> None:
    page = desk.text(f"/admin/wallets/details/?id={world.wallet.id}")
    assert "The overdraft was raised" in page
    assert "₹1,25,000.50" in page
    assert f"/admin/audit/?resource_type=Wallet&amp;resource_id={world.wallet.id}" in page


def test_support_sees_no_address_in_full(at_desk: Desk, session: Session, world: World) -> None:
    values: dict[str, Any] = {"email": "asha@lotus.example", "gstin": "29ABCDE1234F1Z5"}
    made = audit.record(MEERA, "customer.updated", world.customer, summary="Changed", at=NOON, after=values)
    session.flush()
    page = at_desk(Role.support).text(f"/admin/audit/details/?id={made.id}")
    assert "asha@lotus.example" not in page
    assert "29ABCDE1234F1Z5" not in page
    assert "10.0.0.7" not in page
    assert "a***@lotus.example" in page


def test_what_is_filtered_is_exported(desk: Person, session: Session) -> None:
    asked = {"role": "support", "actor": "Rohit & Co", "search": "req-1", "at_from": "2026-10-10"}
    page = desk.get("/admin/audit/", query_string=asked).get_data(as_text=True)
    (address,) = re.findall(r'href="([^"]*)">Export what is filtered', page)
    form = desk.text(unescape(address))
    fields = {
        name: unescape(re.findall(rf'name="{name}"[^>]* value="([^"]*)"', form)[0])
        for name in ("first", "filters")
    }
    assert fields == {"first": "2026-10-10", "filters": "actor=Rohit+%26+Co&role=support&search=req-1"}
    answer = desk.post(
        "/admin/exports/operation/new/", {**fields, "kind": "audit", "format": "csv", "currency": ""}
    )
    assert answer.status_code == 302
    (export,) = session.scalars(select(Export))
    filters = {"role": "support", "actor": "Rohit & Co", "search": "req-1"}
    assert export.parameters == {"first": "2026-10-10", "filters": filters}


def test_filters_that_cannot_be_read_are_told_at_their_field(desk: Person, session: Session) -> None:
    for filters in ("nonsense", "outcome=denied"):
        fields = {"kind": "audit", "format": "csv", "currency": "", "filters": filters}
        answer = desk.post("/admin/exports/operation/new/", fields)
        assert (answer.status_code, 'id="filters"' in answer.text) == (422, True)
    assert session.scalars(select(Export)).all() == []
