"""The global search: one look-up over records of all kinds."""

from typing import Annotated, Any

from flask import Blueprint, Response

from app.api.body import Body, Meta
from app.api.endpoint import endpoint
from app.api.envelope import resource, success
from app.api.guards import current_actor, guard
from app.api.serializers import need_staff
from app.permissions import Verb, allows
from app.services import search
from app.services.search import Hit

blueprint = Blueprint("search", __name__)


class SearchQuery(Body):
    """What is looked for."""

    q: Annotated[str, Meta(min_length=search.SHORTEST, max_length=search.LONGEST)]


@blueprint.get("/search")
@guard("customers", "read")
@endpoint("Search all records", query=SearchQuery, answers="search_hit", many=True)
def search_all(query: SearchQuery) -> Response:
    """The beginning of a customer's or an account's name or of a document's number, or a whole e-mail
    address, GSTIN, external id, payment reference, key prefix, event id, request id or id; at most five of a
    kind, and only of kinds that the caller may read. `kind` and `id` name the record; `more` in `meta` are
    the kinds that have others. `events_searched` in `meta` is false where the time for event ids was over.
    """
    need_staff("The search")
    actor = current_actor()
    found = search.find(query.q, allowed=lambda what: allows(actor, what, Verb.read))
    hits = [_hit(hit) for group in found.groups for hit in group.hits]
    more = [group.kind.name for group in found.groups if group.more]
    return success(hits, more=more, events_searched=not found.unsure)


def _hit(hit: Hit) -> dict[str, Any]:
    return resource("search_hit", hit.id, {"kind": hit.kind, "title": hit.title, "detail": hit.detail})
