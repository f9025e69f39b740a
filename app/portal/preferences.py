"""What a customer's person chooses for themselves."""

from flask import flash, redirect, render_template, request, url_for
from flask_babel import force_locale, gettext
from flask_login import current_user
from werkzeug.wrappers import Response

from app import languages, preference_form
from app.errors import DomainError
from app.portal.forms import problems_of
from app.portal.guard import blueprint


@blueprint.get("/preferences")
def show_preferences() -> str:
    """Show the preferences."""
    return render_template("portal/preferences.html", **preference_form.shown(current_user.id))


@blueprint.post("/preferences")
def save_preferences() -> Response | tuple[str, int]:
    """Store the preferences; the answer is in the language that was chosen."""
    given = preference_form.own_values(request.form)
    try:
        user = preference_form.save(current_user.id, request.form, actor=current_user.actor())
    except DomainError as error:
        shown = preference_form.shown(current_user.id, given, **problems_of(error))
        return render_template("portal/preferences.html", **shown), error.status
    with force_locale(user.locale or languages.current_language()):
        flash(gettext("Saved."), "success")
    answer = redirect(url_for("portal.show_preferences"), code=303)
    return preference_form.remember(answer, language=user.locale, theme=user.theme)
