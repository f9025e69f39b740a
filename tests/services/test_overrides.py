"""Own terms of a subscription: from a border on, for one component, in metering and on invoices alike."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock
from app.errors import Conflict, DomainError, Invalid, Overlapping
from app.models import AuditRecord, Subscription, TermsOverride
from app.models.invoices import LineKind
from app.services import contracts, subscription_quotes, verify
from tests import factories as make
from tests.services import metered
from tests.services.invoicing import IN_DECEMBER, IN_NOVEMBER, NOVEMBER, OCTOBER, issue_for, priced, use
from tests.services.tampering import red

MID_OCTOBER = datetime(2026, 10, 20, 6, 30, tzinfo=UTC)
OCTOBER_1, NOVEMBER_1, DECEMBER_1 = date(2026, 10, 1), date(2026, 11, 1), date(2026, 12, 1)


@pytest.fixture(autouse=True)
def _in_october(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: MID_OCTOBER)
    make.make_seller()
    make.make_tax_rate("18")


def agree(subscription: Subscription, component: str, **terms: Any) -> TermsOverride:
    (made,) = contracts.override(subscription, [{"component": component, **terms}], actor=make.ACTOR)
    return made


def refused(subscription: Subscription, component: str, **terms: Any) -> list[tuple[str, str]]:
    before = contracts.overrides_of(subscription)
    with pytest.raises(DomainError) as caught:
        agree(subscription, component, **terms)
    assert contracts.overrides_of(subscription) == before
    return [(field.pointer, field.code) for field in caught.value.fields]


def two_components() -> tuple[Subscription, Any, Any]:
    sms, mail = make.make_metric(), make.make_metric()
    rows = (make.per_unit(sms, "1", code="sms"), make.per_unit(mail, "0.10", code="mail"))
    return priced(*rows), sms, mail


def test_own_terms_of_one_component_hold_from_the_next_period_only(session: Session) -> None:
    """October: 100 × 1 + 50 × 0.10 = 105. November: 100 × 0.80 + 50 × 0.10 = 85."""
    subscription, sms, mail = two_components()
    account = subscription.account
    agreed = agree(subscription, "sms", unit="0.80")
    assert agreed.start_at == NOVEMBER.start
    for at in (MID_OCTOBER, IN_NOVEMBER):
        use(account, sms, 100, at=at)
        use(account, mail, 50, at=at)
    october = issue_for(account)
    assert [(line.amount, line.source_id) for line in october.lines] == [
        (Decimal(100), None),
        (Decimal(5), None),
    ]
    november = issue_for(account, NOVEMBER, at=IN_DECEMBER)
    assert [(line.amount, line.source_id) for line in november.lines] == [
        (Decimal(80), agreed.id),
        (Decimal(5), None),
    ]
    assert november.lines[0].breakdown[0]["unit"] == "0.8"
    assert november.total == Decimal("100.00")  # 85.00 + 18 % = 100.30, rounded to the rupee


def test_prepaid_usage_is_charged_by_own_terms_at_once(session: Session) -> None:
    """10 × 1 was taken of 100; at 0.60 it costs 6, so 4 comes back; 5 more cost 3."""
    subscription, wallet, metric = metered.a_rupee_each("100")
    metered.add_usage(subscription.account, metric, 10)
    metered.meter()
    assert metered.figures(wallet) == ("90.00", "0.00")
    agree(subscription, metric.code, unit="0.60", start_on=OCTOBER_1)
    assert metered.figures(wallet) == ("94.00", "0.00")
    metered.add_usage(subscription.account, metric, 5)
    metered.meter()
    assert metered.figures(wallet) == ("91.00", "0.00")
    assert metered.amounts(wallet) == ["100.00", "-10.00", "4.00", "-3.00"]
    assert red(verify.run(("positions", "charges", "revenue"), at=MID_OCTOBER)) == {}


def test_a_charge_by_the_price_list_under_own_terms_is_found(session: Session) -> None:
    subscription, _, metric = metered.a_rupee_each("100")
    agree(subscription, metric.code, unit="0.60", start_on=OCTOBER_1)
    metered.add_usage(subscription.account, metric, 10)
    metered.meter()
    session.execute(TermsOverride.__table__.update().values(terms={"unit": "0.7"}))
    assert list(red(verify.run(("charges",), at=MID_OCTOBER))) == ["charges"]


def test_a_fee_by_contract_is_prorated_as_any_other(session: Session) -> None:
    """17 of 31 days of 620 are 340."""
    subscription = priced(make.fee("999"), start_at=datetime(2026, 10, 14, 18, 30, tzinfo=UTC))
    agree(subscription, "fee", price="620", start_on=date(2026, 10, 15))
    (line,) = issue_for(subscription.account).lines
    assert (line.kind, line.amount) == (LineKind.fixed, Decimal(340))


def test_new_terms_end_the_ones_before(session: Session) -> None:
    subscription, *_ = two_components()
    first = agree(subscription, "sms", unit="0.80", start_on=OCTOBER_1)
    second = agree(subscription, "sms", unit="0.70")
    assert (first.end_at, second.start_at, second.end_at) == (NOVEMBER.start, NOVEMBER.start, None)


def test_terms_of_before_others_are_refused(session: Session) -> None:
    subscription, *_ = two_components()
    agree(subscription, "sms", unit="0.70")
    with pytest.raises(Overlapping, match="begin on 1 Nov 2026"):
        agree(subscription, "sms", unit="0.80", start_on=OCTOBER_1)
    before = agree(subscription, "sms", unit="0.8", start_on=OCTOBER_1, end_on=NOVEMBER_1)
    assert (before.start_at, before.end_at) == (OCTOBER.start, NOVEMBER.start)


def test_terms_that_end_give_the_price_list_back(session: Session) -> None:
    subscription, wallet, metric = metered.a_rupee_each("100")
    agreed = agree(subscription, metric.code, unit="0.60", start_on=OCTOBER_1)
    metered.add_usage(subscription.account, metric, 10)
    metered.meter()
    assert contracts.end_override(agreed, actor=make.ACTOR) is agreed
    assert agreed.end_at == NOVEMBER.start
    with pytest.raises(Conflict, match="end on 1 Nov 2026 already"):
        contracts.end_override(agreed, actor=make.ACTOR)
    assert metered.figures(wallet) == ("94.00", "0.00")
    assert contracts.end_override(agreed, on=OCTOBER_1, actor=make.ACTOR) is None
    assert metered.figures(wallet) == ("90.00", "0.00")
    assert contracts.overrides_of(subscription) == []


@pytest.mark.parametrize(
    ("component", "terms", "pointer", "code"),
    [
        ("fax", {"unit": "1"}, "component", "unknown_component"),
        ("sms", {"unit": "-1"}, "unit", "negative"),
        ("sms", {"model": "cheap", "unit": "1"}, "model", "unknown_model"),
        ("sms", {"unit": "1", "colour": "red"}, "colour", "unknown_field"),
        ("sms", {"unit": "1", "start_on": "2026-11-05"}, "start_on", "not_a_border"),
        ("sms", {"unit": "1", "start_on": "soon"}, "start_on", "not_a_date"),
        ("sms", {"unit": "1", "end_on": "2026-11-01"}, "end_on", "not_after_start"),
        (
            "sms",
            {"model": "graduated", "tiers": [{"up_to": "5", "unit": "1"}, {"up_to": "3", "unit": "1"}]},
            "tiers/1/up_to",
            "last_tier_not_open",
        ),
    ],
)
def test_terms_that_cannot_be_used_are_refused_with_the_field(
    session: Session, component: str, terms: dict[str, Any], pointer: str, code: str
) -> None:
    subscription, *_ = two_components()
    assert refused(subscription, component, **terms) == [(f"/overrides/0/{pointer}", code)]


def test_a_day_within_a_period_is_refused_with_the_nearest_borders(session: Session) -> None:
    subscription, *_ = two_components()
    with pytest.raises(Invalid, match="2026-11-01 and 2026-12-01"):
        agree(subscription, "sms", unit="1", start_on="2026-11-05")


def test_terms_of_a_billed_period_stay(session: Session) -> None:
    subscription, sms, _ = two_components()
    use(subscription.account, sms, 10)
    issue_for(subscription.account)
    found = refused(subscription, "sms", unit="0.5", start_on=OCTOBER_1)
    assert found == [("/overrides/0/start_on", "already_billed")]


def test_own_terms_are_in_the_audit_trail(session: Session) -> None:
    subscription, *_ = two_components()
    agree(subscription, "sms", unit="0.80", reason="Volume deal")
    found = session.scalars(select(AuditRecord).where(AuditRecord.action == "subscription.terms_agreed"))
    (record,) = found
    assert record.after == {
        "component": "sms",
        "model": "per_unit",
        "terms": {"unit": "0.8", "free_units": "0"},
        "start_at": "2026-10-31 18:30:00+00:00",
        "end_at": None,
        "reason": "Volume deal",
    }


def test_a_quote_of_a_subscription_goes_by_its_own_terms(session: Session) -> None:
    subscription, sms, mail = two_components()
    agree(subscription, "sms", unit="0.80")
    usage = [{"metric": sms.code, "quantity": "100"}, {"metric": mail.code, "quantity": "50"}]
    before = subscription_quotes.quote(subscription, usage)
    after = subscription_quotes.quote(subscription, usage, on=date(2026, 11, 15))
    assert (before["total"], after["total"]) == ("105.00", "85.00")
    assert [(line["component"], line["terms"]) for line in after["lines"]] == [
        ("sms", "own"),
        ("mail", "plan"),
    ]
    assert (after["period_start"], after["period_end"]) == ("2026-11-01", "2026-12-01")
