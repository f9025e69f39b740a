"""The envelope of every answer: success, resources, lists with cursors, and what a refusal looks like."""

import json
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import psycopg
from flask import Response, g, request
from sqlalchemy import Select, tuple_
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, OperationalError, TimeoutError
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from app import clock, personal
from app.api.body import Page
from app.db import db
from app.domain.errors import IllegalMove, RuleBroken
from app.domain.money import CURRENCIES, plain
from app.errors import DomainError, FieldError, Invalid, RateLimited
from app.registry import UnknownName

VERSION = "v1"
RETRY_AFTER_SECONDS = 1
ANSWER_HEADERS = (("Content-Type", "application/json"), ("Cache-Control", "no-store"))

log = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode

HTTP_CODES = {
    400: "invalid",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
}
HTTP_MESSAGES = {
    404: "There is no such thing here.",
    405: "This address does not take that method.",
    413: "The body is too large.",
}


def success(data: Any, status: int = 200, next_cursor: str | None = None, **meta: Any) -> Response:
    """Return the answer that carries `data`: a resource, a list of them, or None.

    Decimals, instants and ids inside are written as text. A list's `next_cursor` goes into `meta`, null on
    its last page.
    """
    if isinstance(data, list):
        meta["next_cursor"] = next_cursor
    return answer({"status": "success", "data": personal.answered(data), "meta": _meta(meta)}, status)


def answer(document: dict[str, Any], status: int) -> Response:
    """Return `document` as a JSON response that no cache keeps."""
    return Response(encode(document), status, ANSWER_HEADERS)


def encode(document: Any) -> bytes:
    """Return `document` as JSON; half of a surrogate pair, told back to who sent it, as the escape it was."""
    try:
        return _encode(document)
    except UnicodeEncodeError:
        return json.dumps(msgspec.to_builtins(document)).encode()


