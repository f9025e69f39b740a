"""The keys that services call with. For super admins; a secret is shown on one page, once."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from markupsafe import Markup, escape
from sqlalchemy import ColumnElement, case, func
from wtforms import IntegerField, SelectField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired, Length, NumberRange, Optional

from admin_views import formatters
from admin_views.base import ModelScreen
from admin_views.fields import InstantField, WordsField
from admin_views.lookups import Lookup, LookupField
from admin_views.operations import Operation, refuse
from admin_views.records import Related
from admin_views.registry import screen
from app import clock
from app.domain.errors import IllegalMove, RuleBroken
from app.errors import DomainError
from app.models import Account, ApiKey, ApiKeySecret, UsedNonce
from app.models.users import KeyKind
from app.permissions import SCOPES, Actor
from app.services import keys

KINDS = (
    SelectChoice(KeyKind.hmac.value, "Signed: the secret is never sent"),
    SelectChoice(KeyKind.bearer.value, "Bearer: the secret itself is sent"),
)
SCOPES_HELP = f"Separated by commas, of: {', '.join(SCOPES)}; or all."
OVERLAP_HOURS = int(keys.OVERLAP / timedelta(hours=1))
LONGEST_HOURS = int(keys.LONGEST_OVERLAP / timedelta(hours=1))


@dataclass(frozen=True)
class NewSecret:
    """A key with the secret that its maker has to copy now."""

    key_id: str
    name: str
    signs: bool
    secret: str


def make(*, kind: str, at: datetime, actor: Actor, **values: Any) -> NewSecret:
    """Make a key from the form's values."""
    return _shown(*keys.create(values.pop("name"), kind=kind, at=at, actor=actor, **values))


def rotate(key: ApiKey, *, overlap_hours: int, at: datetime, actor: Actor) -> NewSecret:
    """Give a key its next secret."""
    return _shown(*keys.rotate(key, overlap=timedelta(hours=overlap_hours), at=at, actor=actor))


def _shown(key: ApiKey, secret: str) -> NewSecret:
    return NewSecret(str(key.id), key.name, key.kind == KeyKind.hmac, secret)


def state() -> ColumnElement[Any]:
    """Return the state of a key, for the list."""
    return case(
        (ApiKey.revoked_at.is_not(None), "revoked"),
        (ApiKey.expires_at <= func.now(), "expired"),
        else_="active",
    )


def is_active(key: ApiKey) -> bool:
    """Tell whether a service can still call with it."""
    return keys.state_of(key, clock.now()) == "active"


def state_cell(record: Any) -> Markup:
    """Return the state as a badge."""
    return formatters.status(keys.state_of(record, clock.now()))


def kind_cell(record: Any) -> Markup:
    """Return how a key proves itself, in a word."""
    return escape("Signed" if record.kind == KeyKind.hmac else "Bearer")


@screen(ApiKey, category="Settings", resource="api_keys", title="API keys", icon="key", place=5)
class ApiKeyScreen(ModelScreen):
    """The keys of services. A secret is shown once, when it is made, and kept hashed or encrypted."""

    column_list = ("name", "prefix", "kind", "scopes", "account", "last_used_at", "expires_at", "state")
    computed = {"state": state}
    formats = {"kind": kind_cell, "state": state_cell}
    search = ("name", "=prefix")
    filters = ("kind", "account")
    labels = {"allowed_ips": "Allowed addresses"}
    empty = "Make a key for the service that will post usage."
    details = (
        "state",
        "name",
        "kind",
        "prefix",
        "scopes",
        "account",
        "allowed_ips",
        "expires_at",
        "revoked_at",
        "last_used_at",
        "id",
        "created_at",
        "updated_at",
    )
    related = (
        Related(
            ApiKeySecret,
            by="key_id",
            columns=("created_at", "expires_at"),
            title="Secrets",
        ),
    )
    operations = (
        Operation(
            "make",
            "New API key",
            run=make,
            icon="key",
            on_list=True,
            needs_recent_sign_in=True,
            inputs={
                "name": StringField(
                    "Name",
                    validators=[InputRequired(), Length(max=200)],
                    description="Which service will use it.",
                ),
                "kind": SelectField(
                    "Kind",
                    choices=KINDS,
                    default=KeyKind.hmac.value,
                    description="A signed key proves every request; bearer is for senders of little risk.",
                ),
                "scopes": WordsField("Scopes", validators=[InputRequired()], description=SCOPES_HELP),
                "account": LookupField(
                    Lookup("account", Account),
                    label="Account",
                    allow_blank=True,
                    description="Narrows the key to one account.",
                ),
                "allowed_ips": WordsField(
                    "Allowed addresses",
                    description="Addresses and networks such as 203.0.113.0/24; none: from everywhere.",
                ),
                "expires_at": InstantField("Expires", validators=[Optional()]),
            },
        ),
        Operation(
            "rotate",
            "Rotate",
            run=rotate,
            icon="rotate",
            needs_recent_sign_in=True,
            when=is_active,
            confirm="The key gets a second secret. The one before works on, until the overlap ends.",
            inputs={
                "overlap_hours": IntegerField(
                    "Overlap in hours",
                    default=OVERLAP_HOURS,
                    validators=[InputRequired(), NumberRange(0, LONGEST_HOURS)],
                    description=f"0 to {LONGEST_HOURS}: the time to give the new secret to the service.",
                )
            },
        ),
        Operation(
            "revoke",
            "Revoke",
            run=keys.revoke,
            icon="ban",
            danger=True,
            needs_recent_sign_in=True,
            when=lambda key: key.revoked_at is None,
            confirm="The service that uses this key is refused within 5 seconds, for good.",
        ),
    )

    def _do(self, chosen: Operation, key: str | None, values: Any, form: Any) -> Any:
        """Show a new secret at once, in the answer itself: it is not kept for a next page."""
        if not chosen.inputs:
            return super()._do(chosen, key, values, form)
        try:
            made = chosen.perform(self, key, values)
        except (DomainError, RuleBroken, IllegalMove) as error:
            refuse(form, error)
            return None
        back = self.get_url(".details_view", id=made.key_id)
        return self.render("admin/api_keys/secret.html", operation=chosen, made=made, return_url=back)


@screen(ApiKeySecret, category="Settings", resource="api_keys", icon="key", place=6, listed=False)
class ApiKeySecretScreen(ModelScreen):
    """The secrets of a key: when each was made and when it ends. What is kept of them is not shown."""

    column_list = ("created_at", "key", "key_service", "expires_at")
    details = ("key", "key_service", "created_at", "expires_at", "id")


@screen(UsedNonce, category="Settings", resource="api_keys", icon="hash", place=7, listed=False)
class UsedNonceScreen(ModelScreen):
    """The nonces that signed requests have used, until their requests are too old anyway."""

    column_list = ("nonce", "key_id", "forget_at")
    search = ("=nonce",)
    walk = ("key_id", "nonce")
    order = "-forget_at"
    big = True
