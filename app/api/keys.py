"""The keys that services call with: for super admins, and for keys of the scopes `api_keys:…` that are bound
to no account.
"""

from datetime import timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from flask import Blueprint, Response

from app import clock
from app.api.body import Body, Instant, Meta, Page, Text
from app.api.endpoint import endpoint
from app.api.envelope import instant_text, paginate, related, resource, success
from app.api.guards import current_actor, get_account, guard
from app.api.serializers import need_staff
from app.db import in_transaction, transaction
from app.models import ApiKey
from app.services import keys

blueprint = Blueprint("api_keys", __name__, url_prefix="/api/v1/admin/api-keys")

NOUN = "API keys"


class NewKey(Body):
    """A key to make."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    scopes: Annotated[list[str], Meta(min_length=1, description="Such as `events:write`, or `all`.")]
    kind: Annotated[
        Literal["bearer", "hmac"], Meta(description="`hmac` signs each request; `bearer` sends its secret.")
    ] = "bearer"
    account_id: Annotated[Text | None, Meta(description="Narrows the key to one account.")] = None
    expires_at: Instant | None = None
    allowed_ips: Annotated[
        list[str], Meta(max_length=50, description="Addresses and CIDR networks; none: from everywhere.")
    ] = []


class Rotation(Body):
    """How a key gets its next secret."""

    overlap_hours: Annotated[
        int, Meta(ge=0, le=720, description="How long the secret before still works.")
    ] = 24


@blueprint.get("")
@guard("api_keys", "read")
@endpoint("List API keys", query=Page, answers="api_key", many=True)
def list_keys(query: Page) -> Response:
    """All keys, the newest first; never their secrets."""
    need_staff(NOUN)
    rows, cursor = paginate(keys.list_query(), query, (ApiKey.created_at, ApiKey.id))
    return success([_key(row) for row in rows], next_cursor=cursor)


@blueprint.post("")
@guard("api_keys", "write", needs_recent_sign_in=True)
@endpoint("Make an API key", body=NewKey, answers="api_key", status=201)
def create_key(body: NewKey) -> Response:
    """The attribute `secret` of the answer is shown this once. A key gives no scope that it does not have."""
    need_staff(NOUN)
    with transaction():
        account = get_account(body.account_id) if body.account_id else None
        key, secret = keys.create(
            body.name,
            kind=body.kind,
            scopes=body.scopes,
            account=account,
            expires_at=body.expires_at,
            allowed_ips=body.allowed_ips,
            actor=current_actor(),
            at=clock.now(),
        )
        made = _key(key, secret)
    return success(made, 201)


@blueprint.get("/<uuid:key_id>")
@guard("api_keys", "read")
@endpoint("Show an API key", answers="api_key")
def show_key(key_id: UUID) -> Response:
    """The key with the ends of its secrets; never the secrets."""
    need_staff(NOUN)
    return success(_key(keys.get(key_id)))


@blueprint.post("/<uuid:key_id>/rotate")
@guard("api_keys", "write", needs_recent_sign_in=True)
@endpoint("Rotate an API key", body=Rotation, answers="api_key")
def rotate_key(key_id: UUID, body: Rotation) -> Response:
    """Give the key a new secret, shown this once in the attribute `secret`. The one before works for
    `overlap_hours` more; meanwhile a third is refused.
    """
    need_staff(NOUN)

    def rotate() -> dict[str, Any]:
        overlap = timedelta(hours=body.overlap_hours)
        return _key(*keys.rotate(keys.get(key_id), overlap=overlap, actor=current_actor(), at=clock.now()))

    return success(in_transaction(rotate))


@blueprint.post("/<uuid:key_id>/revoke")
@guard("api_keys", "write", needs_recent_sign_in=True)
@endpoint("Revoke an API key", answers="api_key")
def revoke_key(key_id: UUID) -> Response:
    """End a key for good, in every process within five seconds."""
    need_staff(NOUN)
    with transaction():
        key = keys.revoke(keys.get(key_id), actor=current_actor(), at=clock.now())
        return success(_key(key))


def _key(key: ApiKey, secret: str | None = None) -> dict[str, Any]:
    attributes = {
        "name": key.name,
        "kind": key.kind,
        "prefix": key.prefix,
        "scopes": key.scopes,
        "allowed_ips": key.allowed_ips,
        "state": keys.state_of(key, clock.now()),
        "secrets": [{"created_at": one.created_at, "expires_at": one.expires_at} for one in key.secrets],
        "expires_at": instant_text(key.expires_at),
        "revoked_at": key.revoked_at,
        "last_used_at": key.last_used_at,
        "created_at": key.created_at,
    }
    if secret is not None:
        attributes["secret"] = secret
    return resource("api_key", key.id, attributes, {"account": related("account", key.account_id)})
