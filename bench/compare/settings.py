"""Which settings of a cell are not the same in two result sets."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence

import pyarrow as pa

from bench.compare.values import Place

WORDS: Mapping[str, str] = {
    "model": "parameters of the model",
    "split": "split",
    "training": "training settings",
    "tuning": "tuning settings",
    "seeds": "number of seeds",
    "seed": "root seed",
    "time_limit_s": "time limit",
    "plugins": "plugin versions",
    "code_version": "version of the code that gives results",
}
"""The keys of a stored spec that decide results besides the data, and what to call them."""

Settings = Mapping[str, frozenset[str]]
"""For each key of `WORDS`, its values in the rows of one cell, as JSON; empty where no spec is stored."""


def settings(runs: pa.Table, key: Sequence[str]) -> dict[Place, Settings]:
    """The settings of each cell of `runs`, by its place, which the columns `key` make."""
    specs: dict[Place, set[str]] = defaultdict(set)
    for row in runs.group_by([*key, "spec"], use_threads=False).aggregate([]).to_pylist():
        specs[Place(*(row[name] for name in key))] |= {row["spec"]} - {None}
    return {place: _by_name([json.loads(text) for text in texts]) for place, texts in specs.items()}


def differences(old: Settings, new: Settings) -> tuple[str, ...]:
    """What differs, in words; nothing is said of what one of them does not hold."""
    return tuple(word for name, word in WORDS.items() if old[name] and new[name] and old[name] != new[name])


def _by_name(specs: Sequence[Mapping[str, object]]) -> Settings:
    return {name: frozenset(_text(spec[name]) for spec in specs if name in spec) for name in WORDS}


def _text(value: object) -> str:
    """Canonical JSON, without which parameters the suite stated: that differs where tuning does."""
    if isinstance(value, dict):
        value = {name: item for name, item in value.items() if name != "stated"}
    return json.dumps(value, sort_keys=True)
