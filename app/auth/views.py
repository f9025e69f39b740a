"""The pages of signing in and out, and the front door."""

from uuid import UUID

from flask import Blueprint, redirect, render_template, request
from flask_login import current_user
from werkzeug.wrappers import Response

from app.auth import development, session
from app.config import current_settings
from app.errors import NotFound
from app.services import users
from app.web import is_local

blueprint = Blueprint("auth", __name__)

BACK_OFFICE, PORTAL, SIGN_IN = "/admin/", "/portal/", "/sign-in"


@blueprint.get("/")
def home() -> Response:
    """Lead everybody to their own place."""
    return redirect(_own_place(), code=303)


@blueprint.get(SIGN_IN)
def sign_in() -> str | Response:
    """Show who can sign in here and how."""
    if current_user.is_authenticated:
        return redirect(_own_place(), code=303)
    is_open = development.is_open(current_settings())
    people = users.list_active() if is_open else []
    return render_template(
        "auth/sign_in.html", is_open=is_open, people=people, show=development, next=_wanted()
    )


@blueprint.post(SIGN_IN)
def sign_in_as() -> Response:
    """Sign in as the chosen person, where that is open; elsewhere this address does not exist."""
    if not development.is_open(current_settings()):
        raise NotFound("There is no such page.")
    user = users.find_active(_uuid(request.form.get("user", "")))
    if user is None:
        raise NotFound("There is no such person.")
    session.sign_in(user)
    return redirect(_allowed(_wanted()) or _own_place(), code=303)


@blueprint.post("/sign-out")
def sign_out() -> Response:
    """End the session."""
    session.sign_out()
    return redirect(SIGN_IN, code=303)


def _own_place() -> str:
    if not current_user.is_authenticated:
        return SIGN_IN
    return BACK_OFFICE if current_user.is_staff else PORTAL


def _wanted() -> str:
    """Return the page that somebody wanted before they were asked to sign in, if it is one of ours."""
    wanted: str = request.values.get("next", "").removesuffix("?")
    return wanted if is_local(wanted) else ""


def _allowed(wanted: str) -> str:
    """Return the wanted page unless it lies in the other half of the house."""
    other = PORTAL if current_user.is_staff else BACK_OFFICE
    return "" if wanted in {"/", SIGN_IN} or wanted.startswith(other.rstrip("/")) else wanted


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NotFound("There is no such person.") from None
