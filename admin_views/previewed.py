"""Operations that show what they would do, amounts and all, before the person confirms.

The first POST answers with the effect beneath a button; the second, from that button, does it with the very
same inputs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flask import request
from flask_admin import expose

from admin_views.access import current_actor
from admin_views.operations import Operation, OperationRoutes, refuse
from app import clock
from app.db import in_transaction
from app.domain.errors import IllegalMove, RuleBroken
from app.errors import DomainError


@dataclass(frozen=True)
class Previewed(Operation):
    """An operation with a look ahead: `show` takes what `run` takes, writes nothing, and returns what the
    template `part` shows as `shown`.
    """

    show: Callable[..., Any] = lambda *record, **inputs: None
    part: str = ""

    def look(self, screen: OperationRoutes, key: str | None, values: Mapping[str, Any]) -> Any:
        """Return what it would do to the record with this key.

        Raises:
            DomainError: it would be refused.
        """
        record = () if key is None else (screen.get_one(key),)
        return self.show(*record, at=clock.now(), actor=current_actor(), **values)


class PreviewedRoutes(OperationRoutes):
    """What a screen does with operations of this kind; put it before `ModelScreen`."""

    @expose("/operation/<operation>/", methods=("GET", "POST"))
    def operation_view(self, operation: str) -> Any:
        """Ask for the inputs; by POST, show what would happen; by POST with `step=do`, do it."""
        chosen = self.operation(operation)
        if not isinstance(chosen, Previewed):
            return super().operation_view(operation)
        key = None if chosen.on_list else request.args.get("id", "")
        record = None if key is None else self.get_one(key)
        given = request.form if request.method == "POST" else None
        form = chosen.form_class(given, data=chosen.initial(record))
        shown, status = None, 200 if given is None else 422
        if given is not None and form.validate():
            values = {name: one.data for name, one in form._fields.items()}
            if given.get("step") == "do":
                outcome = self._do(chosen, key, values, form)
                if outcome is not None:
                    return outcome
            else:
                shown = self._look(chosen, key, values, form)
                status = 422 if shown is None else 200
        back = self.address(self.get_one(key) if key is not None else None)
        page = self.render(
            "admin/model/previewed.html",
            operation=chosen,
            record=record,
            form=form,
            shown=shown,
            return_url=back,
        )
        return page, status

    def _look(self, chosen: Previewed, key: str | None, values: Mapping[str, Any], form: Any) -> Any:
        try:
            return in_transaction(lambda: chosen.look(self, key, values))
        except (DomainError, RuleBroken, IllegalMove) as error:
            refuse(form, error)
            return None
