"""The JSON schemas of the contract: of the shapes that views declare, and of the envelope around them."""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from app.api.body import Body, Instant, Number
from app.api.endpoint import Endpoint

REFERENCE = "#/components/schemas/{name}"
OUR_ERROR = {"$ref": REFERENCE.format(name="Error")}


class Shapes:
    """The JSON schemas of all shapes that views declare, those with a name as components."""

    def __init__(self, declared: Iterable[Endpoint]) -> None:
        shapes = [
            shape
            for entry in declared
            for shape in (
                *entry.bodies,
                *entry.other_media.values(),
                *(entry.bare or ()),
                entry.query,
                entry.attributes,
            )
            if shape
        ]
        schemas, self.components = msgspec.json.schema_components(
            shapes, schema_hook=_schema_of_own, ref_template=REFERENCE
        )
        self._schemas = {str(shape): schema for shape, schema in zip(shapes, schemas, strict=True)}

    def reference(self, shape: Any) -> dict[str, Any]:
        """Return the schema that stands for a shape, by reference where it has a name."""
        return self._schemas[str(shape)]

    def fields(self, shape: Any) -> Iterator[tuple[str, dict[str, Any], bool]]:
        """Yield name, schema and whether it is required, of every field."""
        whole = self.components[self.reference(shape)["$ref"].rpartition("/")[2]]
        for name, schema in whole["properties"].items():
            yield name, schema, name in whole.get("required", ())


def success_schema(declared: Endpoint, shapes: Shapes) -> dict[str, Any]:
    """Return the schema of the envelope with what a view answers."""
    attributes = shapes.reference(declared.attributes) if declared.attributes else {"type": "object"}
    data: dict[str, Any] = {
        "type": "object",
        "properties": {
            "id": {"type": "string"},
            "type": {"const": declared.answers},
            "attributes": attributes,
            "relationships": {"type": "object"},
        },
        "required": ["type", "attributes"],
    }
    return {
        "type": "object",
        "properties": {
            "status": {"const": "success"},
            "data": {"type": "array", "items": data} if declared.many else data,
            "meta": {"type": "object"},
        },
        "required": ["status", "data", "meta"],
    }


def error_schema() -> dict[str, Any]:
    """Return the schema of our refusals."""
    text = {"type": "string"}
    entry = {"type": "object", "properties": {"pointer": text, "code": text, "message": text}}
    error = {
        "type": "object",
        "properties": {
            "code": text,
            "message": text,
            "fields": {"type": "array", "items": entry},
            "reference": {**text, "description": "The request's id, which is in the log."},
        },
        "required": ["code", "message", "fields", "reference"],
    }
    properties = {"status": {"const": "error"}, "error": error, "meta": {"type": "object"}}
    return {"type": "object", "properties": properties, "required": ["status", "error", "meta"]}


def _schema_of_own(kind: type) -> dict[str, Any]:
    if issubclass(kind, Number):
        words = (kind.__doc__ or "").partition(":")[0]
        return {"type": ["string", "number"], "format": "decimal", "description": words}
    if issubclass(kind, Instant):
        return {
            "type": ["string", "number"],
            "format": "date-time",
            "description": "RFC 3339 or unix seconds",
        }
    if issubclass(kind, Body):
        return {"type": "object"}
    raise TypeError(f"No schema for {kind!r}.")
