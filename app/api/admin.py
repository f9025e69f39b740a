"""What operators do through the API: dead letters and API keys."""

from typing import Annotated, Any, Literal
from uuid import UUID

from flask import Blueprint, Response

from app import clock
from app.api.body import Body, Instant, Meta, Page, Text
from app.api.endpoint import endpoint
from app.api.envelope import paginate, related, resource, success
from app.api.guards import current_actor, get_account, guard
from app.api.serializers import need_staff
from app.db import in_transaction, transaction
from app.models import ApiKey, DeadLetter
from app.services import dead_letters, keys

blueprint = Blueprint("admin", __name__, url_prefix="/api/v1/admin")


class LettersQuery(Page):
    """Which dead letters."""

    status: Literal["open", "replayed", "discarded"] | None = None
    code: Annotated[Text | None, Meta(description="The reason, such as `unknown_metric`.")] = None
    account: Annotated[Text | None, Meta(description="The account as the sender named it.")] = None


class NewKey(Body):
    """A key to make."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    scopes: Annotated[list[str], Meta(min_length=1, description="Such as `events:write`, or `all`.")]
    kind: Literal["bearer"] = "bearer"
    account_id: Annotated[Text | None, Meta(description="Narrows the key to one account.")] = None
    expires_at: Instant | None = None


@blueprint.get("/dead-letters")
@guard("operations", "read")
@endpoint("List dead letters", query=LettersQuery, answers="dead_letter", many=True)
def list_dead_letters(query: LettersQuery) -> Response:
    """Refused events with the reason, the newest first."""
    need_staff("Dead letters")
    chosen = dead_letters.list_query(status=query.status, code=query.code, account=query.account)
    rows, cursor = paginate(chosen, query, (DeadLetter.last_seen_at, DeadLetter.id))
    return success([_letter(row) for row in rows], next_cursor=cursor)


@blueprint.get("/dead-letters/<uuid:letter_id>")
@guard("operations", "read")
@endpoint("Show a dead letter", answers="dead_letter")
def show_dead_letter(letter_id: UUID) -> Response:
    """The refused event as it came, and why it was refused."""
    need_staff("Dead letters")
    return success(_letter(dead_letters.get(letter_id)))


@blueprint.post("/dead-letters/<uuid:letter_id>/replay")
@guard("operations", "write")
@endpoint("Replay a dead letter", answers="dead_letter")
def replay_dead_letter(letter_id: UUID) -> Response:
    """Send the event again. It counts once, however often it is replayed; refused again, it stays open."""
    need_staff("Dead letters")

    def replay() -> DeadLetter:
        return dead_letters.replay(dead_letters.get(letter_id), actor=current_actor(), at=clock.now())

    return success(_letter(in_transaction(replay)))


@blueprint.post("/dead-letters/<uuid:letter_id>/discard")
@guard("operations", "write")
@endpoint("Discard a dead letter", answers="dead_letter")
def discard_dead_letter(letter_id: UUID) -> Response:
    """Decide that the event never counts."""
    need_staff("Dead letters")

    def discard() -> DeadLetter:
        return dead_letters.discard(dead_letters.get(letter_id), actor=current_actor(), at=clock.now())

    return success(_letter(in_transaction(discard)))


@blueprint.get("/api-keys")
@guard("api_keys", "read")
@endpoint("List API keys", query=Page, answers="api_key", many=True)
def list_keys(query: Page) -> Response:
    """All keys, the newest first; never their secrets."""
    rows, cursor = paginate(keys.list_query(), query, (ApiKey.created_at, ApiKey.id))
    return success([_key(row) for row in rows], next_cursor=cursor)


@blueprint.post("/api-keys")
@guard("api_keys", "write")
@endpoint("Make an API key", body=NewKey, answers="api_key", status=201)
def create_key(body: NewKey) -> Response:
    """The attribute `secret` of the answer is shown this once."""
    with transaction():
        account = get_account(body.account_id) if body.account_id else None
        key, secret = keys.create(
            body.name,
            kind=body.kind,
            scopes=body.scopes,
            account=account,
            expires_at=body.expires_at,
            actor=current_actor(),
            at=clock.now(),
        )
        made = _key(key)
    made["attributes"]["secret"] = secret
    return success(made, 201)


@blueprint.post("/api-keys/<uuid:key_id>/revoke")
@guard("api_keys", "write")
@endpoint("Revoke an API key", answers="api_key")
def revoke_key(key_id: UUID) -> Response:
    """End a key for good, in every process within five seconds."""
    with transaction():
        key = keys.revoke(keys.get(key_id), actor=current_actor(), at=clock.now())
        return success(_key(key))


def _letter(letter: DeadLetter) -> dict[str, Any]:
    attributes = {
        "status": letter.status,
        "code": letter.code,
        "pointer": letter.pointer,
        "message": letter.message,
        "source": letter.source,
        "account": letter.account_ref,
        "metric": letter.metric_code,
        "event_id": letter.event_id,
        "payload": letter.payload,
        "seen": letter.seen,
        "first_seen_at": letter.first_seen_at,
        "last_seen_at": letter.last_seen_at,
    }
    return resource("dead_letter", letter.id, attributes)


def _key(key: ApiKey) -> dict[str, Any]:
    attributes = {
        "name": key.name,
        "kind": key.kind,
        "prefix": key.prefix,
        "scopes": key.scopes,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
        "last_used_at": key.last_used_at,
        "created_at": key.created_at,
    }
    return resource("api_key", key.id, attributes, {"account": related("account", key.account_id)})
