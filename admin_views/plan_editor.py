"""The plan editor: one page per draft version, where prices are built without JSON, with a live quote beside
them; what publishing will do; and two versions side by side.

The page gets the terms of every price model from the registry, so a new model appears by itself. Its script
posts what is on the page as JSON, with the token of the session, and puts refusals at the fields they name.
"""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

from flask import Response, flash, jsonify, redirect, request
from flask_admin import expose
from sqlalchemy import select
from werkzeug.exceptions import RequestEntityTooLarge

from admin_views.access import current_actor, require
from admin_views.keys import key_of
from admin_views.operations import Operation
from app import clock
from app.db import Base, db, in_transaction
from app.domain.money import CURRENCIES
from app.domain.pricing import price_models, terms_schema
from app.errors import DomainError, Invalid, NotFound, TooLarge
from app.formatting import format_money
from app.models import Metric, PlanVersion
from app.models.plans import Interval, VersionStatus
from app.permissions import Verb
from app.services import plan_contents, plan_previews, plans, publication
from app.services.invoice_document import step

LARGEST_BODY = 1024 * 1024
OFTEN_USED = ("INR", "USD", "IDR")
# What the API says in the words of JSON.
MESSAGES = {
    "not_a_number": "Write a number, such as 118.00.",
    "open_tier_not_last": "Say where this tier ends: only the last one has no end.",
}


def is_draft(version: PlanVersion) -> bool:
    """Tell whether a version can still change."""
    return version.status == VersionStatus.draft


def versions_of(plan_id: UUID) -> list[PlanVersion]:
    """Return the versions of a plan in their order."""
    query = select(PlanVersion).where(PlanVersion.plan_id == plan_id).order_by(PlanVersion.number)
    return list(db.session.scalars(query))


