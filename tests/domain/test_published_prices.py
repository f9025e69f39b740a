"""Price lists that others publish, typed in by hand, with the bills they work out or that follow from them by
hand. More of them stand beside their models in `test_pricing.py`: Stripe's and Lago's documented examples."""

from decimal import Decimal
from typing import Any

import pytest

from app.domain.pricing import Usage, parse_terms, price
from app.domain.quotes import quote

# Meta's rates for India from 1 January 2026, per delivered message in INR, as whats91.com/pricing lists them.
WHATSAPP_UTILITY = [
    {"up_to": "750000", "unit": "0.1150"},
    {"up_to": "15000000", "unit": "0.1081"},
    {"up_to": "20000000", "unit": "0.1012"},
    {"up_to": "50000000", "unit": "0.0943"},
    {"up_to": "100000000", "unit": "0.0874"},
    {"up_to": None, "unit": "0.0805"},
]
WHATSAPP_MARKETING = "0.8631"

# AWS data transfer out to the internet per GB (1 TB = 1,024 GB), as devnotes.tech and
# thenegotiationexperts.com list it: 10, 40 and 100 TB, then the rest.
AWS_EGRESS = [
    {"up_to": "10240", "unit": "0.09"},
    {"up_to": "51200", "unit": "0.085"},
    {"up_to": "153600", "unit": "0.07"},
    {"up_to": None, "unit": "0.05"},
]


def amount(model: str, quantity: str, **terms: Any) -> str:
    """The amount in dollars for a quantity."""
    return str(price(parse_terms(model, terms), Usage(Decimal(quantity)), "USD").amount)


def fee(*values: str, **terms: Any) -> str:
    """The amount in dollars for payments of these values."""
    events = tuple(Decimal(value) for value in values)
    used = Usage(sum(events, Decimal(0)), events, len(events))
    return str(price(parse_terms("percentage", terms), used, "USD").amount)


@pytest.mark.parametrize(
    ("messages", "rupees"),
    [
        ("750000", "86250.00"),
        ("750001", "86250.11"),  # + 0.1081
        ("15000000", "1626675.00"),  # + 14,250,000 × 0.1081
        ("20000000", "2132675.00"),  # + 5,000,000 × 0.1012
        ("50000000", "4961675.00"),  # + 30,000,000 × 0.0943
        ("100000000", "9331675.00"),  # + 50,000,000 × 0.0874
        ("120000000", "10941675.00"),  # + 20,000,000 × 0.0805
    ],
)
def test_whatsapp_utility_messages_in_india(messages: str, rupees: str) -> None:
    terms = parse_terms("graduated", {"tiers": WHATSAPP_UTILITY})
    assert str(price(terms, Usage(Decimal(messages)), "INR").amount) == rupees


def test_a_whatsapp_bill_of_three_categories() -> None:
    """250,000 utility messages beyond the first tier at 0.1081, marketing at one rate, service free."""
    message = {"metric": "message", "model": "per_unit"}
    components = [
        {**message, "unit": "0", "filters": {"category": "service"}},
        {**message, "unit": WHATSAPP_MARKETING, "filters": {"category": "marketing"}},
        {"metric": "message", "model": "graduated", "tiers": WHATSAPP_UTILITY},
    ]
    sent = {"service": "40000", "marketing": "10000", "utility": "1000000"}
    used = [
        {"metric": "message", "quantity": quantity, "dimensions": {"category": category}}
        for category, quantity in sent.items()
    ]
    answer = quote(components, used, "INR")
    assert [line["amount"] for line in answer["lines"]] == ["0.00", "8631.00", "113275.00"]
    assert answer["total"] == "121906.00"


@pytest.mark.parametrize(
    ("gigabytes", "dollars"),
    [
        ("10240", "921.60"),
        ("15360", "1356.80"),  # devnotes.tech: 921.60 + 5,120 × 0.085
        ("204800", "14131.20"),  # 921.60 + 3,481.60 + 7,168 + 51,200 × 0.05
    ],
)
def test_aws_data_transfer_out(gigabytes: str, dollars: str) -> None:
    assert amount("graduated", gigabytes, tiers=AWS_EGRESS) == dollars


def test_aws_data_transfer_out_after_the_free_hundred_gigabytes() -> None:
    """cloud-cost-557.pages.dev: of 5 TB 5,020 GB are paid at 0.09, about 452."""
    assert amount("graduated", "5120", tiers=AWS_EGRESS, free_units="100") == "451.80"


def test_aws_sydney_prices_the_second_gigabyte_of_all_services_together() -> None:
    """chengqing.dev: the first GB of a month is free; S3 and EC2 with one each pay 0.114, not nothing."""
    tiers = [
        {"up_to": "1", "unit": "0"},
        {"up_to": "10240", "unit": "0.114"},
        {"up_to": None, "unit": "0.098"},
    ]
    used = [{"metric": "egress", "quantity": "1", "dimensions": {"service": name}} for name in ("s3", "ec2")]
    together = {"metric": "egress", "model": "graduated", "tiers": tiers}
    assert quote([together], used, "USD")["lines"][0]["amount_exact"] == "0.114"
    assert quote([{**together, "group_by": "service"}], used, "USD")["total"] == "0.00"


@pytest.mark.parametrize(
    ("requests", "per_thousand", "dollars"), [("1000000", "0.00113", "1.13"), ("9000000", "0.00003", "0.27")]
)
def test_s3_express_requests_by_the_thousand(requests: str, per_thousand: str, dollars: str) -> None:
    """aws.amazon.com/s3/faqs, S3 Express One Zone, example 1."""
    assert amount("package", requests, size="1000", price=per_thousand) == dollars


@pytest.mark.parametrize(
    ("payment", "dollars"),
    [
        ("5", "0.45"),  # 0.445
        ("10", "0.59"),
        ("25", "1.03"),  # 1.025
        ("50", "1.75"),
        ("100", "3.20"),
        ("250", "7.55"),
        ("500", "14.80"),
        ("2500", "72.80"),
    ],
)
def test_a_card_fee_of_a_percentage_and_a_fixed_part(payment: str, dollars: str) -> None:
    """Stripe's 2.9 % and 30 cents in the US, as fee-calc.com and thetoolsforge.com work it out."""
    assert fee(payment, rate="2.9", fixed="0.30") == dollars


def test_card_fees_of_a_month_are_rounded_once_and_not_each() -> None:
    """0.445 + 1.025 is 1.47; the two rounded fees of the table would be 1.48."""
    assert fee("5", "25", rate="2.9", fixed="0.30") == "1.47"


def test_a_debit_fee_ends_at_its_greatest() -> None:
    """Stripe's ACH debit, 0.8 % and at most 5 dollars (feecalculater.com): reached at 625."""
    debit = {"rate": "0.8", "max_per_event": "5"}
    assert [fee(value, **debit) for value in ("100", "625", "10000")] == ["0.80", "5.00", "5.00"]
    assert fee("100", "625", "10000", **debit) == "10.80"
