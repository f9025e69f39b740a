"""The pages of signing in and out, and the front door."""

from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from flask import Blueprint, redirect, render_template, request
from flask_login import current_user
from werkzeug.wrappers import Response

from app import clock
from app.auth import development, provider, session
from app.auth.provider import SignInFailed
from app.config import current_settings
from app.errors import DomainError, NotFound, Unauthorized, Unavailable
from app.services import users
from app.services.identities import NotLetIn
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
    return _page(is_open=is_open, people=people)


@blueprint.post(SIGN_IN)
def sign_in_as() -> Response:
    """Sign in as the chosen person, where that is open; elsewhere this address does not exist."""
    if not development.is_open(current_settings()):
        raise NotFound("There is no such page.")
    user = users.find_active(_uuid(request.form.get("user", "")))
    if user is None:
        raise NotFound("There is no such person.")
    session.sign_in(user, proved_at=clock.now())
    return redirect(_allowed(_wanted()) or _own_place(), code=303)


@blueprint.get("/sign-in/start")
def start() -> str | Response | tuple[str, int]:
    """Lead to the identity provider; `fresh` lets somebody else sign in than it remembers."""
    _need_provider()
    try:
        return provider.begin(_wanted(), fresh="fresh" in request.args)
    except Unavailable as error:
        return _refusal(error)


@blueprint.get(provider.CALLBACK)
def callback() -> str | Response | tuple[str, int]:
    """Take the identity provider's answer and lead to the page that was wanted."""
    _need_provider()
    try:
        wanted = provider.finish()
    except (SignInFailed, NotLetIn, Unavailable) as error:
        return _refusal(error)
    return redirect(_allowed(wanted) or _own_place(), code=303)


@blueprint.get("/sign-in/again")
def sign_in_again() -> str | Response | tuple[str, int]:
    """Let the person who is signed in prove once more who they are, then lead back to `next`.

    Raises:
        Unauthorized: nobody is signed in.
    """
    if not current_user.is_authenticated:
        raise Unauthorized("Sign in to continue.")
    settings = current_settings()
    if settings.issuer:
        try:
            return provider.begin(_wanted(), again=current_user.get_id())
        except Unavailable as error:
            return _refusal(error)
    is_open = development.is_open(settings)
    user = users.find_active(current_user.id)
    return _page(is_open=is_open, people=[user] if is_open and user else [], minutes=settings.step_up_minutes)


@blueprint.post("/sign-out")
def sign_out() -> Response:
    """End the session, and the identity provider's as well."""
    was_signed_in = current_user.is_authenticated
    id_token = session.sign_out()
    elsewhere = provider.logout_url(id_token) if was_signed_in else ""
    return redirect(elsewhere or SIGN_IN, code=303)


def _need_provider() -> None:
    if not current_settings().issuer:
        raise NotFound("There is no such page.")


def _page(**values: Any) -> str:
    return render_template(
        "auth/sign_in.html",
        **values,
        show=development,
        next=_wanted(),
        provider=urlsplit(current_settings().issuer).netloc,
    )


def _refusal(error: DomainError) -> tuple[str, int]:
    return render_template("auth/refused.html", error=error), error.status


def _own_place() -> str:
    if not current_user.is_authenticated:
        return SIGN_IN
    return BACK_OFFICE if current_user.is_staff else PORTAL


def _wanted() -> str:
    """Return the page that somebody wanted before they were asked to sign in, if it is one of ours."""
    wanted: str = request.values.get("next", "").removesuffix("?")
    return wanted if is_local(wanted) else ""


def _allowed(wanted: str) -> str:
    """Return the wanted page unless a customer may not open it; staff are led on from a page of the portal to
    the same in the back office."""
    is_closed = not current_user.is_staff and wanted.startswith(BACK_OFFICE.rstrip("/"))
    return "" if is_closed or wanted in {"/", SIGN_IN, PORTAL} else wanted


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NotFound("There is no such person.") from None
