"""What people do to a record: a button, a question that says what will happen, and a call of one service.

`Operation("issue", "Issue", run=invoices.issue, confirm="…")` runs `invoices.issue(invoice, at=now,
actor=me)` in a transaction. With `inputs` the person fills in a form first, whose values are passed by name.
An operation changes something, so it is a POST with its token.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import flash, redirect, request
from flask_admin import expose
from flask_admin.form import BaseForm
from markupsafe import Markup
from sqlalchemy.exc import DBAPIError
from werkzeug.wrappers import Response as BaseResponse
from wtforms.fields.core import UnboundField

from admin_views.access import current_actor, require_recent_sign_in
from admin_views.keys import key_of
from admin_views.lookups import Lookup, LookupField
from admin_views.naming import noun_of
from app import clock
from app.db import Base, in_transaction
from app.domain.errors import IllegalMove, RuleBroken
from app.errors import DomainError, NotFound

MOST_AT_ONCE = 500


@dataclass(frozen=True)
class Operation:
    """One act. `run(record, *, at, actor, **inputs)` may return a message for the person or a record to go
    to.

    `confirm` says what will happen; `explain` says it of the very record, which is None above a list. `when`
    tells whether it is on offer for a record; `on_list` acts on no record (`run(*, at, actor,
    **inputs)`) and stands above the list; `bulk` offers it for the selected rows too. `outcome` is what the
    notice says has happened: what jobs go on with is not done yet. `menu` keeps a rare one out of the row of
    buttons, in the menu beside it. `needs_recent_sign_in` asks who signed in long ago to do it again first.
    """

    name: str
    label: str
    run: Callable[..., Any]
    confirm: str = ""
    explain: Callable[[Any], str] | None = None
    icon: str = "bolt"
    inputs: "Mapping[str, UnboundField[Any]]" = field(default_factory=dict)
    when: Callable[[Any], bool] = lambda record: True
    on_list: bool = False
    bulk: bool = True
    danger: bool = False
    menu: bool = False
    outcome: str = "done"
    initial: Callable[[Any], Mapping[str, Any]] = lambda record: {}
    needs_recent_sign_in: bool = False

    def lookups(self) -> dict[str, Lookup]:
        """Return the look-ups of the inputs by name."""
        return {
            name: one.args[0] for name, one in self.inputs.items() if issubclass(one.field_class, LookupField)
        }

    def question(self, record: Base | None) -> str:
        """Return what will happen, as the person reads it first."""
        return self.confirm if self.explain is None else self.explain(record)

    @property
    def form_class(self) -> type[BaseForm]:
        """The form of the inputs."""
        return type("OperationForm", (BaseForm,), dict(self.inputs))

    def perform(self, screen: "OperationRoutes", key: str | None, values: Mapping[str, Any]) -> Any:
        """Run it in a transaction of its own, retried when the database asks, on a record read inside of it.

        Raises:
            DomainError: the service refused.
        """
        actor = current_actor()

        def work() -> Any:
            record = () if key is None else (screen.get_one(key),)
            return self.run(*record, at=clock.now(), actor=actor, **values)

        return in_transaction(work)


class OperationRoutes:
    """What `ModelScreen` does with its operations."""

    model: type[Base]
    operations: tuple[Operation, ...]
    bulk_inputs: tuple[str, ...]
    render: Callable[..., str]
    get_url: Callable[..., str]
    get_one: Callable[[str], Base]

    def offered(self, record: Base | None) -> list[Operation]:
        """Return the operations on offer for a record, or above the list."""
        if record is None:
            return [one for one in self.operations if one.on_list]
        return [one for one in self.operations if not one.on_list and one.when(record)]

    def bulk_operations(self) -> list[Operation]:
        """Return the operations that can be done to many rows at once: those that ask for nothing, and those
        whose inputs are the same for all of them."""
        return [
            one
            for one in self.operations
            if one.bulk and not one.on_list and (not one.inputs or one.name in self.bulk_inputs)
        ]

    def operation(self, name: str, back: str = "") -> Operation:
        """Return the operation of that name; `back` is where to go on after a step-up.

        Raises:
            NotFound: this screen has none.
            StepUpRequired: it needs a fresher sign-in.
        """
        for one in self.operations:
            if one.name == name:
                if one.needs_recent_sign_in:
                    require_recent_sign_in(back)
                return one
        raise NotFound("There is no such operation here.")

    @expose("/operation/<operation>/", methods=("GET", "POST"))
    def operation_view(self, operation: str) -> Any:
        """Say what will happen and ask for the inputs; by POST, do it."""
        chosen = self.operation(operation)
        key = None if chosen.on_list else request.args.get("id", "")
        record = None if key is None else self.get_one(key)
        form = chosen.form_class(
            request.form if request.method == "POST" else None, data=chosen.initial(record)
        )
        if request.method == "POST" and form.validate():
            outcome = self._do(chosen, key, {name: one.data for name, one in form._fields.items()}, form)
            if outcome is not None:
                return outcome
        status = 422 if request.method == "POST" else 200
        back = self.address(record)
        return self.render(
            "admin/model/operation.html", operation=chosen, record=record, form=form, return_url=back
        ), status

    def address(self, record: Base | None) -> str:
        """Return the page of a record, or the list."""
        if record is None:
            return self.get_url(".index_view")
        return self.get_url(".details_view", id=key_of(record))

    def _do(
        self, chosen: Operation, key: str | None, values: Mapping[str, Any], form: BaseForm
    ) -> BaseResponse | None:
        try:
            outcome = chosen.perform(self, key, values)
        except (DomainError, RuleBroken, IllegalMove) as error:
            refuse(form, error)
            return None
        flash(outcome if isinstance(outcome, str) else f"{chosen.label}: {chosen.outcome}.", "success")
        return redirect(self.address(self._target(key, outcome)))

    def _target(self, key: str | None, outcome: Any) -> Base | None:
        """Return the record to go to: the one it was done to, if it is still there, or the one it made."""
        if key is None:
            return outcome if isinstance(outcome, self.model) else None
        try:
            return self.get_one(key)
        except NotFound:
            return None

    @expose("/action/", methods=("POST",))
    def action_view(self) -> Any:
        """Do an operation to every selected row, each in its own transaction; tell how many went through.

        One that needs inputs asks for them first, once for all.
        """
        chosen = self.operation(request.form.get("action", ""), back=self.get_url(".index_view"))
        selected = request.form.getlist("rowid")
        if chosen not in self.bulk_operations():
            raise NotFound("This cannot be done to many at once.")
        if len(selected) > MOST_AT_ONCE:
            flash(f"Choose at most {MOST_AT_ONCE} at once.", "error")
            selected = []
        records = [self.get_one(key) for key in selected]
        back = self._list_they_came_from()
        form = chosen.form_class(request.form if request.form.get("step") == "do" else None)
        if chosen.inputs and records and not form.validate():
            return self._ask_for_all(chosen, records, form, back)
        self._do_to_all(chosen, records, {name: one.data for name, one in form._fields.items()})
        return redirect(back)

    def _list_they_came_from(self) -> str:
        back = request.form.get("url", "")
        return back if back.startswith(self.get_url(".index_view")) else self.get_url(".index_view")

    def _ask_for_all(self, chosen: Operation, records: list[Base], form: BaseForm, back: str) -> Any:
        page = self.render(
            "admin/model/operation.html",
            operation=chosen,
            record=None,
            records=records,
            form=form,
            return_url=back,
        )
        return page, 422 if request.form.get("step") == "do" else 200

    def _do_to_all(self, chosen: Operation, records: list[Base], values: Mapping[str, Any]) -> None:
        done, refused = 0, []
        for key, label in [(key_of(record), str(record)) for record in records]:
            try:
                chosen.perform(self, key, values)
                done += 1
            except (DomainError, RuleBroken, IllegalMove, DBAPIError) as error:
                refused.append(f"{label}: {reason(error)}")
        self._tell(chosen, done, refused, bool(records))

    def _tell(self, chosen: Operation, done: int, refused: list[str], any_selected: bool) -> None:
        noun = noun_of(self.model)
        if not any_selected:
            flash(f"Select at least one {noun} first.", "warning")
        if done:
            flash(f"{chosen.label}: {done} {noun}{'' if done == 1 else 's'} done.", "success")
        if refused:
            rest = f" and {len(refused) - 5} more" if len(refused) > 5 else ""
            flash(Markup("{} refused. {}{}").format(len(refused), "; ".join(refused[:5]), rest), "warning")


def reason(error: Exception) -> str:
    """Return why something was refused, in words that show no SQL."""
    if isinstance(error, DomainError | RuleBroken):
        return error.message
    return str(error) if isinstance(error, IllegalMove) else "the database refused it"


def refuse(form: BaseForm, error: Exception) -> None:
    """Put a refusal at the fields that it speaks of, else above the form."""
    placed = False
    pointers = [(one.pointer, one.message) for one in error.fields] if isinstance(error, DomainError) else []
    if isinstance(error, RuleBroken):
        pointers = [(error.pointer, error.message)]
    for pointer, message in pointers:
        name = pointer.strip("/").split("/")[0]
        if name in form:
            form[name].errors = [*form[name].errors, message]
            placed = True
    if not placed:
        flash(reason(error), "error")
