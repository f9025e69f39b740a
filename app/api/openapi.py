"""The published contract: OpenAPI 3.1 and a page for people, both made from the declarations that read the
requests.

Every view under `guard` or `public` is in it. A view declared by `endpoint` brings its shapes; one that is
not, its route, its guard and its docstring. So a new file in this package needs no word here.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Flask, Response, current_app, render_template
from werkzeug.routing import Rule

from app.api.endpoint import JSON, Endpoint, endpoint
from app.api.envelope import answer
from app.api.guards import PUBLIC, public
from app.api.schemas import OUR_ERROR, Shapes, error_schema, success_schema

blueprint = Blueprint("contract", __name__, url_prefix="/api")

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
CONVERTERS = {
    "UUIDConverter": {"type": "string", "format": "uuid"},
    "IntegerConverter": {"type": "integer", "minimum": 0},
}
REFUSALS = {
    "400": "The request cannot be used; `fields` names where.",
    "401": "Nobody is known behind the request.",
    "403": "The caller may not do this.",
    "404": "There is no such thing, or it is not the caller's.",
    "429": "Too many requests: come back after `Retry-After` seconds.",
    "503": "The outcome is unknown: send the same again.",
}
REFUSALS_OF_CHANGES = {"409": "The state of things does not allow it."}
REFUSALS_OF_BODIES = {"413": "The body is over 1 MiB.", "415": "The body is not JSON."}
REFUSALS_OF_OTHERS = {"422": "A rule is broken; `error_details` names where. Nothing is stored."}
REFUSALS_OF_KEYS = {"422": "The Idempotency-Key was used for another request."}
DESCRIPTION = (
    "Usage events in, wallets and invoices out. Decimals travel as strings, instants as RFC 3339 in UTC. "
    "Sign each request, or call with `Authorization: Bearer <secret of an API key, or JWT>`; people with "
    "their session and `X-CSRFToken`."
)
SECURITY_SCHEMES = {
    "bearerKey": {"type": "http", "scheme": "bearer", "description": "The secret of a bearer API key."},
    "signedKey": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Api-Key",
        "description": "The id of a signed API key; with X-Timestamp, X-Nonce and X-Signature, an "
        "HMAC-SHA256 over method, path, sorted query and the hash of the body.",
    },
    "token": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "RS256 by the configured issuer, with iss, aud, exp, iat and sub.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "otpless_billing",
        "description": "A person's session; with the header X-CSRFToken on every unsafe call.",
    },
}


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path, with all that the contract tells about it."""

    method: str
    path: str
    name: str
    tag: str
    summary: str
    description: str
    rule: Rule
    guard: Any
    declared: Endpoint | None
    idempotent: bool


@blueprint.get("/v1/openapi.json")
@public
@endpoint("This contract")
def contract() -> Response:
    """OpenAPI 3.1 of everything that answers here."""
    return answer(document(current_app), 200)


@blueprint.get("/docs")
@public
@endpoint("The contract as a page")
def page() -> str:
    """The same for people."""
    return render_template("api/docs.html", contract=document(current_app), description=DESCRIPTION)


def document(app: Flask) -> dict[str, Any]:
    """Return the OpenAPI document of the application; it is made once."""
    made: dict[str, Any] | None = app.extensions.get("openapi")
    if made is None:
        made = app.extensions["openapi"] = _document(app)
    return made


def operations(app: Flask) -> Iterator[Operation]:
    """Yield what the JSON edge answers, in the order of the paths."""
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        view = app.view_functions[rule.endpoint]
        if not rule.endpoint.startswith("api.") or not hasattr(view, "__guard__"):
            continue
        declared: Endpoint | None = getattr(view, "__endpoint__", None)
        words = (view.__doc__ or "").strip()
        for method in METHODS:
            if method in (rule.methods or ()):
                yield Operation(
                    method=method.lower(),
                    path=re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule.rule),
                    name=f"{rule.endpoint.removeprefix('api.').replace('.', '_')}",
                    tag=rule.endpoint.split(".")[1],
                    summary=declared.summary if declared else words.partition(".")[0],
                    description=re.sub(r"\s+", " ", words),
                    rule=rule,
                    guard=view.__guard__,
                    declared=declared,
                    idempotent=hasattr(view, "__idempotent__") or bool(declared and declared.keyed),
                )


