"""The tax data that people keep: rates, exchange rates, taxes collected abroad (docs/ops/tax.md)."""

from datetime import date
from typing import Annotated, Any, TypeVar
from uuid import UUID

from flask import Blueprint, Response
from sqlalchemy import select

from app.api.body import (
    UNSET,
    Body,
    CountryCode,
    CurrencyCode,
    Meta,
    NonNegative,
    Page,
    Positive,
    UnsetType,
    given,
)
from app.api.endpoint import endpoint
from app.api.envelope import decimal_text, paginate, resource, success
from app.api.guards import current_actor, guard
from app.api.idempotency import idempotent
from app.api.serializers import need_staff
from app.db import Base, db
from app.errors import NotFound
from app.models import ExchangeRate, TaxCollector, TaxRate
from app.services import exchange_rates, tax_tables

blueprint = Blueprint("taxes", __name__)

WHAT = "Tax data"

R = TypeVar("R", bound=Base)

Code = Annotated[str, Meta(max_length=8, description="SAC of 4, 6 or 8 digits; `*` is every other code")]
Percent = Annotated[NonNegative, Meta(description="Percent, 0 to 100")]
Rupees = Annotated[Positive, Meta(description="Rupees for one unit")]


class NewTaxRate(Body):
    """A rate from a day on."""

    service_code: Code
    rate: Percent
    valid_from: date
    jurisdiction: CountryCode | UnsetType = UNSET


class TaxRateChange(Body):
    """A slip of the pen mended; a new rate is a row of its own."""

    service_code: Code | UnsetType = UNSET
    rate: Percent | UnsetType = UNSET
    valid_from: date | UnsetType = UNSET
    jurisdiction: CountryCode | UnsetType = UNSET


class NewExchangeRate(Body):
    """What one unit of a currency is in rupees from a day on."""

    currency: CurrencyCode
    rate: Rupees
    valid_from: date
    source: Annotated[str, Meta(min_length=1, max_length=200, description="Who published it")]
    valid_until: date | UnsetType | None = UNSET


class ExchangeRateChange(Body):
    """A slip of the pen mended, or its last day."""

    rate: Rupees | UnsetType = UNSET
    valid_until: date | UnsetType | None = UNSET
    source: Annotated[str, Meta(min_length=1, max_length=200)] | UnsetType = UNSET


class NewCollector(Body):
    """Another country's tax that the seller is registered to collect."""

    country: CountryCode
    tax_name: Annotated[str, Meta(min_length=1, max_length=10, description="As documents name it: PPN")]
    number: Annotated[str, Meta(min_length=1, max_length=50, description="The seller's tax number there")]
    valid_from: date
    valid_until: date | UnsetType | None = UNSET


class CollectorChange(Body):
    """Country and first day stay."""

    tax_name: Annotated[str, Meta(min_length=1, max_length=10)] | UnsetType = UNSET
    number: Annotated[str, Meta(min_length=1, max_length=50)] | UnsetType = UNSET
    valid_until: date | UnsetType | None = UNSET


@blueprint.get("/admin/tax-rates")
@guard("settings", "read")
@endpoint("List tax rates", query=Page, answers="tax_rate", many=True)
def list_tax_rates(query: Page) -> Response:
    """The newest first."""
    need_staff(WHAT)
    rows, cursor = paginate(select(TaxRate), query, (TaxRate.id,))
    return success([_tax_rate(row) for row in rows], next_cursor=cursor)


@blueprint.post("/admin/tax-rates")
@guard("settings", "write")
@idempotent
@endpoint("Enter a tax rate", body=NewTaxRate, answers="tax_rate", status=201)
def enter_tax_rate(body: NewTaxRate) -> Response:
    """In India by default."""
    need_staff(WHAT)
    return success(_tax_rate(tax_tables.create_rate(given(body), actor=current_actor())), 201)


