"""The API keys of the customer's accounts. A secret is shown once, on the page that follows its making."""

from collections.abc import Mapping
from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask_babel import gettext
from flask_login import current_user
from werkzeug.wrappers import Response

from app import clock
from app.db import in_transaction
from app.errors import DomainError
from app.languages import translated
from app.models import ApiKey
from app.portal.forms import problems_of
from app.portal.guard import blueprint, own_id
from app.services import keys, own, own_keys


@blueprint.get("/keys")
def list_keys() -> str:
    """Show the keys, the newest first."""
    at = clock.now()
    found = [(key, keys.state_of(key, at), own_keys.is_own(key)) for key in own_keys.listed(own_id())]
    return render_template("portal/keys.html", found=found)


@blueprint.get("/keys/new")
def ask_key() -> str:
    """Ask what a new key is for."""
    return _form({"name": "", "account": "", "scopes": []}, {})


@blueprint.post("/keys/new")
def create_key() -> str | tuple[str, int]:
    """Make a key and show its secret."""
    form, scopes = request.form, request.form.getlist("scopes")

    def make() -> tuple[ApiKey, str]:
        return own_keys.create(
            own_id(),
            form.get("name", ""),
            account_id=form.get("account", type=UUID),
            scopes=scopes,
            actor=current_user.actor(),
            at=clock.now(),
        )

    try:
        key, secret = in_transaction(make)
    except DomainError as error:
        given = {"name": form.get("name", ""), "account": form.get("account", ""), "scopes": scopes}
        return _form(given, problems_of(error)), error.status
    return render_template("portal/key_secret.html", name=key.name, secret=secret)


@blueprint.post("/keys/<uuid:key_id>/rotate")
def rotate_key(key_id: UUID) -> str | Response:
    """Give a key its next secret and show it."""
    try:
        key, secret = in_transaction(
            lambda: own_keys.rotate(own_id(), key_id, actor=current_user.actor(), at=clock.now())
        )
    except DomainError as error:
        if error.status == 404:
            raise
        flash(translated(error.message), "error")
        return redirect(url_for("portal.list_keys"), code=303)
    return render_template("portal/key_secret.html", name=key.name, secret=secret)


@blueprint.post("/keys/<uuid:key_id>/revoke")
def revoke_key(key_id: UUID) -> Response:
    """End a key for good."""
    in_transaction(lambda: own_keys.revoke(own_id(), key_id, actor=current_user.actor(), at=clock.now()))
    flash(gettext("The key was revoked. Whoever uses it is refused within five seconds."), "success")
    return redirect(url_for("portal.list_keys"), code=303)


def _form(given: Mapping[str, object], problems: dict[str, str]) -> str:
    return render_template(
        "portal/key_new.html",
        given=given,
        problems=problems,
        accounts=own.accounts(own_id()),
        scopes=own_keys.SCOPES,
    )
