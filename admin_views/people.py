"""People who sign in, and the keys that services call with. For super admins."""

from datetime import datetime
from typing import Any

from wtforms import StringField
from wtforms.validators import InputRequired, Length, Optional

from admin_views.base import ModelScreen
from admin_views.fields import InstantField, WordsField
from admin_views.lookups import Lookup, LookupField
from admin_views.operations import Operation
from admin_views.registry import screen
from admin_views.saving import Writes
from app.models import Account, ApiKey, User
from app.permissions import SCOPES, Actor
from app.services import keys, users

SCOPES_HELP = f"Separated by commas, of: {', '.join(SCOPES)}; or all."


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


def make_key(
    *,
    name: str,
    scopes: list[str],
    account: Account | None,
    expires_at: datetime | None,
    at: datetime,
    actor: Actor,
) -> str:
    """Make a key and tell its secret, once."""
    key, secret = keys.create(name, scopes=scopes, account=account, expires_at=expires_at, at=at, actor=actor)
    return f"API key {key.name} made. Copy its secret now, it is never shown again: {secret}"


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


@screen(ApiKey, category="Settings", resource="api_keys", title="API keys", icon="key", place=5)
class ApiKeyScreen(ModelScreen):
    """The keys of services. A secret is shown once, when the key is made, and kept only as a hash."""

    column_list = ("name", "prefix", "kind", "scopes", "account", "last_used_at", "expires_at", "revoked_at")
    search = ("name", "=prefix")
    filters = ("kind", "account")
    empty = "Make a key for the service that will post usage."
    operations = (
        Operation(
            "make",
            "New API key",
            run=make_key,
            icon="key",
            on_list=True,
            inputs={
                "name": StringField(
                    "Name",
                    validators=[InputRequired(), Length(max=200)],
                    description="Which service will use it.",
                ),
                "scopes": WordsField("Scopes", validators=[InputRequired()], description=SCOPES_HELP),
                "account": LookupField(
                    Lookup("account", Account),
                    label="Account",
                    allow_blank=True,
                    description="Narrows the key to one account.",
                ),
                "expires_at": InstantField("Expires", validators=[Optional()]),
            },
        ),
        Operation(
            "revoke",
            "Revoke",
            run=keys.revoke,
            icon="ban",
            danger=True,
            when=lambda key: key.revoked_at is None,
            confirm="The service that uses this key is refused within 5 seconds, for good.",
        ),
    )
