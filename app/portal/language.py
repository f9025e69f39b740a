"""Choosing the language before signing in: a cookie, until the person's own choice takes its place."""

from flask import Blueprint, redirect, request
from werkzeug.wrappers import Response

from app import languages, preference_form
from app.web import is_local

blueprint = Blueprint("language", __name__)


@blueprint.post("/language")
def choose() -> Response:
    """Keep the language in the browser and lead back; what is no language of ours changes nothing."""
    wanted, back = request.form.get("language", ""), request.form.get("next", "/")
    answer = redirect(back if is_local(back) else "/", code=303)
    return preference_form.remember(answer, language=wanted if wanted in languages.LANGUAGES else None)
