"""The screen that makes an invoice (specification 6.3.3): account, period, lines, a live preview.

It works by forms alone. With scripts (js/invoice.js) the preview follows what is typed, and lines are added
without loading the page; what was typed is never lost.
"""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from flask import Response, flash, jsonify, redirect, request
from flask_admin import expose

from admin_views.access import current_actor, require
from admin_views.lookups import Lookup
from app import clock
from app.db import in_transaction
from app.errors import DomainError, FieldError, Invalid
from app.models import Account
from app.models.invoices import InvoiceStatus
from app.permissions import Verb
from app.services import generating
from app.services.generating import Order, Shown
from app.services.inputs import raise_all
from app.templating import DEFAULT_ZONE

LINE_FIELDS = ("description", "quantity", "unit_price", "sac")
MOST_LINES = 200
ROUTES = frozenset({"generate_view", "preview_view"})
NOTHING_TO_BILL = "Nothing was used and nothing is owed in this period: add a line."
MEND_FIRST = "Some fields cannot be used yet: what the invoice would be stands here once they can."

# What the API says in the words of JSON.
MESSAGES = {"not_a_number": "Write a number, such as 118.00."}


class GenerateRoutes:
    """What the screen of invoices knows about making one."""

    resource: str
    render: Callable[..., str]
    get_url: Callable[..., str]

    def _handle_view(self, name: str, /, **values: Any) -> None:
        if name in ROUTES:
            require(self.resource, Verb.write)
        else:
            super()._handle_view(name, **values)  # type: ignore[misc]

    @expose("/generate/", methods=("GET", "POST"))
    def generate_view(self) -> Any:
        """Show the form; by POST, add or remove a line, look at the invoice, or make it."""
        asked = _asked()
        if request.method == "GET":
            return self._page(asked)
        step = request.form.get("do", "")
        if step in ("draft", "issue"):
            return self._make(asked, issue=step == "issue")
        if step == "add":
            asked["lines"].append({"n": _next(asked), "added": True})
            return self._page(asked)
        if step.startswith("remove-"):
            asked["lines"] = [row for row in asked["lines"] if f"remove-{row['n']}" != step]
            return self._page(asked)
        shown, problem, fields = _look(asked)
        return self._page(asked, shown, problem, fields), 422 if fields or problem else 200

    @expose("/generate/preview/", methods=("POST",))
    def preview_view(self) -> Response:
        """Answer with the preview of what stands in the form, and what is wrong at which field."""
        asked = _asked()
        shown, problem, fields = _look(asked)
        told = problem or (MEND_FIRST if fields else None)
        html = self.render("admin/parts/invoice_preview.html", shown=shown, problem=told, asked=asked)
        return jsonify(html=html, fields=fields)

    def _make(self, asked: dict[str, Any], *, issue: bool) -> Any:
        at = clock.now()
        try:
            made = in_transaction(
                lambda: generating.generate(_order(asked), issue=issue, at=at, actor=current_actor())
            )
        except DomainError as error:
            fields = _at_fields(error, asked)
            return self._page(asked, None, None if fields else error.message, fields), 422
        if made.status is InvoiceStatus.parked:
            flash(f"The invoice was parked for you to look at: {made.parked_reason}", "warning")
        else:
            flash(f"Invoice {made.number} was issued." if made.number else "The draft is made.", "success")
        return redirect(self.get_url(".details_view", id=made.id), code=303)

    def _page(
        self,
        asked: dict[str, Any],
        shown: Shown | None = None,
        problem: str | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> str:
        return self.render(
            "admin/invoice_generate.html",
            asked=asked,
            shown=shown,
            problem=problem,
            fields=fields or {},
            next_line=_next(asked),
        )


def _asked() -> dict[str, Any]:
    """Return what stands in the form, as it was typed: nothing of it is lost on a refusal."""
    given = request.values
    account = Lookup("account", Account).get_one(given.get("account", ""))
    zone = account.timezone if isinstance(account, Account) else DEFAULT_ZONE
    first, last = generating.last_month(clock.now(), zone)
    numbers = sorted(
        {
            int(part[1])
            for name in given
            if (part := name.split("-"))[0] == "line" and part[1:2] and part[1].isdigit()
        }
    )
    lines = [
        {
            "n": n,
            "added": False,
            "inclusive": f"line-{n}-inclusive" in given,
            **{name: given.get(f"line-{n}-{name}", "").strip() for name in LINE_FIELDS},
        }
        for n in numbers[:MOST_LINES]
    ]
    return {
        "account": account,
        "first": given.get("first", first.isoformat()),
        "last": given.get("last", last.isoformat()),
        "purchase_order": given.get("purchase_order", "").strip(),
        "terms_days": given.get("terms_days", "").strip(),
        "lines": lines,
    }


def _next(asked: dict[str, Any]) -> int:
    return max((row["n"] for row in asked["lines"]), default=-1) + 1


def _filled(asked: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the lines in which something was typed."""
    return [row for row in asked["lines"] if any(row.get(name) for name in LINE_FIELDS)]


def _order(asked: dict[str, Any]) -> Order:
    """Return what is asked for.

    Raises:
        Invalid: with each field that cannot be used.
    """
    problems: list[FieldError] = []
    days: dict[str, date] = {}
    for name in ("first", "last"):
        try:
            days[name] = date.fromisoformat(asked[name])
        except ValueError:
            problems += Invalid.at(f"/{name}", "Choose a day.", code="required").fields
    if asked["account"] is None:
        problems += Invalid.at("/account", "Choose an account from the list.", code="required").fields
    terms = asked["terms_days"]
    if terms and not (terms.isascii() and terms.isdigit() and int(terms) <= 365):
        problems += Invalid.at(
            "/terms_days", "Write a number of days from 0 to 365.", code="too_large"
        ).fields
    if len(asked["purchase_order"]) > 100:
        problems += Invalid.at("/purchase_order", "At most 100 characters.", code="too_long").fields
    raise_all(problems)
    lines = [
        {
            "description": row["description"],
            "quantity": row["quantity"].replace(",", ""),
            "unit_price": row["unit_price"].replace(",", ""),
            "tax_inclusive": row["inclusive"],
            **({"sac": row["sac"]} if row["sac"] else {}),
        }
        for row in _filled(asked)
    ]
    return Order(
        asked["account"],
        days["first"],
        days["last"],
        lines,
        asked["purchase_order"] or None,
        int(terms) if terms else None,
    )


def _look(asked: dict[str, Any]) -> tuple[Shown | None, str | None, dict[str, str]]:
    """Return the preview, a sentence where there is none, and what is wrong at which field."""
    at = clock.now()
    try:
        shown = in_transaction(lambda: generating.preview(_order(asked), at=at))
    except DomainError as error:
        fields = _at_fields(error, asked)
        return None, None if fields else error.message, fields
    return shown, NOTHING_TO_BILL if shown is None else None, {}


def _at_fields(error: DomainError, asked: dict[str, Any]) -> dict[str, str]:
    """Return what a refusal says by the ids of the form's fields."""
    rows = [row["n"] for row in _filled(asked)]
    found: dict[str, str] = {}
    for one in error.fields:
        name, *rest = one.pointer.strip("/").split("/")
        if name == "lines" and len(rest) == 2:
            name = f"line-{rows[int(rest[0])]}-{rest[1]}"
        found[name] = MESSAGES.get(one.code, one.message)
    return found
