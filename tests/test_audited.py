"""Every operation has its line of what it records, and the witness of the other tests sees what is wrong."""

import pytest
from flask import Flask

from app.api.openapi import METHODS
from tests.audited import LEAVES, RECORDED, SILENT, Leaves
from tests.support.witness import Record, Traces, wrong

# Their own business: an inbox of gateways, jobs' queues, and what only leads to another page.
ELSEWHERE = ("api.webhooks.", "rq_dashboard.", "aliases.")
FORMS = {"create_view": "can_create", "edit_view": "can_edit", "delete_view": "can_delete"}
CREATED = ("customer.created", "Customer", "1", "Acme became a customer")
ANOTHER = ("customer.created", "Customer", "2", "Lotus became a customer")


def operations(app: Flask) -> set[str]:
    """Return every way of changing something: endpoints, forms and operations of screens."""
    found = set()
    screens = {view.endpoint: view for view in app.extensions["admin_screens"].values()}
    unsafe = set(METHODS) - {"GET"}
    for rule in app.url_map.iter_rules():
        owner, _, name = rule.endpoint.rpartition(".")
        if not unsafe & (rule.methods or set()) or rule.endpoint.startswith(ELSEWHERE):
            continue
        view = screens.get(owner)
        if view is not None and name in FORMS:
            found |= {rule.endpoint} if getattr(view, FORMS[name]) else set()
        elif view is not None and name == "ajax_update":
            found |= {rule.endpoint} if view.inline else set()
        elif view is not None and name in {"operation_view", "action_view"}:
            found |= {f"{owner}:{one.name}" for one in view.operations}
        else:
            found.add(rule.endpoint)
    return found


def test_every_operation_says_what_it_records_or_why_it_records_nothing(app: Flask) -> None:
    there = operations(app)
    assert (there - LEAVES.keys(), LEAVES.keys() - there) == (set(), set())
    assert RECORDED.keys() & SILENT.keys() == set()


@pytest.mark.parametrize(
    ("leaves", "records", "changed", "problem"),
    [
        (Leaves(frozenset({"customer.created"})), [CREATED], {"Customer"}, None),
        (Leaves(frozenset({"customer.created"})), [], set(), None),
        (Leaves(frozenset({"customer.created"})), [], {"Customer"}, "should be recorded once"),
        (Leaves(frozenset({"customer.created"})), [CREATED, CREATED], {"Customer"}, "recorded twice"),
        (Leaves(frozenset({"customer.updated"})), [CREATED], {"Customer"}, "should be recorded once"),
        (
            Leaves(frozenset({"customer.created"})),
            [CREATED, ANOTHER],
            {"Customer"},
            "should be recorded once",
        ),
        (
            Leaves(frozenset({"customer.created"}), many=True),
            [CREATED, ANOTHER],
            {"Customer"},
            None,
        ),
        (Leaves(frozenset()), [], {"NotificationRead"}, None),
        (Leaves(frozenset()), [CREATED], {"Customer"}, "leaves no record"),
    ],
)
def test_the_witness_tells_what_is_wrong(
    leaves: Leaves, records: list[Record], changed: set[str], problem: str | None
) -> None:
    told = wrong(leaves, records, Traces(changed=changed))
    assert told is None if problem is None else problem in str(told)