def _document(app: Flask) -> dict[str, Any]:
    found = list(operations(app))
    shapes = Shapes(operation.declared for operation in found if operation.declared)
    paths: dict[str, dict[str, Any]] = {}
    for operation in found:
        paths.setdefault(operation.path, {})[operation.method] = _operation(operation, shapes)
    return {
        "openapi": "3.1.0",
        "info": {"title": "OTPless Billing", "version": "v1", "description": DESCRIPTION},
        "paths": paths,
        "components": {
            "schemas": {**shapes.components, "Error": error_schema()},
            "securitySchemes": SECURITY_SCHEMES,
        },
    }


def _operation(operation: Operation, shapes: Shapes) -> dict[str, Any]:
    declared = operation.declared
    made: dict[str, Any] = {
        "operationId": f"{operation.name}_{operation.method}",
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.description,
        "parameters": _parameters(operation, shapes),
        "responses": _responses(operation, shapes),
    }
    if operation.guard != PUBLIC:
        resource, verb = operation.guard
        made["security"] = [{scheme: []} for scheme in SECURITY_SCHEMES]
        made["x-permission"] = f"{resource}:{verb}"
    if declared and declared.bodies:
        choices = [shapes.reference(body) for body in declared.bodies]
        schema = choices[0] if len(choices) == 1 else {"oneOf": choices}
        content = {
            media: {"schema": shapes.reference(shape)} for media, shape in declared.other_media.items()
        }
        made["requestBody"] = {"required": True, "content": {JSON: {"schema": schema}, **content}}
    return made


def _parameters(operation: Operation, shapes: Shapes) -> list[dict[str, Any]]:
    converters = operation.rule._converters
    parameters: list[dict[str, Any]] = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": CONVERTERS.get(type(converter).__name__, {"type": "string"}),
        }
        for name, converter in converters.items()
    ]
    if operation.declared and operation.declared.query:
        for name, schema, required in shapes.fields(operation.declared.query):
            parameters.append({"name": name, "in": "query", "required": required, "schema": schema})
    if operation.idempotent:
        schema = {"type": "string", "minLength": 1, "maxLength": 255}
        parameters.append({"name": "Idempotency-Key", "in": "header", "required": False, "schema": schema})
    return parameters


def _responses(operation: Operation, shapes: Shapes) -> dict[str, Any]:
    declared = operation.declared
    done: dict[str, Any] = {"description": "Done."}
    if declared and declared.bare:
        done["content"] = {JSON: {"schema": shapes.reference(declared.bare[0])}}
    elif declared and declared.answers:
        done["content"] = {declared.media: {"schema": success_schema(declared, shapes)}}
    elif declared and declared.media != JSON:
        done["content"] = {declared.media: {"schema": {"type": "string", "format": "binary"}}}
    responses = {str(declared.status if declared else 200): done}
    for status in declared.also if declared else ():
        # A preview or a partial success need not have the shape of the resource.
        responses[str(status)] = {"description": "Done."}
        if status != 204:
            responses[str(status)]["content"] = {JSON: {"schema": {"type": "object"}}}
    if operation.guard != PUBLIC:
        refusal = shapes.reference(declared.bare[1]) if declared and declared.bare else OUR_ERROR
        error = {JSON: {"schema": refusal}}
        refusals = _refusals(operation)
        responses |= {code: {"description": words, "content": error} for code, words in refusals.items()}
    return responses


def _refusals(operation: Operation) -> dict[str, str]:
    declared = operation.declared
    found = dict(REFUSALS)
    if operation.method != "get" or (declared and declared.media != JSON):
        found |= REFUSALS_OF_CHANGES
    if declared and declared.bodies:
        found |= REFUSALS_OF_BODIES
    if declared and declared.bare:
        found |= REFUSALS_OF_OTHERS
    if operation.idempotent:
        found |= REFUSALS_OF_KEYS
    return found
