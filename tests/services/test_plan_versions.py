"""Drafts are edited, cloned and compared; what may be published, and what publishing does."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.pricing import price_models
from app.domain.quotes import quote
from app.errors import Conflict, DomainError, Frozen, Invalid
from app.models import AuditRecord
from app.models.plans import Interval, VersionStatus
from app.services import components, plan_contents, plan_previews, plans, publication
from tests import factories as make

AT = datetime(2026, 10, 1, 6, 0, tzinfo=UTC)
TERMS: dict[str, dict[str, Any]] = {
    "flat": {"price": "100"},
    "per_unit": {"unit": "0.25", "free_units": "10"},
    "graduated": {
        "tiers": [{"up_to": "10", "unit": "10", "flat": "2"}, {"up_to": None, "unit": "5", "flat": "3"}]
    },
    "volume": {"tiers": [{"up_to": "15", "unit": "10"}, {"up_to": None, "unit": "5"}]},
    "package": {"size": "10", "price": "100", "rounding": "up"},
    "percentage": {"rate": "1.3", "free_amount": "5"},
    "graduated_percentage": {
        "tiers": [{"up_to": "10", "rate": "1", "flat": "200"}, {"up_to": None, "rate": "2"}]
    },
}


def refusal(refused: Any) -> list[tuple[str, str]]:
    return [(field.pointer, field.code) for field in refused.value.fields]


def test_a_draft_is_changed_as_a_whole_and_told_to_the_audit_trail(session: Session) -> None:
    metric = make.make_metric("m")
    plan = make.make_plan(components=[make.per_unit(metric, "1")], publish=False)
    (draft,) = plan.versions
    values = {"interval": "year", "effective_on": date(2027, 1, 1), "suspend_when_empty": True}
    plans.update_version(draft, values, prices=[make.per_unit(metric, "2"), make.fee()], actor=make.ACTOR)
    assert (draft.interval, draft.effective_on, draft.suspend_when_empty) == (
        Interval.year,
        date(2027, 1, 1),
        True,
    )
    assert [one["code"] for one in components.as_prices(draft)] == ["m", "fee"]
    record = session.scalars(select(AuditRecord).where(AuditRecord.action == "plan_version.edited")).one()
    assert (record.before["interval"], record.after["effective_on"]) == ("month", "2027-01-01")
    plans.update_version(draft, {"interval": "week"}, actor=make.ACTOR)
    assert (draft.interval, len(draft.components)) == (Interval.week, 2)


def test_a_draft_that_somebody_else_changed_is_not_overwritten(session: Session) -> None:
    plan = make.make_plan(components=[make.fee("1")], publish=False)
    (draft,) = plan.versions
    seen = plan_contents.mark(draft)
    plans.update_version(draft, {}, prices=[make.fee("2")], seen=seen, actor=make.ACTOR)
    with pytest.raises(Conflict, match="Somebody else changed this draft"):
        plans.update_version(draft, {}, prices=[make.fee("3")], seen=seen, actor=make.ACTOR)
    assert draft.components[0].terms["price"] == "2"


def test_what_is_published_is_not_edited(session: Session) -> None:
    (version,) = make.make_plan(components=[make.fee()]).versions
    before = plan_contents.mark(version)
    with pytest.raises(Frozen):
        plans.update_version(version, {"interval": "year"}, actor=make.ACTOR)
    assert plan_contents.mark(version) == before


def test_every_component_at_fault_is_told_at_once(session: Session) -> None:
    metric = make.make_metric("m")
    bad = [make.per_unit(metric, "-1"), make.fee(), {"metric": "n", "model": "per_unit", "unit": "1"}]
    (draft,) = make.make_plan(components=[make.fee()], publish=False).versions
    before = plan_contents.mark(draft)
    with pytest.raises(Invalid) as refused:
        plans.set_components(draft, bad, actor=make.ACTOR)
    assert refusal(refused) == [
        ("/components/0/unit", "negative"),
        ("/components/2/metric", "unknown_metric"),
    ]
    assert plan_contents.mark(draft) == before


def test_a_clone_is_a_plan_of_its_own(session: Session) -> None:
    plan = make.make_plan(components=[make.fee()], name="Growth", version={"interval": "year"})
    with pytest.raises(Conflict):
        plans.clone(plan.versions[0], {"code": plan.code}, actor=make.ACTOR)
    made = plans.clone(plan.versions[0], {"code": "growth-b"}, actor=make.ACTOR)
    (draft,) = made.versions
    assert (made.name, draft.status, draft.number, draft.interval) == (
        "Growth",
        VersionStatus.draft,
        1,
        Interval.year,
    )
    assert components.as_prices(draft) == components.as_prices(plan.versions[0])


def test_a_draft_can_start_from_any_version(session: Session) -> None:
    plan = make.make_plan(components=[make.fee("1")])
    plans.set_components(plans.add_version(plan, actor=make.ACTOR), [make.fee("2")], actor=make.ACTOR)
    third = plans.add_version(plan, base=plan.versions[0], actor=make.ACTOR)
    assert (third.number, third.components[0].terms["price"]) == (3, "1")


@pytest.mark.parametrize("model", sorted(TERMS))
def test_the_live_quote_is_that_of_the_api(session: Session, model: str) -> None:
    metric = make.make_metric("m")
    component = {"metric": metric.code, "model": model, **TERMS[model]}
    told = quote([component], [{"metric": "m", "quantity": "16"}], "INR")
    shown = plan_previews.quote([component, make.fee("9")], [{"quantity": "16"}], "INR")
    for name in ("quantity", "amount_exact", "amount", "breakdown"):
        assert shown["lines"][0][name] == told["lines"][0][name]
    assert (shown["lines"][1]["amount"], shown["currency"]) == ("9.00", "INR")


def test_there_is_a_quote_for_every_model() -> None:
    assert set(TERMS) == set(price_models)


def test_the_live_quote_counts_events_where_the_price_does_and_keeps_to_one_currency(
    session: Session,
) -> None:
    metric = make.make_metric("m")
    share = {"metric": "m", "model": "percentage", "rate": "2", "fixed": "3"}
    listed = [make.fee("9"), share, {**share, "currency": "USD"}]
    used = [{}, {"quantity": "1000", "events": "4"}, {"quantity": "50", "events": ""}]
    rupees = plan_previews.quote(listed, used, "INR")
    assert [(line["component"], line["needs"], line["amount"]) for line in rupees["lines"]] == [
        (0, "sum", "9.00"),
        (1, "count", "32.00"),
    ]
    assert rupees["total"] == "41.00"
    assert plan_previews.quote(listed, used, "USD")["total"] == "1.00"
    for bad, pointer in (({"quantity": "x"}, "quantity"), ({"events": "1.5"}, "events")):
        with pytest.raises(Invalid) as refused:
            plan_previews.quote(listed, [{}, bad], "INR")
        assert refused.value.fields[0].pointer == f"/used/1/{pointer}"
    assert metric.active


def draft_of(*prices: dict[str, Any], **version: Any) -> Any:
    return make.make_plan(components=prices, version=version, publish=False).versions[0]


def refuse_to_publish(version: Any) -> DomainError:
    with pytest.raises(Invalid) as refused:
        plans.publish(version, at=AT, actor=make.ACTOR)
    assert (version.status, version.published_at) == (VersionStatus.draft, None)
    return refused.value


def test_every_currency_needs_the_whole_list(session: Session) -> None:
    metric = make.make_metric("m")
    sms, fee = make.per_unit(metric), make.fee()
    draft = draft_of(sms, fee, {**fee, "currency": "USD"})
    error = refuse_to_publish(draft)
    assert [(one.pointer, one.code) for one in error.fields] == [("/components", "incomplete_currency")]
    assert error.message.startswith("m has a price in INR and none in USD")
    plans.set_components(
        draft, [sms, fee, {**fee, "currency": "USD"}, {**sms, "currency": "USD"}], actor=make.ACTOR
    )
    assert plans.publish(draft, at=AT, actor=make.ACTOR).status is VersionStatus.published


def test_a_code_means_the_same_in_every_currency(session: Session) -> None:
    metric, other = make.make_metric("m"), make.make_metric("n")
    mine = make.per_unit(metric, code="x")
    for theirs, field in (
        (make.per_unit(other, code="x", currency="USD"), "metric"),
        (make.per_unit(metric, code="x", currency="USD", filters={"channel": "sms"}), "filters"),
    ):
        with pytest.raises(Invalid) as refused:
            draft_of(mine, theirs)
        assert refusal(refused) == [(f"/components/1/{field}", "currency_mismatch")]


def test_a_version_that_would_hide_a_later_one_is_not_published(session: Session) -> None:
    plan = make.make_plan(components=[make.fee()])
    second = plans.add_version(plan, {"effective_on": date(2026, 12, 1)}, actor=make.ACTOR)
    plans.publish(second, at=AT, actor=make.ACTOR)
    third = plans.add_version(plan, actor=make.ACTOR)
    for day in (None, date(2026, 11, 30), date(2026, 12, 1)):
        plans.update_version(third, {"effective_on": day}, actor=make.ACTOR)
        error = refuse_to_publish(third)
        assert [(one.pointer, one.code) for one in error.fields] == [("/effective_on", "overlapping")]
    plans.update_version(third, {"effective_on": date(2026, 12, 2)}, actor=make.ACTOR)
    plans.publish(third, at=AT, actor=make.ACTOR)
    found = plans.find_active(plan, datetime(2026, 12, 1, 12, tzinfo=UTC))
    assert found is second


def test_a_version_that_would_never_be_in_effect_is_not_published(session: Session) -> None:
    plan = make.make_plan(components=[make.fee()])
    second, third = (plans.add_version(plan, actor=make.ACTOR) for _ in range(2))
    plans.publish(third, at=AT, actor=make.ACTOR)
    assert refuse_to_publish(second).message.startswith(f"{third.label} is in effect then")
    plans.retire(third, at=AT, actor=make.ACTOR)
    assert plans.publish(second, at=AT, actor=make.ACTOR).status is VersionStatus.published


def test_a_version_may_take_effect_before_today(session: Session) -> None:
    plan = make.make_plan(components=[make.fee()], publish=False)
    plans.publish(plan.versions[0], at=AT, actor=make.ACTOR)
    second = plans.add_version(plan, {"effective_on": date(2026, 9, 1)}, actor=make.ACTOR)
    plans.publish(second, at=AT, actor=make.ACTOR)
    assert plans.find_active(plan, datetime(2026, 8, 31, 12, tzinfo=UTC)) is plan.versions[0]
    assert plans.find_active(plan, datetime(2026, 9, 1, 12, tzinfo=UTC)) is second


def test_publishing_says_who_gets_it_from_when_and_who_stays(session: Session) -> None:
    plan = make.make_plan("growth", components=[make.fee()])
    make.make_subscription(plan=plan)
    second = plans.add_version(plan, {"effective_on": date(2026, 12, 1)}, actor=make.ACTOR)
    foreseen = publication.foresee(second, AT)
    assert (foreseen.before, foreseen.staying, foreseen.begins_later) == (plan.versions[0], 1, True)
    assert foreseen.sentences == [
        "New subscriptions get growth v2 from 1 Dec 2026 on, not before. "
        "They are billed by the month, in INR.",
        "It takes the place of growth v1 for them.",
        "1 subscription of this plan stays on the version of today: moving them is an act of its own.",
        "Published prices can never change again: a change is a new version.",
    ]
