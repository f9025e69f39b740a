"""Lago's events as usage events, and refusals in Lago's words."""

from typing import Any

import pytest

from app.domain.lago import as_event, refuse, told_by_lago

SENT = {
    "transaction_id": "t-1",
    "external_subscription_id": "acme",
    "code": "auth.otp",
    "timestamp": 1793471399,
    "properties": {"channel": "sms"},
    "precise_total_amount_cents": None,
}


def test_the_fields_become_ours_and_others_are_left() -> None:
    assert as_event({**SENT, "external_customer_id": "c"}) == {
        "event_id": "t-1",
        "account_id": "acme",
        "metric": "auth.otp",
        "timestamp": 1793471399,
        "properties": {"channel": "sms"},
    }
    assert refuse(SENT, 0) is None


@pytest.mark.parametrize("raw", [None, [], "x", 3, True])
def test_what_is_no_object_stays_what_it_is(raw: Any) -> None:
    assert (as_event(raw), refuse(raw, 0)) == (raw, None)


@pytest.mark.parametrize("amount", ["12.5", 0, "", False])
def test_a_price_that_comes_along_is_refused_rather_than_left_out(amount: Any) -> None:
    refused = refuse({**SENT, "precise_total_amount_cents": amount}, 2)
    assert refused is not None
    assert refused[:4] == (2, "t-1", "unsupported", "/2/precise_total_amount_cents")


@pytest.mark.parametrize("event_id", [None, 7, "x" * 256])
def test_a_refusal_names_no_id_that_is_none(event_id: Any) -> None:
    refused = refuse({"precise_total_amount_cents": "1", "transaction_id": event_id}, 0)
    assert refused is not None
    assert refused.event_id is None


@pytest.mark.parametrize(
    ("pointer", "code", "told"),
    [
        ("/event_id", "required", {"transaction_id": ["value_is_mandatory"]}),
        ("/event_id", "empty", {"transaction_id": ["value_is_mandatory"]}),
        ("/account_id", "unknown_account", {"external_subscription_id": ["subscription_not_found"]}),
        ("/metric", "unknown_metric", {"code": ["billable_metric_not_found"]}),
        ("/timestamp", "too_old", {"timestamp": ["too_old"]}),
        ("/properties/a/b", "too_deep", {"properties.a.b": ["too_deep"]}),
        ("", "not_an_object", {"event": ["not_an_object"]}),
        (
            "/precise_total_amount_cents",
            "unsupported",
            {"precise_total_amount_cents": ["unsupported"]},
        ),
    ],
)
def test_a_refusal_is_told_in_lagos_words(pointer: str, code: str, told: dict[str, list[str]]) -> None:
    assert told_by_lago(pointer, code) == told