class PlanEditorRoutes:
    """What the screen of plan versions adds to the routes of a screen."""

    resource: str
    render: Callable[..., str]
    get_url: Callable[..., str]
    get_one: Callable[[str], Base]

    def offered(self, record: Base | None) -> list[Operation]:
        """Return the operations on offer; publishing has a page of its own that says what it will do."""
        found: list[Operation] = super().offered(record)  # type: ignore[misc]
        return [one for one in found if one.name != "publish"]

    def _handle_view(self, name: str, /, **given: Any) -> None:
        if name == "compare_view":
            require(self.resource, Verb.read)
        else:
            super()._handle_view(name, **given)  # type: ignore[misc]

    @expose("/editor/")
    def editor_view(self) -> Any:
        """Show the editor of a draft; a version that is frozen shows its own page."""
        version = self._asked()
        if not is_draft(version):
            flash(f"{version.label} is {version.status} and cannot change: make a new version.", "warning")
            return redirect(self.get_url(".details_view", id=key_of(version)))
        setup = self._setup(version)
        # Jinja's `tojson` sorts names; the order of a model's fields is that of its declaration.
        return self.render("admin/plans/editor.html", record=version, setup=setup, document=json.dumps(setup))

    @expose("/editor/save/", methods=("POST",))
    def editor_save(self) -> Any:
        """Keep what stands on the page, or say which fields cannot be used."""

        def save() -> dict[str, Any]:
            given = _body()
            key = request.args.get("id", "")
            actor = current_actor()

            def work() -> PlanVersion:
                version = self.get_one(key)
                assert isinstance(version, PlanVersion)
                return plans.update_version(
                    version,
                    given.get("version", {}),
                    prices=given.get("components", []),
                    seen=given.get("mark"),
                    actor=actor,
                )

            in_transaction(work)
            return _said(self._asked())

        return _answer(save)

    @expose("/editor/quote/", methods=("POST",))
    def editor_quote(self) -> Any:
        """Return what given quantities would cost under the prices as they stand on the page."""

        def quote() -> dict[str, Any]:
            given = _body()
            priced = plan_previews.quote(
                given.get("components", []),
                given.get("used", []),
                given.get("currency", ""),
                charge_zero_first_tier=given.get("charge_zero_first_tier") is True,
            )
            return _in_words(priced)

        self._asked()
        return _answer(quote)

    @expose("/publish/")
    def publish_view(self) -> Any:
        """Say what publishing a draft will do, and ask."""
        version = self._asked()
        if not is_draft(version):
            raise NotFound("Only a draft can be published.")
        at = clock.now()
        foreseen = publication.foresee(version, at)
        problem = None
        try:
            publication.check(version, at)
        except DomainError as error:
            problem = error.message
        compared = plan_contents.compare(foreseen.before, version) if foreseen.before else None
        return self.render(
            "admin/plans/publish.html", record=version, plan=foreseen, problem=problem, compared=compared
        )

    @expose("/compare/")
    def compare_view(self) -> Any:
        """Show a version beside another one of its plan: by default the one before it."""
        version = self._asked()
        others = self.others(version)
        if not others:
            raise NotFound("There is no other version of this plan to compare with.")
        before = [one for one in others if one.number < version.number]
        chosen = request.args.get("with", "")
        other = before[-1] if before else others[0]
        if chosen:
            other = next((one for one in others if str(one.number) == chosen), other)
        older, newer = sorted((version, other), key=lambda one: one.number)
        return self.render(
            "admin/plans/compare.html",
            record=version,
            others=others,
            other=other,
            older=older,
            newer=newer,
            compared=plan_contents.compare(older, newer),
        )

    def others(self, version: PlanVersion) -> list[PlanVersion]:
        """Return the other versions of its plan, the first one first."""
        return [one for one in versions_of(version.plan_id) if one.id != version.id]

    def _asked(self) -> PlanVersion:
        version = self.get_one(request.args.get("id", ""))
        assert isinstance(version, PlanVersion)
        return version

    def _setup(self, version: PlanVersion) -> dict[str, Any]:
        """Return what the page's script works with."""
        key = key_of(version)
        metrics = db.session.scalars(select(Metric).where(Metric.active).order_by(Metric.name)).all()
        used = [one.metric for one in version.components if one.metric and not one.metric.active]
        return {
            **_said(version),
            "models": {name: terms_schema(name) for name in price_models},
            "metrics": [
                {"code": one.code, "name": one.name, "unit": one.unit, "dimensions": one.dimensions}
                for one in dict.fromkeys([*metrics, *used])
            ],
            "currencies": list(dict.fromkeys((*OFTEN_USED, *sorted(CURRENCIES)))),
            "intervals": [str(one) for one in Interval],
            "save": self.get_url(".editor_save", id=key),
            "quote": self.get_url(".editor_quote", id=key),
            "publish": self.get_url(".publish_view", id=key),
        }


def _said(version: PlanVersion) -> dict[str, Any]:
    said = plan_contents.of(version)
    return {"components": said.pop("components"), "version": said, "mark": plan_contents.mark(version)}


def _body() -> dict[str, Any]:
    """Return the JSON object of the request, its numbers exact.

    Raises:
        Invalid, TooLarge: it is none, or too large.
    """
    request.max_content_length = LARGEST_BODY
    try:
        given = json.loads(request.get_data(), parse_float=Decimal)
    except RequestEntityTooLarge:
        raise TooLarge("A plan may have at most 1 MiB.") from None
    except (ValueError, RecursionError):
        given = None
    kinds = {"version": dict, "components": list, "used": list, "mark": str, "currency": str}
    if not isinstance(given, dict) or any(
        not isinstance(given[name], kind) for name, kind in kinds.items() if name in given
    ):
        raise Invalid("The page sent something that cannot be read. Load it again.")
    return given


def _answer(work: Callable[[], dict[str, Any]]) -> tuple[Response, int] | Response:
    """Return what `work` returns as JSON, or its refusal by fields."""
    try:
        return jsonify(work())
    except DomainError as error:
        fields = [
            {"pointer": one.pointer, "code": one.code, "message": MESSAGES.get(one.code, one.message)}
            for one in error.fields
        ]
        return jsonify(message=error.message, fields=fields), 422 if error.status == 400 else error.status


def _in_words(priced: dict[str, Any]) -> dict[str, Any]:
    currency = priced["currency"]
    for line in priced["lines"]:
        line["steps"] = [step(row, currency) for row in line["breakdown"]]
        line["amount_shown"] = format_money(line["amount"], currency)
    return {**priced, "total_shown": format_money(priced["total"], currency)}
