"""People who sign in. For super admins."""

from datetime import datetime
from typing import Any

from flask_login import current_user
from markupsafe import Markup, escape
from sqlalchemy import ColumnElement, case
from wtforms import SelectField
from wtforms.fields.choices import SelectChoice

from admin_views import formatters
from admin_views.base import ModelScreen
from admin_views.lookups import Lookup, LookupField
from admin_views.operations import Operation
from admin_views.registry import screen
from admin_views.saving import Writes
from app.languages import LANGUAGES
from app.models import Customer, User
from app.models.users import PEOPLE
from app.permissions import Actor, Role
from app.services import invitations, user_changes, users
from app.templating import instant, words

ROLES = [SelectChoice(role.value, words(role.value)) for role in PEOPLE]


def make_user(values: dict[str, Any], *, actor: Actor) -> User:
    """Add a person by the form's values; a mail invites them."""
    user = users.create(
        values["email"],
        role=values["role"],
        actor=actor,
        name=values["name"],
        customer=values["customer"],
        timezone=values["timezone"],
        locale=values["locale"],
    )
    invitations.promise(user, actor=actor)
    return user


def change_role(user: User, *, role: str, customer: Customer | None, at: datetime, actor: Actor) -> str:
    """Give a person another role."""
    user_changes.change_role(user, Role(role), customer=customer, actor=actor)
    return f"{user.name} is {words(role).lower()} now and signs in again."


def state() -> ColumnElement[Any]:
    """Return whether a person is invited, active or blocked, for the list."""
    return case((~User.active, "blocked"), (User.last_sign_in_at.is_(None), "invited"), else_="active")


def state_cell(user: Any) -> Markup:
    """Return the state as a badge."""
    if not user.active:
        return formatters.status("blocked")
    return formatters.status("invited" if user.last_sign_in_at is None else "active")


def language_cell(user: Any) -> Markup:
    """Return the language of a person by its own name."""
    return escape(LANGUAGES.get(user.locale, "As the browser asks"))


def invitation_cell(user: Any) -> Markup:
    """Return how the mail stands that invited a person."""
    mail = invitations.find(user)
    if mail is None:
        return escape("No mail was sent")
    if mail.sent_at is not None:
        return Markup("Mailed {}").format(instant(mail.sent_at))
    if mail.error:
        return Markup("Not mailed yet, it is tried again: {}").format(mail.error)
    return Markup("On its way since {}").format(instant(mail.promised_at))


def is_another(user: User) -> bool:
    """Tell whether it is not the person who is looking."""
    return bool(current_user.id != user.id)


def may_be_blocked(user: User) -> bool:
    """Tell whether somebody's access can be ended here."""
    return user.active and is_another(user)


@screen(User, category="Settings", resource="users", icon="user-circle", place=4)
class UserScreen(ModelScreen):
    """Who may sign in, and as what."""

    column_list = ("name", "email", "role", "customer", "state", "last_sign_in_at")
    computed = {"state": state}
    formats = {"state": state_cell, "locale": language_cell, "invitation": invitation_cell}
    filters = ("role", "active", "customer")
    inline = ("name",)
    intro = (
        "Somebody added gets a mail that says so, and signs in with the address that you write here. Where "
        "the identity provider keeps the roles, its word replaces the one here at each sign-in."
    )
    empty = "Invite the people of the desk, and those of your customers who look after their bills."
    details = (
        "state",
        "name",
        "email",
        "role",
        "customer",
        "last_sign_in_at",
        "invitation",
        "issuer",
        "subject",
        "timezone",
        "locale",
        "id",
        "created_at",
        "updated_at",
    )
    labels = {"issuer": "Identity provider", "subject": "Id there", "locale": "Language"}
    can_create = True
    can_edit = True
    needs_recent_sign_in = frozenset({"create_view"})
    writes = Writes(make_user, user_changes.update)
    form_columns = ("email", "name", "role", "customer", "timezone", "locale")
    edit_columns = ("name", "timezone", "locale")
    operations = (
        Operation(
            "change_role",
            "Change role",
            run=change_role,
            icon="shield-check",
            when=is_another,
            needs_recent_sign_in=True,
            confirm="Their sessions end, so that the new role holds from their next click.",
            inputs={
                "role": SelectField("Role", choices=ROLES),
                "customer": LookupField(
                    Lookup("customer", Customer),
                    label="Customer",
                    allow_blank=True,
                    description="Whose data a customer's person sees; staff belong to none.",
                ),
            },
            initial=lambda user: {"role": user.role.value, "customer": user.customer},
        ),
        Operation(
            "end_sessions",
            "Sign out everywhere",
            run=user_changes.end_sessions,
            icon="logout",
            needs_recent_sign_in=True,
            confirm="All sessions of this person end with their next click. They may sign in again.",
        ),
        Operation(
            "block",
            "End access",
            run=user_changes.block,
            icon="ban",
            danger=True,
            when=may_be_blocked,
            needs_recent_sign_in=True,
            confirm="This person is signed out with their next click and cannot come in again.",
        ),
        Operation(
            "let_in",
            "Give access back",
            run=user_changes.let_in,
            icon="check",
            when=lambda user: not user.active,
            needs_recent_sign_in=True,
            confirm="This person may sign in again, with the role that they had.",
        ),
        Operation(
            "forget_identity",
            "Begin anew",
            run=user_changes.forget_identity,
            icon="refresh",
            bulk=False,
            when=lambda user: user.subject is not None and is_another(user),
            needs_recent_sign_in=True,
            confirm=(
                "For somebody whose account at the identity provider was made anew: whoever next proves this "
                "e-mail address there is this person."
            ),
        ),
    )
