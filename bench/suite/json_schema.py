"""The JSON Schema of suite files, for editors, kind by kind."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from bench.spec import Entry, Suite, System
from bench.suite.load import Kind
from bench.suite.validate import resolved

Json = dict[str, Any]
Kinds = Mapping[str, Kind]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_SOMETHING = [
    {"required": ["datasets", "models"], "properties": {key: {"minItems": 1} for key in ("datasets", "models")}},
    {"required": ["systems"], "properties": {"systems": {"minItems": 1}}},
]
_FIRST = ("name", "id", "title", "datasets", "models")


def json_schema(datasets: Kinds, models: Kinds) -> Json:
    """The JSON Schema (2020-12) of the suites that these registries allow.

    Every suite that loads is valid by it. What only a whole suite can get wrong (an id given twice, an exclusion
    of nothing) is left to `load`.
    """
    registries = {"datasets": datasets, "models": models}
    classes = dict.fromkeys(kind.parameters for kinds in registries.values() for kind in kinds.values())
    wanted: list[type[BaseModel]] = [Suite, System, *classes]
    references, whole = models_json_schema([(each, "validation") for each in wanted], schema_generator=_Untitled)
    suite, system = (resolved(references[each, "validation"], whole) for each in (Suite, System))
    entries, several = {}, {}
    for key, kinds in registries.items():
        own = {model: resolved(references[model, "validation"], whole) for model in _by_parameters(kinds)}
        mappings = [_mapping(group, own[model]) for model, group in _by_parameters(kinds).items()]
        alone = {name: kind for name, kind in kinds.items() if not own[kind.parameters].get("required")}
        several[key.removesuffix("s")] = {"anyOf": [_names(alone), *mappings]}
        entries[key] = {"type": "array", "items": {"$ref": f"#/$defs/{key.removesuffix('s')}"}}
    entries["references"] = entries["models"]
    systems = {"type": "array", "items": _with(entries, system, least=1)}
    schema = {"$schema": _DIALECT, **_with({**entries, "systems": systems}, suite, least=0), "anyOf": _SOMETHING}
    return {**schema, "$defs": _used(schema, {**whole["$defs"], **several})}


def _with(entries: Mapping[str, Json], schema: Mapping[str, Any], *, least: int) -> Json:
    """The JSON Schema of a suite or system, with what may be written where `entries` stand."""
    properties = {**dict.fromkeys(name for name in _FIRST if name in schema["properties"]), **schema["properties"]}
    for key in entries.keys() & properties.keys():
        about = {word: properties[key][word] for word in ("description",)}
        properties[key] = {**about, **entries[key], **({"minItems": least} if least else {})}
    return {**schema, "properties": properties}


class _Untitled(GenerateJsonSchema):
    """Without a title for every field: it would only repeat the field's name."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's signature
        return False


def _by_parameters(kinds: Kinds) -> dict[type[BaseModel], Kinds]:
    groups: dict[type[BaseModel], dict[str, Kind]] = {}
    for name, kind in kinds.items():
        groups.setdefault(kind.parameters, {})[name] = kind
    return dict(groups)


def _names(kinds: Kinds) -> Json:
    described = [{"const": name, "description": kind.summary} for name, kind in kinds.items()]
    return {"anyOf": described} if len(described) > 1 else described[0]


def _mapping(kinds: Kinds, own: Mapping[str, Any]) -> Json:
    """An entry with parameters, for kinds that share a parameter class of the JSON Schema `own`."""
    identifier = Entry.model_json_schema(schema_generator=_Untitled)["properties"]["id"]
    parameters = {name: _one_or_several(schema) for name, schema in own.get("properties", {}).items()}
    return {
        "type": "object",
        "properties": {**parameters, "id": identifier, "kind": _names(kinds)},
        "required": ["kind", *own.get("required", ())],
        "additionalProperties": False,
    }


def _one_or_several(schema: Json) -> Json:
    about: Json = {word: schema[word] for word in ("description", "default") if word in schema}
    one = {word: content for word, content in schema.items() if word not in about}
    branches = one["anyOf"] if one.keys() == {"anyOf"} else [one]
    return {**about, "anyOf": [*branches, {"type": "array", "items": one, "minItems": 1}]}


def _used(schema: Json, definitions: Json) -> Json:
    """The `definitions` that `schema` refers to, and those that they refer to."""
    used: Json = {}
    waiting = [schema]
    while waiting:
        text = json.dumps(waiting.pop())
        found = {name for name in definitions.keys() - used if f'"#/$defs/{name}"' in text}
        used |= {name: definitions[name] for name in found}
        waiting += [definitions[name] for name in found]
    return dict(sorted(used.items()))
