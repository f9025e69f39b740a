"""The global search: what a person has in hand leads to the record, by indexes, in one statement."""

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.db import db
from app.models import ApiKey, Payment, Subscription
from app.services import notes, search
from tests import factories
from tests.admin.world import AT, World, make_world
from tests.support.application import QueryCounter


@pytest.fixture
def world(session: Session) -> World:
    """One row of every model; the account has a name of its own."""
    made = make_world()
    made.account.name = "Orders"
    session.flush()
    return made


def everything(resource: str) -> bool:
    """Allow every resource."""
    return True


def found(term: str) -> list[tuple[str, str]]:
    """Return the kind and the title of all that a term leads to."""
    return [
        (hit.kind, hit.title) for group in search.find(term, allowed=everything).groups for hit in group.hits
    ]


def test_each_thing_that_a_person_may_have_in_hand_leads_to_its_record(
    session: Session, world: World
) -> None:
    world.customer.gstin = factories.a_gstin("29")
    world.customer.external_id, world.account.external_id = "crm-77", "acct-77"
    notes.add(world.customer, "Asked", at=AT, actor=factories.ACTOR.at(ip=None, request_id="req-77"))
    payment, subscription = (
        session.scalars(select(Payment)).one(),
        session.scalars(select(Subscription)).first(),
    )
    key = session.scalars(select(ApiKey)).one()
    assert subscription is not None
    session.flush()
    customer, number = ("customer", "Kaveri Foods 1"), str(world.invoice.number)
    assert found("kaveri f") == [customer]
    assert found(world.customer.email.upper()) == [customer]
    assert found(world.customer.gstin.lower()) == [customer]
    assert found("crm-77") == found(str(world.customer.id)) == [customer]
    assert found("kaveri w") == [("account", "Kaveri wallet 1")]
    assert found("acct-77") == [("account", world.account.name)]
    assert found(number) == found(number.lower()) == found("blr/26") == [("invoice", number)]
    assert found("m1") == found(str(payment.id)) == [("payment", "m1")]
    assert found(str(subscription.id)) == [("subscription", world.plan.name)]
    assert found(key.prefix) == [("api_key", "Ingest 1")]
    assert found("req-77") == [("request", "A note was written on Kaveri Foods 1")]
    assert found("e1-0") == [("event", "e1-0")]


@pytest.mark.parametrize("term", ["", "k", " ", "\x00", "%", "nobody", "a%", "x" * 500, "' OR 1=1 --", "é😀"])
def test_what_leads_nowhere_leads_nowhere(world: World, term: str) -> None:
    assert found(term) == []


def test_all_kinds_cost_one_statement(world: World, query_counter: QueryCounter) -> None:
    with query_counter() as queries:
        assert search.find("Kaveri", allowed=everything).count == 2
    assert len(queries) == 1


def test_more_than_five_of_a_kind_are_told(world: World) -> None:
    for _ in range(7):
        factories.make_customer("Zari House")
    (group,) = search.find("zari", allowed=everything).groups
    assert (len(group.hits), group.more) == (5, True)


def test_kinds_that_are_not_allowed_are_not_looked_at(world: World) -> None:
    only_usage = search.find("Kaveri", allowed=lambda resource: resource == "usage")
    without = search.find("e1-0", allowed=lambda resource: resource != "usage")
    assert (only_usage.groups, without.groups) == ([], [])


def test_every_kind_is_found_by_an_index(session: Session, world: World) -> None:
    session.execute(text("SET LOCAL enable_seqscan = off"))
    for kind in search.KINDS:
        query = kind.find("kaveri", world.customer.id)
        assert query is not None
        plan = "\n".join(session.scalars(text(f"EXPLAIN {_literal(query.limit(6))}")))
        assert "Seq Scan" not in plan, (kind.name, plan)


def _literal(query: object) -> str:
    compiled = query.compile(compile_kwargs={"literal_binds": True}, dialect=_dialect())  # type: ignore[attr-defined]
    return str(compiled).replace("%%", "%")


def _dialect() -> object:
    return db.engine.dialect
