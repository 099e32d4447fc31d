"""Check a value of a file against a pydantic class: every error in plain words, at its position.

The message "expected …, got …" describes a JSON Schema and a value. A list given for a parameter stands for one entry
each.
"""

import functools
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core.core_schema import ErrorType

from bench.errors import validator_text
from bench.registry import unknown
from bench.suite.yaml import Position, Problems, Value

Schema = Mapping[str, Any]

_LENGTH = 60  # of a value that is shown
_LIMIT = 2**31 - 1  # of a whole number: an upper bound from here on is the store's and goes without saying
_TYPES = {"boolean": "true or false", "null": "null", "integer": "a whole number", "number": "a number"}
_BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
_FORMATS = {"path": "path", "file-path": "path", "date": "date", "date-time": "date and time"}


@functools.cache
def json_schema_of(model: type[BaseModel]) -> Schema:
    """The JSON Schema of a class, which takes long to make: there are many entries of few classes."""
    return model.model_json_schema()


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
    """What `schema`, a part of the JSON Schema `root`, requests; `got` decides whether a far limit is worth a word."""
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
    """The part of `root` that is about the value at `path`, keys and indices; `None` where it is inconclusive."""
    part: Schema | None = root
    for step in path:
        part = next(filter(None, (_below(branch, step) for branch in _branches(part, root))), None) if part else None
    return resolved(part, root) if part else None


def keys_within(root: Schema, path: Iterable[str | int]) -> set[str]:
    """The keys that a mapping at `path` may have."""
    part = within(root, path) or {}
    return {key for branch in _branches(part, root) for key in branch.get("properties", {})}


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


_MOST = 1000  # entries that one mapping may stand for


def combinations(parameters: Value, schema: Schema, problems: Problems) -> Iterator[tuple[str, Value]]:
    """Each combination of what the lists in `parameters` hold: what to add to the id, and the parameters.

    The last list varies fastest, as in nested loops. A parameter that is itself a list by its `schema` stands
    for several entries only as a list of lists.
    """
    options: dict[str, tuple[Value, ...]] = {}
    for name, value in parameters.content.items():
        options[name] = value.content if _is_several(value, within(schema, [name]) or {}, schema) else (value,)
        if not options[name]:
            problems.add(value.place, f"{name}: expected a value, or a list of at least 1, got an empty list")
    if (count := math.prod(map(len, options.values()))) > _MOST:
        problems.add(parameters.place, f"expected lists that stand for at most {_MOST} entries, got {count}")
        return
    for chosen in product(*options.values()):
        content = dict(zip(options, chosen, strict=True))
        varied = (name for name in options if content[name] is not parameters.content[name])
        suffix = "".join(f"-{name}={_text(content[name])}" for name in varied)
        yield suffix, Value(parameters.place, content, parameters.keys)


def _is_several(value: Value, schema: Schema, root: Schema) -> bool:
    if not isinstance(value.content, tuple):
        return False
    lists = bool(value.content) and all(isinstance(item.content, tuple) for item in value.content)
    return lists or not takes_a_list(schema, root)


def _text(value: Value) -> str:
    return value.content if isinstance(value.content, str) else json.dumps(value.plain())


Model = TypeVar("Model", bound=BaseModel)
Detail = Mapping[str, Any]
Path = tuple[str | int, ...]

_GENERAL = frozenset(get_args(ErrorType)) - {"value_error", "assertion_error"}
"""Errors that pydantic words; the rest are worded by the class itself."""


def check(value: Value, model: type[Model], problems: Problems, *, label: str = "", noun: str = "key") -> Model | None:
    """`value` as a `model`, or `None` with every reason added to `problems`.

    Parameters
    ----------
    value
        Read as JSON is: a list passes for a tuple and text for a path, but ``'10'`` not for a number.
    model
        The pydantic class.
    problems
        Where to say what is wrong.
    label
        What `value` is called in messages.
    noun
        What one of its keys is called in messages.
    """
    try:
        return model.model_validate_json(json.dumps(value.plain()))
    except ValidationError as error:
        details = error.errors(include_url=False)
    blamed = problems.places()
    for place, message in _Reporter(value, json_schema_of(model), label, noun).messages(details):
        if place not in blamed:
            problems.add(place, message)
    return None


@dataclass(frozen=True)
class _Reporter:
    root: Value
    schema: Schema
    label: str
    noun: str

    def messages(self, details: list[Any]) -> Iterator[tuple[Position, str]]:
        reported: list[Path] = []  # where something more telling was said than "expected this or that"
        values: dict[Path, list[Detail]] = {}
        for detail in details:
            if detail["type"] in ("missing", "extra_forbidden"):
                path, mapping = self._walk(detail["loc"][:-1])
                reported.append(path)
                yield self._of_key(detail, path, mapping)
            elif detail["loc"][-1:] == ("[key]",):
                yield self._of_named(detail, *self._walk(detail["loc"][:-2]))
            else:
                values.setdefault(self._walk(detail["loc"])[0], []).append(detail)
        for path, reasons in values.items():
            deeper = any(path == other[: len(path)] for other in values if other != path)
            if not deeper and not any(path == other[: len(path)] for other in reported):
                yield self._of_value(path, reasons)

    def _walk(self, location: Path) -> tuple[Path, Value]:
        """The part of pydantic's `location` that is in the file (the rest names branches of unions), and the value."""
        path: list[str | int] = []
        value = self.root
        for step in location:
            content = value.content
            items = dict(enumerate(content)) if isinstance(content, tuple) else content
            if isinstance(items, dict) and step in items:
                path.append(step)
                value = items[step]
        return tuple(path), value

    def _of_key(self, detail: Detail, path: Path, mapping: Value) -> tuple[Position, str]:
        key, noun = detail["loc"][-1], "key" if path else self.noun
        if detail["type"] == "missing":
            return mapping.place, f"{self._prefix(path)}the {noun} {key!r} is missing"
        return mapping.keys[key], self._prefix(path) + unknown(key, keys_within(self.schema, path), noun)

    def _of_named(self, detail: Detail, path: Path, mapping: Value) -> tuple[Position, str]:
        """Of a key that its mapping does not list, and that is none of those it may have."""
        key = detail["loc"][-2]
        named = (within(self.schema, path) or {}).get("propertyNames", {}).get("enum")
        text = unknown(key, named, "key") if named else validator_text(detail["msg"])
        return mapping.keys[key], self._prefix(path) + text

    def _of_value(self, path: Path, reasons: list[Detail]) -> tuple[Position, str]:
        value = self._walk(path)[1]
        if all(reason["type"] not in _GENERAL for reason in reasons):
            text = validator_text(reasons[0]["msg"])
        elif schema := within(self.schema, path):
            text = f"expected {expected(schema, self.schema, value.content)}, got {shown(value.content)}"
        else:
            text = f"{reasons[0]['msg']}, got {shown(value.content)}"
        return value.place, self._prefix(path) + text

    def _prefix(self, path: Path) -> str:
        names = [step for step in path if isinstance(step, str)] or [self.label]
        name = " ".join(names[-2:]) if names[-1].isdecimal() else names[-1]  # a number is nothing without what it is of
        return f"{name}: " if name else ""