def resource(
    type: str,
    id: Any,
    attributes: dict[str, Any],
    relationships: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return one resource. `relationships` maps a name to `related(type, id)`, or to None where there is
    nothing.
    """
    return {"id": str(id), "type": type, "attributes": attributes, "relationships": relationships or {}}


def related(type: str, id: Any) -> dict[str, str] | None:
    """Return the entry of a relationship, None for no id."""
    return None if id is None else {"id": str(id), "type": type}


def decimal_text(value: Decimal | None, currency: str | None = None) -> str | None:
    """Return a decimal as the wire writes it: plain, never with an exponent; money with the currency's own
    decimals at least.

    >>> decimal_text(Decimal("118"), "INR"), decimal_text(Decimal("0.50000")), decimal_text(Decimal("1E+3"))
    ('118.00', '0.5', '1000')
    """
    if value is None:
        return None
    whole, _, decimals = plain(value).partition(".")
    decimals = decimals.ljust(CURRENCIES.get(currency or "", 0), "0")
    return f"{whole}.{decimals}" if decimals else whole


def instant_text(value: datetime | None) -> str | None:
    """Return an instant as RFC 3339 in UTC.

    >>> instant_text(datetime(2026, 10, 31, 18, 30, tzinfo=UTC))
    '2026-10-31T18:30:00Z'
    """
    return None if value is None else value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def paginate(
    query: Select[Any], page: Page, key: Sequence[Any], *, descending: bool = True
) -> tuple[list[Any], str | None]:
    """Return one page of `query` and the cursor of the next, by keyset: page 10,000 costs what page 1 does.

    `key` are mapped columns of the selected entity that together are unique and end in a unique one, for
    instance `(Invoice.created_at, Invoice.id)`.

    Raises:
        Invalid: the cursor was not made by this list.
    """
    if page.cursor is not None:
        last = _open_cursor(page.cursor, key)
        # The bound on the first column alone is implied, but it is what lets PostgreSQL skip partitions.
        if descending:
            query = query.where(key[0] <= last[0], tuple_(*key) < tuple_(*last))
        else:
            query = query.where(key[0] >= last[0], tuple_(*key) > tuple_(*last))
    query = query.order_by(*(column.desc() if descending else column.asc() for column in key))
    rows = list(db.session.scalars(query.limit(page.limit + 1)))
    if len(rows) <= page.limit:
        return rows, None
    rows = rows[: page.limit]
    return rows, _make_cursor([getattr(rows[-1], column.key) for column in key])


def _make_cursor(values: list[Any]) -> str:
    return msgspec.json.encode(values).hex()


def _open_cursor(cursor: str, key: Sequence[Any]) -> list[Any]:
    try:
        types = tuple(column.type.python_type for column in key)
        return list(msgspec.json.decode(bytes.fromhex(cursor), type=tuple[types]))  # type: ignore[valid-type]
    except (ValueError, msgspec.MsgspecError):
        raise Invalid.at("/cursor", "Use the `next_cursor` of the page before.", code="bad_cursor") from None


def failure(error: Exception) -> Response:
    """Return the answer that tells of `error`; what nobody foresaw is logged under the reference that the
    caller gets.
    """
    if isinstance(error, RequestRedirect):
        return Response("", error.code, {"Location": error.new_url})
    if isinstance(error, DomainError):
        response = _refusal(error.code, error.message, error.status, error.fields)
        if isinstance(error, RateLimited):
            response.headers["Retry-After"] = str(error.retry_after_seconds)
        elif error.status == 503:
            response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
        elif error.status == 401:
            response.headers["WWW-Authenticate"] = "Bearer"
        return response
    if isinstance(error, RuleBroken):
        return _refusal(
            error.code, error.message, 400, [FieldError(error.pointer, error.code, error.message)]
        )
    if isinstance(error, IllegalMove):
        return _refusal("illegal_transition", str(error), 409)
    if isinstance(error, UnknownName):
        return _refusal("invalid", str(error), 400)
    if isinstance(error, HTTPException):
        return _http_failure(error)
    if isinstance(error, IntegrityError):
        return _refusal("conflict", "Another record has this already, or still depends on it.", 409)
    if isinstance(error, DataError):
        return _refusal("invalid", "A value is outside of what can be stored.", 400)
    return _unforeseen(error)


def _http_failure(error: HTTPException) -> Response:
    status = error.code or 500
    message = HTTP_MESSAGES.get(status) or error.description or "The request cannot be served."
    response = _refusal(HTTP_CODES.get(status, "error"), message, status)
    for name, value in error.get_headers():
        if name in {"Allow", "Retry-After"}:
            response.headers[name] = value
    return response


def _unforeseen(error: Exception) -> Response:
    away = isinstance(error, (OperationalError, TimeoutError, psycopg.OperationalError)) or (
        isinstance(error, DBAPIError) and error.connection_invalidated
    )
    log.error("request failed", exc_info=error, extra={"method": request.method, "path": request.path})
    if away:
        message = "The database did not answer; the outcome is unknown. Send the same again, same ids."
        response = _refusal("unavailable", message, 503)
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
        return response
    return _refusal("internal_error", "Something went wrong here. Tell us the reference if it stays.", 500)


def _refusal(code: str, message: str, status: int, fields: Sequence[FieldError] = ()) -> Response:
    return answer(refusal(code, message, fields), status)


def refusal(code: str, message: str, fields: Sequence[FieldError] = ()) -> dict[str, Any]:
    """Return the document of an error; its `reference` is the request's id, which is in the log as well."""
    entries = [{"pointer": field.pointer, "code": field.code, "message": field.message} for field in fields]
    error = {"code": code, "message": message, "fields": entries, "reference": g.get("request_id", "")}
    return {"status": "error", "error": error, "meta": _meta({})}


def _meta(more: dict[str, Any]) -> dict[str, Any]:
    return {"timestamp": instant_text(clock.now()), "version": VERSION, **more}
