"""Lines of invoices explain themselves: in words, by their steps, and by the proof of their usage."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.db import db, transaction
from app.errors import NotFound
from app.models import Account, Invoice, InvoiceLine, Metric
from app.models.invoices import LineKind
from app.services import (
    corrections,
    explanations,
    invoices,
    line_evidence,
    line_words,
    wallet_history,
    wallets,
)
from app.services.explanations import Explanation
from app.services.line_evidence import Verdict, charged_by
from tests import factories as make
from tests.services.invoicing import (
    IN_DECEMBER,
    IN_NOVEMBER,
    NOON,
    NOVEMBER,
    OCTOBER,
    drain,
    issue_for,
    priced,
    use,
)
from tests.support.own import OwnDatabase


@pytest.fixture
def metric(session: Session) -> Metric:
    make.make_seller()
    make.make_tax_rate("18")
    return make.make_metric("auth.otp", name="One-time passwords", unit="message", dimensions=["channel"])


@pytest.fixture
def account(metric: Metric) -> Account:
    """A customer in Karnataka on graduated prices: 100 at 1.00, then 0.50."""
    account = make.make_account(make.make_customer(gstin=make.a_gstin("29")))
    priced(make.graduated(metric, ("100", "1"), (None, "0.5")), account=account)
    return account


def explained(invoice: Invoice, n: int = 1) -> Explanation:
    return explanations.explain(explanations.find_line(invoices.get(invoice.id), n))


def test_a_usage_line_says_how_its_price_came_about(metric: Metric, account: Account) -> None:
    use(account, metric, 300, channel="sms")
    found = explained(issue_for(account))
    assert found.says == "300 messages in the period, priced as a whole: ₹200.00."
    assert [(each.group, each.amount, [says for says, _ in each.rows]) for each in found.steps] == [
        (None, Decimal(200), ["Tier 1: 100 × ₹1.00 = ₹100.00", "Tier 2: 200 × ₹0.50 = ₹100.00"])
    ]
    assert dict(found.facts)["CGST"] == "9% of ₹200.00 = ₹18.00"
    assert dict(found.facts)["Period"] == "1 Oct 2026 to 31 Oct 2026"
    assert found.asked_before == []


def test_the_proof_matches_what_was_billed(metric: Metric, account: Account) -> None:
    use(account, metric, 3, channel="sms")
    use(account, metric, 2, at=NOON + timedelta(hours=1), channel="email")
    invoice = issue_for(account)
    proof = explained(invoice).proof
    assert proof is not None
    assert (proof.verdict, proof.recomputed) == (Verdict.matches, invoice.lines[0].events_hash)
    assert (proof.buckets, proof.events, proof.came, proof.taken_back) == (2, 5, 0, 0)
    assert proof.holds


def test_late_usage_is_set_aside_and_the_proof_still_holds(own_database: OwnDatabase) -> None:
    """One late event joins a bucket that was billed, one makes a bucket of its own. What came when is told by
    the database's clock, so each step is a transaction."""
    with own_database.app():
        with transaction():
            make.make_seller()
            make.make_tax_rate("18")
            otp = make.make_metric("auth.otp", dimensions=["channel"])
            account = make.make_account(make.make_customer(gstin=make.a_gstin("29")))
            priced(make.per_unit(otp, "2"), account=account)
            account_id, metric_id = account.id, otp.id
        with transaction():
            account, otp = db.session.get_one(Account, account_id), db.session.get_one(Metric, metric_id)
            use(account, otp, 3, channel="sms")
        with transaction():
            invoice_id = issue_for(db.session.get_one(Account, account_id)).id
        with transaction():
            account, otp = db.session.get_one(Account, account_id), db.session.get_one(Metric, metric_id)
            use(account, otp, 1, at=NOON + timedelta(minutes=1), channel="sms")
            use(account, otp, 1, at=NOON + timedelta(days=2), channel="sms")
        with transaction():
            found = explanations.explain(invoices.get(invoice_id).lines[0])
            adjusted = issue_for(db.session.get_one(Account, account_id), NOVEMBER, at=IN_DECEMBER)
            says = line_words.says(adjusted.lines[0])
            before = explanations.explain(adjusted.lines[0]).asked_before
            assert [each.invoice_id for each in before] == [invoice_id]
        assert found.proof is not None
        assert (found.proof.verdict, found.proof.came, found.proof.taken_back) == (
            Verdict.matches_then,
            2,
            0,
        )
        assert found.proof.recomputed == found.proof.recorded
        assert says == (
            "All usage of the period comes to ₹10.00; earlier invoices asked for ₹6.00. "
            "The difference is ₹4.00."
        )


def test_usage_taken_back_later_is_set_aside_too(metric: Metric, account: Account) -> None:
    use(account, metric, 3, channel="sms")
    invoice = issue_for(account)
    query, keep = explanations.events_behind(invoice.lines[0])
    (first, *_) = [event for event in db.session.scalars(query) if keep(event)]
    corrections.cancel(account, first.event_id, reason="Sent twice", actor=make.ACTOR, at=IN_DECEMBER)
    drain()
    proof = explained(invoice).proof
    assert proof is not None
    assert (proof.verdict, proof.came, proof.taken_back) == (Verdict.matches_then, 0, 1)


