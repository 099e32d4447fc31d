"""A list given for a parameter stands for one entry each."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from itertools import product

from bench.suite.located import Problems, Value
from bench.suite.wording import Schema, takes_a_list, within

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
