"""Check a value of a file against a pydantic class: every error in plain words, at its place."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core.core_schema import ErrorType

from bench.registry import unknown
from bench.suite.located import Place, Problems, Value
from bench.suite.wording import Schema, expected, keys_within, shown, within

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
    for place, message in _Reporter(value, model.model_json_schema(), label, noun).messages(details):
        if place not in blamed:
            problems.add(place, message)
    return None


@dataclass(frozen=True)
class _Reporter:
    root: Value
    schema: Schema
    label: str
    noun: str

    def messages(self, details: list[Any]) -> Iterator[tuple[Place, str]]:
        told: list[Path] = []  # where something more telling was said than "expected this or that"
        values: dict[Path, list[Detail]] = {}
        for detail in details:
            if detail["type"] in ("missing", "extra_forbidden"):
                path, mapping = self._walk(detail["loc"][:-1])
                told.append(path)
                yield self._of_key(detail, path, mapping)
            elif detail["loc"][-1:] == ("[key]",):
                yield self._of_named(detail, *self._walk(detail["loc"][:-2]))
            else:
                values.setdefault(self._walk(detail["loc"])[0], []).append(detail)
        for path, reasons in values.items():
            deeper = any(path == other[: len(path)] for other in values if other != path)
            if not deeper and not any(path == other[: len(path)] for other in told):
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

    def _of_key(self, detail: Detail, path: Path, mapping: Value) -> tuple[Place, str]:
        key, noun = detail["loc"][-1], "key" if path else self.noun
        if detail["type"] == "missing":
            return mapping.place, f"{self._prefix(path)}the {noun} {key!r} is missing"
        return mapping.keys[key], self._prefix(path) + unknown(key, keys_within(self.schema, path), noun)

    def _of_named(self, detail: Detail, path: Path, mapping: Value) -> tuple[Place, str]:
        """Of a key that its mapping does not list, and that is none of those it may have."""
        key = detail["loc"][-2]
        named = (within(self.schema, path) or {}).get("propertyNames", {}).get("enum")
        text = unknown(key, named, "key") if named else _own_words(detail)
        return mapping.keys[key], self._prefix(path) + text

    def _of_value(self, path: Path, reasons: list[Detail]) -> tuple[Place, str]:
        value = self._walk(path)[1]
        if all(reason["type"] not in _GENERAL for reason in reasons):
            text = _own_words(reasons[0])
        elif schema := within(self.schema, path):
            text = f"expected {expected(schema, self.schema, value.content)}, got {shown(value.content)}"
        else:
            text = f"{reasons[0]['msg']}, got {shown(value.content)}"
        return value.place, self._prefix(path) + text

    def _prefix(self, path: Path) -> str:
        names = [step for step in path if isinstance(step, str)] or [self.label]
        name = " ".join(names[-2:]) if names[-1].isdecimal() else names[-1]  # a number is nothing without what it is of
        return f"{name}: " if name else ""


def _own_words(detail: Detail) -> str:
    """What the class itself says."""
    text: str = detail["msg"]
    return text.removeprefix("Value error, ").removeprefix("Assertion failed, ")
