"""This module is how the simulated model fills in what a JSON Schema describes: a tool's arguments, a document; only what is required."""

import json
from collections.abc import Mapping
from typing import Final, TypeGuard

_MOST_ITEMS: Final = 100  # of a list, whatever a schema wants


def arguments_for(schema: Mapping[str, object]) -> dict[str, object]:
    """Values for the required properties of an object schema."""
    properties = schema.get("properties")
    required = schema.get("required")
    if not isinstance(properties, dict) or not isinstance(required, list):
        return {}
    return {key: _value(properties.get(key)) for key in required if isinstance(key, str)}


def schema_in(text: str) -> Mapping[str, object]:
    """The schema that instructions end on, in a line of its own, or the empty one."""
    for line in reversed(text.splitlines()):
        if line.startswith("{"):
            try:
                schema = json.loads(line)
            except ValueError:
                continue
            if _is_schema(schema):
                return schema
    return {}


def _value(schema: object) -> object:
    if not _is_schema(schema):
        return "sample"
    if "const" in schema:
        return schema["const"]
    for key in ("enum", "examples"):
        choices = schema.get(key)
        if isinstance(choices, list) and choices:
            return choices[0]
    for key in ("anyOf", "oneOf"):
        branches = schema.get(key)
        if isinstance(branches, list) and branches:
            return _value(branches[0])
    return _typed(schema)


def _typed(schema: Mapping[str, object]) -> object:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((each for each in kind if each != "null"), "null")
    match kind:
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case "null":
            return None
        case "array":
            least = schema.get("minItems", 0)
            return [_value(schema.get("items"))] * (min(least, _MOST_ITEMS) if isinstance(least, int) else 0)
        case "object":
            return arguments_for(schema)
        case _:
            return "sample"


def _is_schema(schema: object) -> TypeGuard[Mapping[str, object]]:
    return isinstance(schema, dict)
