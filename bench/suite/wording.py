"""A JSON Schema and a value, in plain words: the two halves of "expected …, got …"."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

Schema = Mapping[str, Any]

_LENGTH = 60  # of a value that is shown
_LIMIT = 2**31 - 1  # of a whole number: an upper bound from here on is the store's and goes without saying
_TYPES = {"boolean": "true or false", "null": "null", "integer": "a whole number", "number": "a number"}
_BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
_FORMATS = {"path": "path", "file-path": "path", "date": "date", "date-time": "date and time"}


def shown(content: Any) -> str:
    """A value as a person would point at it: ``'ten'``, ``true``, ``a list of 3``."""
    if isinstance(content, str):
        return repr(content if len(content) <= _LENGTH else content[:_LENGTH] + "…")
    if isinstance(content, Mapping):
        return "a mapping"
    if isinstance(content, Sequence):
        return f"a list of {len(content)}" if content else "an empty list"
    return "nothing" if content is None else json.dumps(content)


def expected(schema: Schema, root: Schema, got: Any = None) -> str:
    """What `schema`, a part of the JSON Schema `root`, asks for; `got` decides whether a far limit is worth a word."""
    schema = resolved(schema, root)
    if "const" in schema:
        return shown(schema["const"])
    if "enum" in schema:
        return _either(shown(option) for option in schema["enum"])
    if branches := schema.get("anyOf") or schema.get("oneOf"):
        return _either(_described(branch, root, got) for branch in branches)
    return _of_type(schema, root, got)


def resolved(schema: Schema, root: Schema) -> Schema:
    """`schema`, or what its ``$ref`` points at inside `root`."""
    while "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    return schema


def within(root: Schema, path: Iterable[str | int]) -> Schema | None:
    """The part of `root` that is about the value at `path`, keys and indices; `None` where it cannot be told."""
    found: Schema | None = root
    for step in path:
        found = next(filter(None, (_below(branch, step) for branch in _branches(found, root))), None) if found else None
    return resolved(found, root) if found else None


def keys_within(root: Schema, path: Iterable[str | int]) -> set[str]:
    """The keys that a mapping at `path` may have."""
    found = within(root, path) or {}
    return {key for branch in _branches(found, root) for key in branch.get("properties", {})}


def takes_a_list(schema: Schema, root: Schema) -> bool:
    """Whether a list can be a value of `schema`, a part of the JSON Schema `root`."""
    return any(branch.get("type") == "array" for branch in _branches(schema, root))


def _branches(schema: Schema, root: Schema) -> Iterator[Schema]:
    schema = resolved(schema, root)
    yield schema
    for word in ("anyOf", "oneOf", "allOf"):
        for branch in schema.get(word, ()):
            yield from _branches(branch, root)


def _below(schema: Schema, step: str | int) -> Schema | None:
    if isinstance(step, str):
        extra = schema.get("additionalProperties")
        below = schema.get("properties", {}).get(step, extra if isinstance(extra, Mapping) else None)
    else:
        first = schema.get("prefixItems", ())
        below = first[step] if step < len(first) else schema.get("items")
    return below if isinstance(below, Mapping) else None


def _described(schema: Schema, root: Schema, got: Any) -> str:
    text = expected(schema, root, got)
    return f"{text} ({schema['description']})" if "description" in schema else text


def _of_type(schema: Schema, root: Schema, got: Any) -> str:
    kind = schema.get("type")
    if kind in ("integer", "number"):
        return _TYPES[kind] + _bounds(schema, got)
    if kind == "array":
        least = f" of at least {schema['minItems']}" if schema.get("minItems") else ""
        each = f", each {expected(schema['items'], root)}" if schema.get("items") else ""
        return f"a list{least}{each}"
    if kind == "string":
        text = _FORMATS.get(schema.get("format", ""), "text")
        least = "non-empty " if schema.get("minLength") else ""
        most = f" of at most {schema['maxLength']} characters" if schema.get("maxLength") else ""
        pattern = f" that matches {schema['pattern']}" if schema.get("pattern") else ""
        return f"{least}{text}{most}{pattern}"
    return "a mapping" if kind == "object" else _TYPES.get(str(kind), "another value")


def _bounds(schema: Schema, got: Any) -> str:
    over = isinstance(got, int | float) and got > _LIMIT
    parts = [
        f"{sign} {schema[word]:g}" if isinstance(schema[word], float) else f"{sign} {schema[word]}"
        for word, sign in _BOUNDS.items()
        if word in schema and (over or schema[word] < _LIMIT)
    ]
    return f" {' and '.join(parts)}" if parts else ""


def _either(options: Iterable[str]) -> str:
    *rest, last = dict.fromkeys(options)
    return f"{', '.join(rest)} or {last}" if rest else last
