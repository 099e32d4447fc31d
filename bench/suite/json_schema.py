"""The JSON Schema of suite files, for editors, kind by kind."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from bench.models.base import StatedSearch
from bench.spec import Entry, Suite
from bench.suite.load import Kind
from bench.suite.validate import resolved

Json = dict[str, Any]
Kinds = Mapping[str, Kind]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_FIRST = ("name", "id", "title", "datasets", "models")


def json_schema(datasets: Kinds, models: Kinds) -> Json:
    """The JSON Schema (2020-12) of the suites that these registries allow.

    Every suite that loads is valid by it. What only a whole suite can get wrong (an id given twice, an exclusion
    of nothing) is left to `load`.
    """
    schemas = Schemas.of([Suite], datasets, models)
    suite = schemas.filled(Suite, schemas.entries, least=1)
    return schemas.document({**suite, "required": [*suite.get("required", ()), "datasets", "models"]})


@dataclass(frozen=True)
class Schemas:
    """The JSON Schemas that one of suite files is made of.

    Parameters
    ----------
    classes
        Of each class that a file is checked against.
    entries
        Key of a suite → the list of entries that may be written there.
    definitions
        What the others refer to.
    """

    classes: Mapping[type[BaseModel], Json]
    entries: Mapping[str, Json]
    definitions: Mapping[str, Json]

    @classmethod
    def of(cls, wanted: Sequence[type[BaseModel]], datasets: Kinds, models: Kinds) -> Schemas:
        """Those of the classes `wanted`, and of what the registries allow."""
        registries = {"dataset": datasets, "model": models}
        own = dict.fromkeys(kind.parameters for kinds in registries.values() for kind in kinds.values())
        modes: list[tuple[type[BaseModel], Literal["validation"]]] = [(each, "validation") for each in (*wanted, *own)]
        references, whole = models_json_schema(modes, schema_generator=_Untitled)
        classes = {each: dict(resolved(references[each, "validation"], whole)) for each in (*wanted, *own)}
        several = {key: _one_of(kinds, classes, key) for key, kinds in registries.items()}
        entries = {f"{key}s": {"type": "array", "items": {"$ref": f"#/$defs/{key}"}} for key in registries}
        return cls(classes, entries, {**whole["$defs"], **several, _SEARCH: _search()})

    def filled(self, what: type[BaseModel], entries: Mapping[str, Json], *, least: int) -> Json:
        """The JSON Schema of `what`, with what may be written where `entries` stand, each with `least` items."""
        schema = self.classes[what]
        properties = {**dict.fromkeys(name for name in _FIRST if name in schema["properties"]), **schema["properties"]}
        for key in entries.keys() & properties.keys():
            about = {word: properties[key][word] for word in ("description",)}
            properties[key] = {**about, **entries[key], **({"minItems": least} if least else {})}
        return {**schema, "properties": properties}

    def document(self, schema: Json) -> Json:
        """`schema` as a file of its own."""
        whole = {"$schema": _DIALECT, **schema}
        return {**whole, "$defs": _used(whole, self.definitions)}


class _Untitled(GenerateJsonSchema):
    """Without a title for every field: it would only repeat the field's name."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's signature
        return False


def _by_parameters(kinds: Kinds) -> dict[type[BaseModel], Kinds]:
    groups: dict[type[BaseModel], dict[str, Kind]] = {}
    for name, kind in kinds.items():
        groups.setdefault(kind.parameters, {})[name] = kind
    return dict(groups)


def _one_of(kinds: Kinds, classes: Mapping[type[BaseModel], Json], key: str) -> Json:
    """A kind's name, where all its parameters have defaults, or a mapping."""
    known = {key: _ADDRESS} if key == "model" else {}
    heads = _heads(searched=key == "model")
    mappings = [_mapping(_names(group), classes[model], heads) for model, group in _by_parameters(kinds).items()] + [
        _mapping(each, {"additionalProperties": True}, heads) for each in known.values()
    ]
    alone = {name: kind for name, kind in kinds.items() if not classes[kind.parameters].get("required")}
    return {"anyOf": [_names(alone), *known.values(), *mappings]}


_ADDRESS: Json = {
    "type": "string",
    "pattern": r"^(.+\.py|[A-Za-z_][A-Za-z0-9_.]*):[A-Za-z_][A-Za-z0-9_]*$",
    "description": "A torch.nn.Module class of yours, by its file or module; needs --allow-plugin.",
}


def _heads(*, searched: bool) -> Json:
    """The keys of an entry that are no parameters."""
    entry = Entry.model_json_schema(mode="validation", schema_generator=_Untitled)["properties"]
    if not searched:
        return {"id": entry["id"], "unit": entry["unit"]}
    return {"id": entry["id"], "search": {"$ref": f"#/$defs/{_SEARCH}", "description": entry["search"]["description"]}}


_SEARCH = "search"


def _search() -> Json:
    """A search space, without references: what they refer to is in their place."""
    schema = TypeAdapter(StatedSearch).json_schema(schema_generator=_Untitled)
    known = {f"#/$defs/{name}": each for name, each in schema.get("$defs", {}).items()}

    def filled(part: Any) -> Any:
        if isinstance(part, dict):
            part = known.get(part.get("$ref", ""), part)
            return {name: filled(each) for name, each in part.items() if name != "$defs"}
        return [filled(each) for each in part] if isinstance(part, list) else part

    whole: Json = filled(schema)
    return whole


def _names(kinds: Kinds) -> Json:
    described = [{"const": name, "description": kind.summary} for name, kind in kinds.items()]
    return {"anyOf": described} if len(described) > 1 else described[0]


def _mapping(kind: Json, own: Mapping[str, Any], heads: Json) -> Json:
    """An entry with parameters, for the names of kinds that share a parameter class of the JSON Schema `own`."""
    parameters = {name: _one_or_several(schema) for name, schema in own.get("properties", {}).items()}
    return {
        "type": "object",
        "properties": {**parameters, **heads, "kind": kind},
        "required": ["kind", *own.get("required", ())],
        "additionalProperties": own.get("additionalProperties", False),
    }


def _one_or_several(schema: Json) -> Json:
    about: Json = {word: schema[word] for word in ("description", "default") if word in schema}
    one = {word: content for word, content in schema.items() if word not in about}
    branches = one["anyOf"] if one.keys() == {"anyOf"} else [one]
    return {**about, "anyOf": [*branches, {"type": "array", "items": one, "minItems": 1}]}


def _used(schema: Json, definitions: Mapping[str, Json]) -> Json:
    """The `definitions` that `schema` refers to, and those that they refer to."""
    used: Json = {}
    waiting = [schema]
    while waiting:
        text = json.dumps(waiting.pop())
        referenced = {name for name in definitions.keys() - used if f'"#/$defs/{name}"' in text}
        used |= {name: definitions[name] for name in referenced}
        waiting += [definitions[name] for name in referenced]
    return dict(sorted(used.items()))
