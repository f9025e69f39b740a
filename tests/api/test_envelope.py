from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import psycopg
import pytest
from flask import Flask
from sqlalchemy.exc import DataError, IntegrityError, OperationalError, TimeoutError

from app.api.envelope import decimal_text, failure, instant_text
from app.domain.errors import IllegalMove, RuleBroken
from app.errors import InsufficientFunds, Invalid, RateLimited, Unavailable
from app.registry import UnknownName

SECRET = "SELECT card FROM everything"


@pytest.mark.parametrize(
    ("value", "currency", "text"),
    [
        ("118", "INR", "118.00"),
        ("118.5", "INR", "118.50"),
        ("0.0125", "INR", "0.0125"),
        ("118.0000", "JPY", "118"),
        ("1.5", "KWD", "1.500"),
        ("0.50000", None, "0.5"),
        ("1E+3", None, "1000"),
        ("-0.00", "INR", "0.00"),
        ("-12.3400", "INR", "-12.34"),
    ],
)
def test_decimals_are_written_plainly(value: str, currency: str | None, text: str) -> None:
    assert decimal_text(Decimal(value), currency) == text


def test_instants_are_written_in_utc() -> None:
    at = datetime(2026, 11, 1, 0, 0, tzinfo=timezone(timedelta(hours=5, minutes=30)))

    assert instant_text(at) == "2026-10-31T18:30:00Z"
    assert instant_text(datetime(2026, 1, 2, 3, 4, 5, 600, tzinfo=UTC)) == "2026-01-02T03:04:05.000600Z"
    assert instant_text(None) is None


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Invalid("No."), 400, "invalid"),
        (InsufficientFunds("No."), 409, "insufficient_funds"),
        (RateLimited("No.", retry_after_seconds=7), 429, "rate_limited"),
        (Unavailable("No."), 503, "unavailable"),
        (RuleBroken("/unit", "not_a_number", "No."), 400, "not_a_number"),
        (IllegalMove("invoice", "paid", "draft", ()), 409, "illegal_transition"),
        (UnknownName("price model", "magic", ("flat",)), 400, "invalid"),
        (IntegrityError(SECRET, {}, Exception()), 409, "conflict"),
        (DataError(SECRET, {}, Exception()), 400, "invalid"),
        (OperationalError(SECRET, {}, Exception()), 503, "unavailable"),
        (psycopg.OperationalError(SECRET), 503, "unavailable"),
        (TimeoutError(SECRET), 503, "unavailable"),
        (KeyError(SECRET), 500, "internal_error"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_every_error_has_its_status_and_code_and_never_shows_sql(
    error: Exception, status: int, code: str, app: Flask
) -> None:
    with app.test_request_context("/api/v1/x"):
        response = failure(error)

    assert (response.status_code, response.json["error"]["code"]) == (status, code)
    assert "SELECT" not in response.get_data(as_text=True)
    assert ("Retry-After" in response.headers) == (status in {429, 503})
