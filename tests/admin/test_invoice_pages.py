"""The pages of invoices in the back office: a line explained down to its events."""

import re
from datetime import timedelta
from urllib.parse import quote

import pytest

from app.models import Invoice
from app.permissions import Role
from tests import factories as make
from tests.admin.conftest import Desk, Person
from tests.services.invoicing import NOON, issue_for, priced, use


@pytest.fixture
def invoice(desk: Person) -> Invoice:
    """An invoice of 3 messages and a fee."""
    make.make_seller()
    make.make_tax_rate("18")
    metric = make.make_metric("auth.otp", name="One-time passwords", dimensions=["channel"])
    account = make.make_account(make.make_customer(gstin=make.a_gstin("29")))
    priced(make.per_unit(metric, "2.50", name="SMS"), make.fee("1000"), account=account)
    use(account, metric, 2, channel="sms")
    use(account, metric, 1, at=NOON + timedelta(days=1), channel="email")
    return issue_for(account)


def page_of(invoice: Invoice, n: int, **more: str) -> str:
    asked = "".join(f"&{name}={quote(value)}" for name, value in more.items())
    return f"/admin/invoices/line/?id={invoice.id}&n={n}{asked}"


def usage_line(invoice: Invoice) -> int:
    return next(line.n for line in invoice.lines if line.metric_code)


def test_a_line_is_followed_to_its_days_buckets_and_events(invoice: Invoice, desk: Person) -> None:
    n = usage_line(invoice)
    whole = desk.text(page_of(invoice, n))
    assert "3 messages in the period, priced as a whole: ₹7.50." in whole
    assert "exactly those that this line was made of" in whole
    assert "day=2026-10-15" in whole
    day = desk.text(page_of(invoice, n, day="2026-10-15"))
    assert "channel sms" in day
    assert "bucket=2026-10-15T06%3A30%3A00%2B00%3A00" in day
    assert "channel email" not in day
    events = desk.text(page_of(invoice, n, bucket="2026-10-15T06:30:00+00:00"))
    assert events.count("channel sms") == 2


def test_a_fee_shows_its_fraction_and_no_usage(invoice: Invoice, desk: Person) -> None:
    n = next(line.n for line in invoice.lines if not line.metric_code)
    page = desk.text(page_of(invoice, n))
    assert "31 of 31 days" in page
    assert "Usage by day" not in page


@pytest.mark.parametrize("more", [{"day": "soon"}, {"bucket": "soon"}])
def test_a_place_that_is_none_is_not_found(invoice: Invoice, desk: Person, more: dict[str, str]) -> None:
    assert desk.get(page_of(invoice, usage_line(invoice), **more)).status_code == 404


def test_support_reads_explanations_too(invoice: Invoice, at_desk: Desk) -> None:
    assert at_desk(Role.support).get(page_of(invoice, 1)).status_code == 200


def test_the_console_shows_what_waits(invoice: Invoice, desk: Person) -> None:
    page = desk.text("/admin/billing/")
    assert "Nothing is parked: every check was passed." in page
    assert str(invoice.number) in page
    assert "₹1,189.00" in page


def test_support_reads_the_console_and_starts_nothing(invoice: Invoice, at_desk: Desk) -> None:
    page = at_desk(Role.support).text("/admin/billing/")
    assert "Generate invoice" not in page
    assert str(invoice.number) in page


def test_an_issued_invoice_re_rated_shows_no_difference_in_the_same_bytes(
    invoice: Invoice, desk: Person
) -> None:
    first, second = (desk.text(f"/admin/invoices/rerate/?id={invoice.id}") for _ in range(2))
    assert "No difference: every line comes to exactly what was billed." in first
    (found,) = re.findall(r"SHA-256 <code class=\"code\">([0-9a-f]{64})</code>", first)
    assert found in second


def test_the_page_tells_how_the_invoice_came_to_where_it_stands(invoice: Invoice, desk: Person) -> None:
    page = desk.text(f"/admin/invoices/details/?id={invoice.id}")
    assert f"<strong>Issued</strong> <bdi>{invoice.number} over ₹1,189.00</bdi>" in page
    assert "₹1,189.00 is open" in page
    assert f"/admin/invoices/line/?id={invoice.id}&amp;n=1" in page
