"""The page of a person's preferences, the same in the back office and in the portal: what it shows, what its
form means, and the cookies by which the next page, also before sign-in, looks and reads like this one.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID
from zoneinfo import available_timezones

from flask import request
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from app import languages
from app.db import db, in_transaction
from app.models import User
from app.permissions import Actor
from app.services import preferences
from app.services.preferences import Theme

OWN = ("name", "language", "timezone", "theme")
CHANNELS = ("in_product", "mail")


def shown(user_id: UUID, given: Mapping[str, str] | None = None, **problems: str) -> dict[str, Any]:
    """Return what the template `partials/preferences.html` needs: the stored values, or those that were
    `given` and refused, with the `problems` by field.
    """
    user = db.session.get_one(User, user_id)
    stored = {
        "name": user.name,
        "language": user.locale or "",
        "timezone": user.timezone,
        "theme": request.cookies.get("theme") or user.theme or Theme.system,
    }
    return {
        "person": user,
        "values": given or stored,
        "problems": problems,
        "choices": preferences.choices(user),
        "languages": languages.LANGUAGES,
        "zones": sorted(available_timezones()),
    }


def own_values(form: MultiDict[str, str]) -> dict[str, str]:
    """Return what the form says of the person's own values."""
    return {name: form.get(name, "") for name in OWN}


def save(user_id: UUID, form: MultiDict[str, str], *, actor: Actor) -> User:
    """Store what the form says; what it shows as fixed stays on.

    Raises:
        Invalid: with the fields that cannot be used; nothing is stored then.
    """

    def change() -> User:
        user = db.session.get_one(User, user_id)
        wanted = {
            one.kind: {
                channel: one.kind in form.getlist(channel)
                for channel in CHANNELS
                if not getattr(one, f"{channel}_fixed")
            }
            for one in preferences.choices(user)
        }
        preferences.change(user, own_values(form), wanted, actor=actor)
        db.session.flush()
        return user

    return in_transaction(change)


def remember(response: Response, *, language: str | None = None, theme: str | None = None) -> Response:
    """Keep a choice in the browser for a year; the theme is read by its script as well."""
    for name, value, hidden in ((languages.COOKIE, language, True), ("theme", theme, False)):
        if value:
            response.set_cookie(
                name,
                value,
                max_age=languages.YEAR_SECONDS,
                secure=request.is_secure,
                httponly=hidden,
                samesite="Lax",
            )
    return response
