"""Filters that people keep under a name: each person's own, and those that are shared with all staff."""

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import joinedload

from app.db import db
from app.errors import Conflict, Invalid, NotFound
from app.models import SavedFilter
from app.permissions import Actor
from app.services import audit, inputs
from app.services.inputs import refusals

LONGEST_NAME = 60
LONGEST_VALUE = 300
MOST = 100


def offered(user_id: UUID, screen: str) -> list[SavedFilter]:
    """Return the filters of a list that a person may apply, by name: the own ones and the shared ones."""
    mine_or_shared = or_(SavedFilter.user_id == user_id, SavedFilter.shared)
    query = select(SavedFilter).where(SavedFilter.screen == screen, mine_or_shared)
    named = query.options(joinedload(SavedFilter.user)).order_by(SavedFilter.name, SavedFilter.id)
    return list(db.session.scalars(named.limit(MOST)))


def known_only(arguments: Mapping[str, Any], known: Collection[str]) -> dict[str, str]:
    """Return the arguments that a list asks for itself; what is unknown, empty or no text is left out."""
    return {
        name: value.strip()[:LONGEST_VALUE]
        for name, value in arguments.items()
        if name in known and isinstance(value, str) and value.strip() and "\x00" not in value
    }


def save(
    user_id: UUID,
    screen: str,
    name: str,
    arguments: Mapping[str, Any],
    *,
    known: Collection[str],
    shared: bool,
    actor: Actor,
) -> SavedFilter:
    """Return the new filter of a person.

    Raises:
        Invalid: `/name` is empty or too long, or nothing of what is asked is a filter of this list.
        Conflict: the person has a filter of this name there.
    """
    name = _name(name)
    asked = known_only(arguments, known)
    if not asked:
        raise Invalid.at("/name", "Narrow the list first: there is nothing to keep yet.", code="required")
    made = SavedFilter(user_id=user_id, screen=screen, name=name, shared=shared, arguments=asked)
    _flush(made)
    audit.record(
        actor,
        "filter.saved",
        made,
        summary=f"The filter {name} of {screen} was saved",
        after={"name": name, "screen": screen, "shared": shared, "arguments": asked},
    )
    return made


def own(user_id: UUID, filter_id: UUID) -> SavedFilter:
    """Return a filter of this person.

    Raises:
        NotFound: there is none, or it is somebody else's, shared or not.
    """
    found = db.session.get(SavedFilter, filter_id)
    if found is None or found.user_id != user_id:
        raise NotFound("There is no such filter of yours.")
    return found


def rename(kept: SavedFilter, name: str, *, actor: Actor) -> SavedFilter:
    """Give a filter another name.

    Raises:
        Invalid, Conflict: as `save`.
    """
    before, kept.name = kept.name, _name(name)
    _flush(kept)
    audit.record(
        actor,
        "filter.renamed",
        kept,
        summary=f"The filter {before} of {kept.screen} is now {kept.name}",
        before={"name": before},
        after={"name": kept.name},
    )
    return kept


def remove(kept: SavedFilter, *, actor: Actor) -> None:
    """Delete a filter."""
    audit.record(
        actor,
        "filter.deleted",
        kept,
        summary=f"The filter {kept.name} of {kept.screen} was deleted",
        before={"name": kept.name, "screen": kept.screen, "arguments": kept.arguments},
    )
    db.session.delete(kept)
    db.session.flush()


def _name(name: str) -> str:
    with refusals():
        found: str = inputs.text(LONGEST_NAME)(name, "/name")
    return found


def _flush(kept: SavedFilter) -> None:
    try:
        with db.session.begin_nested():
            db.session.add(kept)
    except IntegrityError as error:
        if "uq_saved_filters" in str(error.orig):
            raise Conflict.at("/name", "You have a filter of this name already.", code="taken") from None
        raise