@blueprint.patch("/admin/tax-rates/<uuid:rate_id>")
@guard("settings", "write")
@idempotent
@endpoint("Correct a tax rate", body=TaxRateChange, answers="tax_rate")
def change_tax_rate(rate_id: UUID, body: TaxRateChange) -> Response:
    """Issued documents keep theirs."""
    need_staff(WHAT)
    row = _get(TaxRate, rate_id, "tax rate")
    return success(_tax_rate(tax_tables.change_rate(row, given(body), actor=current_actor())))


@blueprint.get("/admin/exchange-rates")
@guard("settings", "read")
@endpoint("List exchange rates", query=Page, answers="exchange_rate", many=True)
def list_exchange_rates(query: Page) -> Response:
    """The newest first."""
    need_staff(WHAT)
    rows, cursor = paginate(select(ExchangeRate), query, (ExchangeRate.id,))
    return success([_exchange_rate(row) for row in rows], next_cursor=cursor)


@blueprint.post("/admin/exchange-rates")
@guard("settings", "write")
@idempotent
@endpoint("Enter an exchange rate", body=NewExchangeRate, answers="exchange_rate", status=201)
def enter_exchange_rate(body: NewExchangeRate) -> Response:
    """It holds until the next one of the currency begins, or until its last day."""
    need_staff(WHAT)
    return success(_exchange_rate(exchange_rates.create(given(body), actor=current_actor())), 201)


@blueprint.patch("/admin/exchange-rates/<uuid:rate_id>")
@guard("settings", "write")
@idempotent
@endpoint("Correct an exchange rate", body=ExchangeRateChange, answers="exchange_rate")
def change_exchange_rate(rate_id: UUID, body: ExchangeRateChange) -> Response:
    """Issued documents keep the rate that they say."""
    need_staff(WHAT)
    row = _get(ExchangeRate, rate_id, "exchange rate")
    return success(_exchange_rate(exchange_rates.update(row, given(body), actor=current_actor())))


@blueprint.get("/admin/tax-collectors")
@guard("settings", "read")
@endpoint("List the taxes collected abroad", query=Page, answers="tax_collector", many=True)
def list_collectors(query: Page) -> Response:
    """The newest first."""
    need_staff(WHAT)
    rows, cursor = paginate(select(TaxCollector), query, (TaxCollector.id,))
    return success([_collector(row) for row in rows], next_cursor=cursor)


@blueprint.post("/admin/tax-collectors")
@guard("settings", "write")
@idempotent
@endpoint("Collect another country's tax", body=NewCollector, answers="tax_collector", status=201)
def enter_collector(body: NewCollector) -> Response:
    """Customers of that country are then charged at its tax rates."""
    need_staff(WHAT)
    return success(_collector(tax_tables.create_collector(given(body), actor=current_actor())), 201)


@blueprint.patch("/admin/tax-collectors/<uuid:collector_id>")
@guard("settings", "write")
@idempotent
@endpoint("Change a tax collected abroad", body=CollectorChange, answers="tax_collector")
def change_collector(collector_id: UUID, body: CollectorChange) -> Response:
    """Issued documents keep what they say."""
    need_staff(WHAT)
    row = _get(TaxCollector, collector_id, "entry")
    return success(_collector(tax_tables.change_collector(row, given(body), actor=current_actor())))


def _get(model: type[R], key: UUID, noun: str) -> R:
    row = db.session.get(model, key)
    if row is None:
        raise NotFound(f"There is no such {noun}.")
    return row


def _tax_rate(row: TaxRate) -> dict[str, Any]:
    names = ("jurisdiction", "service_code", "valid_from")
    shown = {name: getattr(row, name) for name in names}
    return resource("tax_rate", row.id, {**shown, "rate": decimal_text(row.rate)})


def _exchange_rate(row: ExchangeRate) -> dict[str, Any]:
    names = ("currency", "valid_from", "valid_until", "source")
    shown = {name: getattr(row, name) for name in names}
    return resource("exchange_rate", row.id, {**shown, "rate": decimal_text(row.rate)})


def _collector(row: TaxCollector) -> dict[str, Any]:
    names = ("country", "tax_name", "number", "valid_from", "valid_until")
    return resource("tax_collector", row.id, {name: getattr(row, name) for name in names})
