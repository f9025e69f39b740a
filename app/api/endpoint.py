"""Declaring an endpoint: one decorator reads the request by its shapes and records them for the OpenAPI
document.

    @blueprint.post("/wallets/<uuid:wallet_id>/credits")
    @guard("wallets", "write")
    @idempotent
    @endpoint("Give a credit", body=Credit, answers="wallet_transaction", status=201)
    def give_credit(wallet_id: UUID, body: Credit) -> Response:
        with transaction():
            …
        return success(resource("wallet_transaction", …), 201)

In this order: the guard first, so that a stranger's body is never read. `body=` and `query=` name `Body`
shapes of `app.api.body`; the view gets what was read as its arguments `body` and `query`. `answers` is the
type of the resource in `data` (`many=True`: an array of them); `attributes=` may name a shape that documents
its attributes. `also` names other statuses of success, `media` what is sent where it is not JSON, and `keyed`
a view that keeps its own `Idempotency-Key`. `other_media` are bodies of other content types; `bare` names the
shapes of the whole answer and of refusals where a view speaks somebody else's protocol.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from types import MappingProxyType
from typing import Any, TypeVar, cast

from app.api.body import Body, read, read_query

JSON = "application/json"
NO_OTHER_MEDIA: Mapping[str, Any] = MappingProxyType({})

View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What the OpenAPI document says about one view."""

    summary: str
    description: str
    bodies: tuple[Any, ...]
    query: type[Body] | None
    answers: str | None
    attributes: type[Body] | None
    many: bool
    status: int
    also: tuple[int, ...]
    media: str
    keyed: bool
    other_media: Mapping[str, Any]
    bare: tuple[Any, Any] | None


def endpoint(
    summary: str,
    *,
    body: type[Body] | None = None,
    query: type[Body] | None = None,
    answers: str | None = None,
    attributes: type[Body] | None = None,
    many: bool = False,
    status: int = 200,
    also: tuple[int, ...] = (),
    media: str = JSON,
    keyed: bool = False,
    documented_bodies: tuple[Any, ...] = (),
    other_media: Mapping[str, Any] = NO_OTHER_MEDIA,
    bare: tuple[Any, Any] | None = None,
) -> Callable[[View], View]:
    """Return a decorator that reads `body` and `query` for the view and records the declaration as
    `__endpoint__`.

    `documented_bodies` are the shapes, one of which a view expects that reads its body itself.
    """

    def declare(view: View) -> View:
        @wraps(view)
        def reading(*args: Any, **kwargs: Any) -> Any:
            if query is not None:
                kwargs["query"] = read_query(query)
            if body is not None:
                kwargs["body"] = read(body)
            return view(*args, **kwargs)

        reading.__endpoint__ = Endpoint(  # type: ignore[attr-defined]
            summary=summary,
            description=(view.__doc__ or "").strip(),
            bodies=documented_bodies if body is None else (body,),
            query=query,
            answers=answers,
            attributes=attributes,
            many=many,
            status=status,
            also=also,
            media=media,
            keyed=keyed,
            other_media=other_media,
            bare=bare,
        )
        return cast(View, reading)

    return declare
