"""The page at /admin/preferences/: what a member of staff chooses for themselves."""

from typing import Any

from flask import flash, redirect, request, url_for
from flask_admin import BaseView, expose
from flask_babel import force_locale, gettext
from flask_login import current_user
from werkzeug.wrappers import Response

from admin_views.access import require
from admin_views.base import StaffView
from app import languages, preference_form
from app.errors import Invalid
from app.permissions import Verb


class PreferencesView(StaffView, BaseView):
    """Name, language, time zone, theme and notifications; reached from the account menu."""

    resource = "profile"
    icon = "adjustments"
    in_sidebar = False

    def __init__(self) -> None:
        super().__init__(name="Preferences", endpoint="admin_preferences", url="preferences")

    def _handle_view(self, name: str, /, **_: Any) -> None:
        require(self.resource, Verb.write)

    @expose("/")
    def index(self) -> str:
        """Show the preferences."""
        return self.render("admin/preferences.html", **preference_form.shown(current_user.id))

    @expose("/save", methods=["POST"])
    def save(self) -> Response | tuple[str, int]:
        """Store the preferences; the answer is in the language that was chosen."""
        given = preference_form.own_values(request.form)
        try:
            user = preference_form.save(current_user.id, request.form, actor=current_user.actor())
        except Invalid as error:
            problems = {field.pointer.strip("/"): field.message for field in error.fields}
            shown = preference_form.shown(current_user.id, given, **problems)
            return self.render("admin/preferences.html", **shown), error.status
        with force_locale(user.locale or languages.current_language()):
            flash(gettext("Saved."), "success")
        answer = redirect(url_for("admin_preferences.index"), code=303)
        return preference_form.remember(answer, language=user.locale, theme=user.theme)
