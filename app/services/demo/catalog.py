"""What the demonstration sells: one-time passwords by three channels, and the traffic of a web site."""

from collections.abc import Mapping
from typing import Any

METRICS: tuple[dict[str, Any], ...] = (
    {
        "code": "auth.otp",
        "name": "One-time passwords",
        "aggregation": "sum",
        "unit": "message",
        "dimensions": ["channel", "country"],
    },
    {
        "code": "requests",
        "name": "Requests to the site",
        "aggregation": "count",
        "unit": "request",
        "dimensions": ["section", "method"],
    },
    {
        "code": "bytes",
        "name": "Bytes sent by the site",
        "aggregation": "sum",
        "value_property": "bytes",
        "unit": "byte",
    },
)

CHANNELS = {"sms": "SMS", "whatsapp": "WhatsApp", "email": "E-mail"}
CURRENCIES = ("INR", "USD", "IDR")
RUPEES_FOR_ONE = {"USD": "83.25", "IDR": "0.0052"}
RATE_SOURCE = "Example, to be replaced by the rates of your bank"

# Per channel the price per message in INR, USD and IDR.
STARTER = {
    "sms": ("0.25", "0.0075", "350"),
    "whatsapp": ("0.20", "0.0060", "280"),
    "email": ("0.04", "0.0006", "15"),
}
# A monthly fee, and per channel the prices up to each bound; beyond the last bound the last price holds.
GROWTH_FEE = ("4999", "79", "1200000")
GROWTH = {
    "sms": (
        (25_000, 100_000),
        (("0.22", "0.19", "0.16"), ("0.0068", "0.0060", "0.0052"), ("320", "290", "260")),
    ),
    "whatsapp": ((25_000,), (("0.17", "0.14"), ("0.0052", "0.0045"), ("250", "220"))),
    "email": ((10_000,), (("0", "0.03"), ("0", "0.0004"), ("0", "10"))),
}
ENTERPRISE_FEE = ("49999", "799", "12000000")
ENTERPRISE = {
    "sms": (
        (250_000, 1_000_000),
        (("0.15", "0.13", "0.11"), ("0.0050", "0.0045", "0.0040"), ("250", "230", "210")),
    ),
    "whatsapp": ((250_000,), (("0.12", "0.10"), ("0.0040", "0.0035"), ("210", "190"))),
    "email": ((100_000,), (("0", "0.02"), ("0", "0.0003"), ("0", "8"))),
}

Tiers = Mapping[str, tuple[tuple[int, ...], tuple[tuple[str, ...], ...]]]


def plans() -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Return the plans as `(attributes, prices)`, ready for `services.plans.create`."""
    return [
        (
            {"code": "starter", "name": "Starter", "description": "Pay as you go: one price per message."},
            [_per_unit(channel, n, prices[n]) for channel, prices in STARTER.items() for n in range(3)],
        ),
        (
            {
                "code": "growth",
                "name": "Growth",
                "description": "A monthly fee and prices that fall with volume.",
            },
            [*_fees(GROWTH_FEE), *_graduated(GROWTH)],
        ),
        (
            {"code": "enterprise", "name": "Enterprise", "description": "For millions of messages a month."},
            [*_fees(ENTERPRISE_FEE), *_graduated(ENTERPRISE)],
        ),
        (
            {
                "code": "web-traffic",
                "name": "Web traffic",
                "description": "Requests and bytes of a web site.",
            },
            list(WEB_TRAFFIC),
        ),
    ]


WEB_TRAFFIC: tuple[dict[str, Any], ...] = (
    {
        "code": "requests",
        "name": "Requests",
        "metric": "requests",
        "model": "graduated",
        "tiers": [
            {"up_to": "100", "unit": "0"},
            {"up_to": "1000", "unit": "0.50"},
            {"up_to": None, "unit": "0.30"},
        ],
    },
    {
        "code": "bytes",
        "name": "Bytes",
        "metric": "bytes",
        "model": "per_unit",
        # ₹0.02 per million bytes
        "unit": "0.00000002",
    },
)


def _per_unit(channel: str, n: int, unit: str) -> dict[str, Any]:
    return {**_usage(channel, n), "model": "per_unit", "unit": unit}


def _fees(amounts: tuple[str, ...]) -> list[dict[str, Any]]:
    return [
        {"code": "fee", "name": "Monthly fee", "model": "flat", "price": amount, "currency": currency}
        for amount, currency in zip(amounts, CURRENCIES, strict=True)
    ]


def _graduated(tiers: Tiers) -> list[dict[str, Any]]:
    return [
        {**_usage(channel, n), "model": "graduated", "tiers": _tiers(bounds, prices[n])}
        for channel, (bounds, prices) in tiers.items()
        for n in range(3)
    ]


def _tiers(bounds: tuple[int, ...], prices: tuple[str, ...]) -> list[dict[str, Any]]:
    ends = [*(str(bound) for bound in bounds), None]
    return [{"up_to": end, "unit": price} for end, price in zip(ends, prices, strict=True)]


def _usage(channel: str, n: int) -> dict[str, Any]:
    return {
        "code": channel,
        "name": f"One-time passwords by {CHANNELS[channel]}",
        "metric": "auth.otp",
        "currency": CURRENCIES[n],
        "filters": {"channel": channel},
    }
