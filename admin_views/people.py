"""People who sign in. For super admins."""

from typing import Any

from admin_views.base import ModelScreen
from admin_views.registry import screen
from admin_views.saving import Writes
from app.models import User
from app.permissions import Actor
from app.services import users


def make_user(values: dict[str, Any], *, actor: Actor) -> User:
    """Make a person from the form's values."""
    return users.create(
        values["email"],
        role=values["role"],
        actor=actor,
        name=values["name"],
        customer=values["customer"],
        timezone=values["timezone"],
        locale=values["locale"],
    )


@screen(User, category="Settings", resource="users", icon="user-circle", place=4)
class UserScreen(ModelScreen):
    """Who may sign in, and as what."""

    column_list = ("name", "email", "role", "customer", "active", "last_sign_in_at")
    filters = ("role", "active", "customer")
    inline = ("name",)
    can_create = True
    can_edit = True
    writes = Writes(make_user)
    form_columns = ("email", "name", "role", "customer", "timezone", "locale")
    edit_columns = ("name", "role", "customer", "active", "timezone", "locale")
