"""Vouchers for money in advance, and what is to be paid for an amount in the wallet (CGST Rules 50, 51)."""

from typing import Annotated, Any
from uuid import UUID

from flask import Blueprint, Response
from sqlalchemy import Select, select

from app import clock
from app.api.attachments import PDF, pdf_of
from app.api.body import Meta, Page, Text
from app.api.endpoint import endpoint
from app.api.envelope import decimal_text, instant_text, paginate, related, resource, success
from app.api.guards import get_account, guard, limit_to_caller
from app.api.wallet_parts import get_wallet
from app.db import db
from app.domain.numbering import ist_date
from app.errors import NotFound
from app.models import Voucher
from app.models.vouchers import VoucherKind
from app.services import advance_tax
from app.services.invoice_lines import taxes_json
from app.services.wallet_rules import read_amount

blueprint = Blueprint("vouchers", __name__)


class ListQuery(Page):
    """Which vouchers."""

    account_id: Annotated[Text | None, Meta(description="The account's id or external id.")] = None
    wallet_id: UUID | None = None
    kind: VoucherKind | None = None


class Wanted(Page):
    """What the wallet is to get."""

    amount: Annotated[str, Meta(description='A decimal such as "1000.00".')] = ""


@blueprint.get("/vouchers")
@guard("billing", "read")
@endpoint("List vouchers", query=ListQuery, answers="voucher", many=True)
def list_vouchers(query: ListQuery) -> Response:
    """The newest first: receipt vouchers of top-ups and refund vouchers of what went back."""
    chosen = _visible()
    if query.account_id:
        chosen = chosen.where(Voucher.account_id == get_account(query.account_id).id)
    if query.wallet_id is not None:
        chosen = chosen.where(Voucher.wallet_id == query.wallet_id)
    if query.kind is not None:
        chosen = chosen.where(Voucher.kind == query.kind)
    rows, cursor = paginate(chosen, query, (Voucher.issued_at, Voucher.id))
    return success([_voucher(row) for row in rows], next_cursor=cursor)


@blueprint.get("/vouchers/<uuid:voucher_id>")
@guard("billing", "read")
@endpoint("Read a voucher", answers="voucher")
def read_voucher(voucher_id: UUID) -> Response:
    """`taxable` went into the wallet or out of it, `tax` with it, `amount` is both."""
    return success(_voucher(_get(voucher_id)))


@blueprint.get("/vouchers/<uuid:voucher_id>/pdf")
@guard("billing", "read")
@endpoint("Download a voucher", media=PDF)
def download(voucher_id: UUID) -> Response:
    """The PDF, the same bytes each time."""
    return pdf_of(lambda: _get(voucher_id))


@blueprint.get("/wallets/<uuid:wallet_id>/top-ups/quote")
@guard("wallets", "read")
@endpoint("Show what a top-up costs", query=Wanted, answers="top_up_quote")
def quote(wallet_id: UUID, query: Wanted) -> Response:
    """`amount` is what the wallet gets, `to_pay` that with the tax which falls due on money in advance."""
    wallet = get_wallet(wallet_id)
    wanted = read_amount(query.amount, wallet)
    split = advance_tax.to_collect(wallet.account, wanted, on=ist_date(clock.now()))
    figures = {"amount": split.taxable, "tax": split.tax, "to_pay": split.amount}
    attributes = {name: decimal_text(value, wallet.currency) for name, value in figures.items()}
    taxes = taxes_json(split.parts, wallet.currency)
    return success(
        resource("top_up_quote", wallet.id, {**attributes, "currency": wallet.currency, "taxes": taxes}, {})
    )


def _voucher(row: Voucher) -> dict[str, Any]:
    attributes = {
        "kind": row.kind,
        "number": row.number,
        "issued_on": row.issued_on.isoformat(),
        "currency": row.currency,
        "place_of_supply": row.place_of_supply,
        "sac": row.service_code,
        "rate": decimal_text(row.rate),
        "taxable": decimal_text(row.taxable, row.currency),
        "tax": decimal_text(row.tax, row.currency),
        "amount": decimal_text(row.amount, row.currency),
        "taxes": row.taxes,
        "created_at": instant_text(row.created_at),
    }
    relationships = {
        "account": related("account", row.account_id),
        "wallet": related("wallet", row.wallet_id),
        "transaction": related("wallet_transaction", row.transaction_id),
        "payment": related("payment", row.payment_id),
        "receipt": related("voucher", row.receipt_id),
    }
    return resource("voucher", row.id, attributes, relationships)


def _visible() -> Select[Any]:
    return limit_to_caller(select(Voucher), Voucher.account_id)


def _get(voucher_id: UUID) -> Voucher:
    row: Voucher | None = db.session.scalar(_visible().where(Voucher.id == voucher_id))
    if row is None:
        raise NotFound("There is no such voucher.")
    return row