def test_a_bucket_that_was_tampered_with_differs(session: Session, metric: Metric, account: Account) -> None:
    use(account, metric, 3, channel="sms")
    invoice = issue_for(account)
    session.execute(text("UPDATE usage_rollups SET quantity = quantity + 1"))
    proof = explained(invoice).proof
    assert proof is not None
    assert (proof.verdict, proof.holds) == (Verdict.differs, False)
    assert proof.recomputed != proof.recorded


def test_a_fee_is_a_fraction_of_the_days_of_its_period(metric: Metric) -> None:
    account = make.make_account(make.make_customer(gstin=make.a_gstin("29")))
    priced(make.fee("1000"), account=account, start_at=datetime(2026, 10, 15, 18, 30, tzinfo=UTC))
    found = explained(issue_for(account))
    told = dict(found.facts)
    assert told["Price of a whole period"] == "₹1,000.00"
    assert told["Days"] == "16 of 31 days, 16 Oct 2026 to 31 Oct 2026"
    assert told["Fraction of the period"] == "₹1,000.00 × 16/31 = ₹516.13"
    assert found.proof is None


def test_a_line_by_hand_says_what_was_written(metric: Metric, account: Account) -> None:
    lines: list[dict[str, Any]] = [
        {"description": "Set-up", "quantity": "2", "unit_price": "50"},
        {"description": "Training", "quantity": "1", "unit_price": "118", "tax_inclusive": True},
    ]
    draft = invoices.draft_by_hand(account, OCTOBER, lines=lines, at=IN_NOVEMBER, actor=make.ACTOR)
    assert [line_words.says(line) for line in draft.lines] == [
        "Written by hand: 2 × ₹50.00 = ₹100.00.",
        "Written by hand: 1 × ₹118.00 = ₹118.00 with tax, which is ₹100.00 before tax.",
    ]


def test_each_group_has_steps_of_its_own(metric: Metric) -> None:
    account = make.make_account(make.make_customer(gstin=make.a_gstin("29")))
    priced(make.graduated(metric, ("2", "1"), (None, "0.5"), group_by="channel"), account=account)
    use(account, metric, 3, channel="sms")
    use(account, metric, 1, at=NOON + timedelta(hours=1), channel="email")
    invoice = issue_for(account)
    found = explained(invoice)
    assert {each.group: each.amount for each in found.steps} == {"sms": Decimal("2.5"), "email": Decimal(1)}
    charged = charged_by(invoice.lines[0])
    groups = [explanations.group_of(charged, one) for one in line_evidence.buckets(charged)]
    assert groups == ["sms", "email"]


def test_the_days_of_a_line_are_local(metric: Metric, account: Account) -> None:
    """18:30 UTC is midnight in India."""
    use(account, metric, 2, at=datetime(2026, 10, 15, 18, 29, 58, tzinfo=UTC), channel="sms")
    use(account, metric, 1, at=datetime(2026, 10, 15, 18, 30, tzinfo=UTC), channel="sms")
    found = explanations.days(charged_by(issue_for(account).lines[0]))
    assert [(day.on, day.quantity, day.events, day.buckets) for day in found] == [
        (date(2026, 10, 15), Decimal(2), 2, 1),
        (date(2026, 10, 16), Decimal(1), 1, 1),
    ]


@pytest.mark.parametrize("aggregation", ["max", "average", "latest", "unique_count", "weighted_sum"])
def test_the_proof_of_what_does_not_add_matches(account: Account, aggregation: str) -> None:
    uneven = make.make_metric(f"uneven.{aggregation}", aggregation=aggregation, value_property="user_id")
    other = make.make_account(make.make_customer(gstin=make.a_gstin("29")))
    priced(make.per_unit(uneven, "2"), account=other)
    use(other, uneven, 3, user_id="7")
    proof = explained(issue_for(other)).proof
    assert proof is not None
    assert (proof.verdict, proof.events) == (Verdict.matches, 3)


@pytest.mark.parametrize("kind", LineKind)
def test_every_kind_of_line_has_its_sentence(kind: LineKind) -> None:
    line = InvoiceLine(kind=kind, quantity=Decimal(1), unit_price=Decimal(5), amount=Decimal(5), breakdown=[])
    line.invoice = Invoice(currency="INR", kind="tax_invoice")
    assert line_words.says(line).endswith(".")
    assert "₹5.00" in line_words.says(line)


def test_a_line_without_usage_has_no_buckets(metric: Metric) -> None:
    account = make.make_account(make.make_customer(gstin=make.a_gstin("29")))
    priced(make.fee("1000"), account=account)
    with pytest.raises(NotFound):
        charged_by(issue_for(account).lines[0])


def test_a_deduction_leads_to_the_line_that_shows_it(metric: Metric) -> None:
    account = make.make_account(make.make_customer(gstin=make.a_gstin("29")), prepaid=True)
    priced(make.per_unit(metric, "2"), account=account)
    wallet = wallets.find_for(account)
    assert wallet is not None
    wallets.top_up(wallet, Decimal(100), at=NOON, actor=make.ACTOR, reason="Bank transfer")
    use(account, metric, 3, channel="sms")
    (before,) = wallet_history.explain(wallet, wallet_history.latest(wallet, 1)).values()
    assert [part.line for part in before] == [None]
    invoice = issue_for(account)
    (after,) = wallet_history.explain(wallet, wallet_history.latest(wallet, 1)).values()
    assert [part.line for part in after] == [invoice.lines[0]]
