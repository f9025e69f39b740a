"""Moves of many subscriptions to another version of their plan (docs/api/subscriptions.md)."""

from typing import Annotated, Any
from uuid import UUID

from flask import Blueprint, Response
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from app import clock
from app.api.body import Body, Meta, Page
from app.api.endpoint import endpoint
from app.api.envelope import instant_text, paginate, related, resource, success
from app.api.guards import current_actor, guard
from app.api.idempotency import idempotent
from app.api.serializers import need_staff
from app.errors import Invalid
from app.models import PlanMove, PlanMoveItem
from app.models.plan_moves import MoveItemStatus
from app.services import plan_moves, plans
from app.services.plan_moves import Planned

blueprint = Blueprint("plan_moves", __name__)

MOST_SHOWN = 1_000


class Move(Body):
    """Which subscriptions, by default all of the plan that are on another version, and from when on."""

    when: Annotated[
        str,
        Meta(max_length=20, description="`period_end` (each its own), or a day in each account's zone"),
    ] = "period_end"
    from_version: Annotated[int | None, Meta(description="Only those on this version")] = None
    subscription_ids: (
        Annotated[list[UUID], Meta(max_length=10_000, description="Only these, by any of their segments")]
        | None
    ) = None
    preview: Annotated[bool, Meta(description="Answer who would move when, and write nothing")] = False


class ItemQuery(Page):
    """Which subscriptions of a move."""

    status: str | None = None


@blueprint.post("/pricing/<code>/versions/<int:number>/migrate")
@guard("billing", "write")
@idempotent
@endpoint("Move subscriptions to a version", body=Move, answers="plan_move", status=202, also=(200,))
def migrate(code: str, number: int, body: Move) -> Response:
    """Workers do it, one subscription at a time; look at the move for how far they are. Who is on the version
    already stays as it is, so it may be done again.
    """
    need_staff("Moving subscriptions")
    asked: dict[str, Any] = {
        "when": body.when,
        "at": clock.now(),
        "from_version": body.from_version,
        "subscription_ids": body.subscription_ids,
    }
    target = plans.get_version(code, number)
    if body.preview:
        found = plan_moves.look(target, **asked)
        shown = [_planned(each, target.label) for each in found[:MOST_SHOWN]]
        attributes = {"plan_version": target.label, "count": len(found), "subscriptions": shown}
        return success({"type": "plan_move_preview", "attributes": attributes})
    return success(_move(plan_moves.start(target, actor=current_actor(), **asked)), 202)


@blueprint.get("/plan-moves/<uuid:move_id>")
@guard("billing", "read")
@endpoint("Read a move of subscriptions", answers="plan_move")
def read_move(move_id: UUID) -> Response:
    """`counts` says how many subscriptions are pending, moved, unchanged or failed."""
    need_staff("Moves of subscriptions")
    return success(_move(plan_moves.get(move_id)))


@blueprint.get("/plan-moves/<uuid:move_id>/subscriptions")
@guard("billing", "read")
@endpoint("List the subscriptions of a move", query=ItemQuery, answers="plan_move_item", many=True)
def list_moved(move_id: UUID, query: ItemQuery) -> Response:
    """What became of each, and why."""
    need_staff("Moves of subscriptions")
    move = plan_moves.get(move_id)
    chosen = (
        select(PlanMoveItem)
        .where(PlanMoveItem.move_id == move.id)
        .options(joinedload(PlanMoveItem.from_version), joinedload(PlanMoveItem.subscription))
    )
    if query.status is not None:
        if query.status not in set(MoveItemStatus):
            message = f"Choose one of: {', '.join(MoveItemStatus)}."
            raise Invalid.at("/status", message, code="unknown_choice")
        chosen = chosen.where(PlanMoveItem.status == MoveItemStatus(query.status))
    rows, cursor = paginate(chosen, query, (PlanMoveItem.id,))
    return success([_item(row, move.version.label) for row in rows], next_cursor=cursor)


def _planned(row: Planned, label: str) -> dict[str, Any]:
    return {
        "subscription_id": str(row.subscription.id),
        "account_id": str(row.subscription.account_id),
        "from_version": row.subscription.version.label,
        "to_version": label,
        "at": instant_text(row.at),
        "problem": row.problem,
    }


def _move(row: PlanMove) -> dict[str, Any]:
    attributes = {
        "plan_version": row.version.label,
        "when": "period_end" if row.on_day is None else row.on_day.isoformat(),
        "status": row.status,
        "counts": {str(status): number for status, number in plan_moves.progress(row.id).items()},
        "started_by": row.started_by,
        "created_at": instant_text(row.created_at),
        "finished_at": instant_text(row.finished_at),
    }
    return resource("plan_move", row.id, attributes)


def _item(row: PlanMoveItem, label: str) -> dict[str, Any]:
    attributes = {
        "subscription_id": str(row.subscription_id),
        "account_id": str(row.subscription.account_id),
        "status": row.status,
        "from_version": row.from_version.label,
        "to_version": label,
        "at": instant_text(row.at),
        "message": row.message,
    }
    links = {"subscription": related("subscription", row.subscription_id)}
    return resource("plan_move_item", row.id, attributes, links)
