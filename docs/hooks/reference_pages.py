"""The pages of the reference, made of what the program itself reads: schemas, registries, docstrings, commands.

Nothing here is a list that could differ from the code: each function walks one registry and gives one page of Markdown.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, get_args

import numpy as np
import typer
from pydantic import BaseModel

from bench import spec
from bench.cli.app import app
from bench.data import DATASETS
from bench.models import MODELS
from bench.models.base import Choice
from bench.protocol.metrics import METRICS
from bench.replication import systems
from bench.store import schema

ROOT = Path(__file__).parents[2]
NOTE = "This page is generated from the code of the version that it comes with.\n"


def generated() -> dict[str, str]:
    """Name of each page → its Markdown."""
    return {
        "suite-keys": suite_keys(),
        "models": models(),
        "datasets": datasets(),
        "commands": commands(),
        "columns": columns(),
        "metrics": metrics(),
    }


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of Markdown; bars and line ends in cells are escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(cell, line)) + " |" for line in lines) + "\n"


def cell(text: str) -> str:
    """`text` as one cell of a table."""
    return " ".join(str(text).split()).replace("|", "\\|")


# Keys of suites, and parameters of kinds


SECTIONS: Sequence[tuple[str, type[BaseModel]]] = (
    ("The suite", systems.ReplicationSuite),
    ("split", spec.Split),
    ("seeds: a plan", spec.SeedPlan),
    ("training", spec.Training),
    ("tuning", spec.Tuning),
    ("as_published", spec.AsPublished),
    ("exclude: one of its mappings", spec.Exclusion),
    ("gate", spec.Gate),
    ("gate: thresholds", spec.Thresholds),
    ("systems: one of them", systems.System),
    ("systems: settings, protocol", systems.Overrides),
    ("systems: published", systems.Published),
    ("systems: claims", systems.Claim),
)


def suite_keys() -> str:
    """Every key that a suite file may have."""
    parts = [f"## {title}\n\n{first_sentence(model)}\n\n{keys(model)}" for title, model in SECTIONS]
    entry = (
        "## datasets, models: an entry\n\nA name, or a mapping with `kind`, the name of a [dataset](datasets.md) or "
        "of a [model](models.md), and any of its parameters. A list for a parameter makes one entry for each value.\n\n"
    )
    fields = spec.Entry.model_fields
    rows = [(f"`{name}`", fields[name].description or "") for name in ("id", "search")]
    entry += table(("key", "meaning"), [("`kind`", "The registered name, or the address of a class of yours."), *rows])
    note = (
        "Unknown keys are refused, with their line and the nearest match. [Suite files in full](../suites.md) explains "
        "what each is for; `bench schema` prints the same as a JSON Schema for editors.\n"
    )
    return "\n".join(["# Keys of a suite file\n", NOTE, note, parts[0], entry, *parts[1:]])


def first_sentence(thing: type) -> str:
    """The first paragraph of a docstring."""
    return marked((inspect.getdoc(thing) or "").split("\n\n")[0])


def keys(model: type[BaseModel]) -> str:
    """The fields of a schema: name, type, default, description."""
    shown = model.model_json_schema()
    required = set(shown.get("required", ()))
    rows = [
        (f"`{name}`", kind_of(field, shown), default_of(name, field, required), field.get("description", ""))
        for name, field in shown.get("properties", {}).items()
        if field.get("description") or name in required
    ]
    return table(("key", "type", "default", "meaning"), rows) if rows else "It has no parameters.\n"


def default_of(name: str, field: Mapping[str, Any], required: set[str]) -> str:
    """How the default of one field is written in YAML."""
    if name in required:
        return "required"
    if "default" not in field:
        return "its own defaults"
    value = field["default"]
    if isinstance(value, dict) and value:
        return "see below"
    return f"`{value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}`"


def kind_of(field: Mapping[str, Any], whole: Mapping[str, Any]) -> str:
    """A type of JSON Schema, with its limits, in words."""
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        return kind_of(whole["$defs"][name], whole)
    for several in ("anyOf", "oneOf"):
        if several in field:
            return " or ".join(dict.fromkeys(kind_of(each, whole) for each in field[several]))
    if "enum" in field or "const" in field:
        return ", ".join(f"`{json.dumps(each)}`".replace('"', "") for each in field.get("enum", [field.get("const")]))
    if field.get("type") == "array":
        return f"list of {kind_of(field['items'], whole)}" if field.get("items") else "list"
    plain = {"integer": "whole number", "number": "number", "boolean": "true or false", "string": "text"}
    return plain.get(field.get("type", ""), field.get("type", "any value")).replace("object", "mapping") + limits(field)


def limits(field: Mapping[str, Any]) -> str:
    """The smallest and largest value that a number may have."""
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    large = 2**31 - 1
    shown = [f"{sign} {digits(field[name])}" for name, sign in signs.items() if abs(field.get(name, large)) < large]
    return f" {', '.join(shown)}" if shown else ""


def digits(value: float) -> str:
    """A number with spaces between groups of three digits."""
    return f"{value:g}" if abs(value) < 1000 or value % 1 else f"{int(value):,}".replace(",", "\u202f")


# Models


def models() -> str:
    """Every registered kind of model."""
    parts = [
        "# Models\n",
        NOTE,
        "`kind` of an entry under `models`. Tuning varies what is listed under *searched*, unless the suite sets it. "
        "[Suite files in full](../suites.md#models) has the tasks that each can do, and models of your own.\n",
        table(
            ("kind", "summary", "fitted by"),
            [(f"[`{name}`](#{name})", kind.summary, fitted_by(kind)) for name, kind in MODELS.items()],
        ),
    ]
    for name, kind in MODELS.items():
        parts.append(f"## `{name}` {{ #{name} }}\n\n{sentence(kind.summary)}\n")
        parts.append(
            f"Tasks: {', '.join(sorted(kind.tasks))}. Fitted by {fitted_by(kind)}. Searched: {searched(kind)}.\n"
        )
        parts.append(keys(kind.parameters))
        parts.append(equations(kind.builder, name))
    return "\n".join(parts)


def fitted_by(kind: Any) -> str:
    """How a model gets its weights."""
    if kind.forecaster:
        return "its own estimation, on the history"
    return "gradient descent" if kind.gradient else "a closed form or its own fit"


def searched(kind: Any) -> str:
    """The search space of a kind in words."""
    return ", ".join(f"`{name}` {extent(each)}" for name, each in kind.search.items()) or "nothing"


def extent(given: Any) -> str:
    """A range of a search space."""
    if isinstance(given, Choice):
        return "of " + ", ".join(map(str, given.options))
    return f"from {given.low:g} to {given.high:g}" + (" on a log scale" if given.log else "")


def equations(builder: Any, name: str) -> str:
    """What the module of a builder says of the model, in its own docstring and in those of its classes."""
    if not isinstance(builder, str):
        return ""
    module, _, function = builder.partition(":")
    others = {str(kind.builder).partition(":")[2] for kind in MODELS.values()} - {function}
    tree = parsed(module)
    texts = [ast.get_docstring(tree) or "", *cell_equations(name)]
    for node in tree.body:
        own = isinstance(node, ast.ClassDef) and not node.name.startswith("_")
        if own and node.name not in others and not node.name.endswith("Parameters"):
            texts.append(f"`{node.name}`: {ast.get_docstring(node) or ''}")
    body = quoted(marked("\n\n".join(texts)))
    return f"Equations and sources, from `{module}`:\n\n{body}\n"


def cell_equations(name: str) -> list[str]:
    """The paragraph of the kernels about a recurrent cell."""
    paragraphs = (ast.get_docstring(parsed("bench.kernels.equations")) or "").split("\n\n")
    return [paragraph for paragraph in paragraphs if paragraph.startswith(f"{name.upper()} (")]


@cache
def parsed(module: str) -> ast.Module:
    """The syntax tree of a module, which need not be imported: some import torch."""
    return ast.parse((ROOT / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8"))


def quoted(text: str) -> str:
    """`text` as a quotation."""
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines())


def marked(text: str) -> str:
    """ReStructuredText of a docstring as Markdown: double backticks, and blocks that ``::`` begins."""
    lines: list[str] = []
    inside = False
    for line in text.splitlines():
        if inside and line.strip() and not line.startswith("    "):
            lines, inside = [*strip_end(lines), "```", ""], False
        if not inside and line.rstrip().endswith("::"):
            lines, inside = [*lines, line.rstrip()[:-1], "", "```text"], True
            continue
        if inside and not line.strip() and lines[-1] == "```text":
            continue
        lines.append(line.removeprefix("    ") if inside else re.sub(r"``(.+?)``", r"`\1`", line))
    return "\n".join([*strip_end(lines), "```"] if inside else lines)


def strip_end(lines: list[str]) -> list[str]:
    """`lines` without the empty ones at their end."""
    while lines and not lines[-1].strip():
        lines = lines[:-1]
    return lines


def sentence(text: str) -> str:
    """`text` as a sentence."""
    return text[:1].upper() + text[1:] + "."


# Datasets


def datasets() -> str:
    """Every registered kind of dataset."""
    overview = [
        (f"[`{name}`](#{name.lower()})", kind.summary, kind.task, *references(name)[1:])
        for name, kind in DATASETS.items()
    ]
    parts = [
        "# Datasets\n",
        NOTE,
        "`kind` of an entry under `datasets`. The last two columns are root mean squared errors one step ahead, over "
        "the whole series with its default parameters and `seed: 0`: of *persistence* (the last value again), and of "
        "the best possible forecast, which is the *noise floor*. A dash: not known, because nobody generated the data, "
        "or not defined for the task. [Suite files in full](../suites.md#datasets) explains each.\n",
        table(("kind", "summary", "task", "persistence", "noise floor"), overview),
    ]
    for name, kind in DATASETS.items():
        source, *_ = references(name)
        parts.append(f"## `{name}` {{ #{name.lower()} }}\n\n{sentence(kind.summary)}\n")
        if source:
            parts.append(f"Formula, with the default parameters: {source}\n")
        parts.append(keys(kind.parameters))
    return "\n".join(parts)


@cache
def references(name: str) -> tuple[str, str, str]:
    """Formula of generated data, and the errors of persistence and of the best forecast, as they are computed."""
    kind = DATASETS[name]
    if kind.fingerprint is not None:
        return "", "–", "–"
    data = kind.load(kind.parameters(), 0)
    source = data.provenance.source
    if kind.steps is not None:  # sequences: the last value of a window is no forecast of most of their targets
        if data.best is None:
            return source, "–", "–"
        return source, "–", rms(data.targets - data.best())
    floor = "–" if data.best is None else rms(data.values - data.best(1))
    return source, rms(np.diff(data.values, axis=0)), floor


def rms(errors: Any) -> str:
    """The root of the mean square of what is known of `errors`, to three digits; 0 for what is rounding."""
    value = float(np.sqrt(np.nanmean(np.square(np.asarray(errors, dtype=float)))))
    return f"{value:.3g}" if value > 1e-12 else "0"


# Commands


def commands() -> str:
    """Every command with its arguments and options, as ``--help`` has them."""
    parts = [
        "# Commands\n",
        NOTE,
        "`bench` is the same as `python -m bench`. `bench COMMAND --help` prints the same in a terminal.\n",
    ]
    for name, command in every(typer.main.get_command(app)):
        help_text = marked(inspect.cleandoc(command.help or ""))
        parts.append(f"## `bench {name}` {{ #{name.replace(' ', '-')} }}\n\n{help_text}\n")
        rows = [row for parameter in command.params if (row := parameter_row(parameter))]
        parts.append(table(("option", "meaning", "default"), rows) if rows else "")
    return "\n".join(parts)


def every(group: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """All commands, those of groups by their whole name."""
    for name, command in group.commands.items():
        full = f"{before}{name}"
        if hasattr(command, "commands"):
            yield from every(command, f"{full} ")
        else:
            yield full, command


def parameter_row(parameter: Any) -> tuple[str, str, str] | None:
    """One argument or option."""
    if parameter.name == "help" or parameter.hidden:
        return None
    text, _, stated = (parameter.help or "").partition(" [default: ")
    option = parameter.opts[0].startswith("--")
    value = parameter.metavar or value_name(parameter.type_descriptor.annotation)
    if option:
        name = parameter.opts[0] if parameter.is_flag else f"{parameter.opts[0]} {value}"
    else:
        name = parameter.metavar or parameter.name.upper()
    return f"`{name}`", text, stated.removesuffix("]") or shown_default(parameter)


def value_name(annotation: Any) -> str:
    """What stands for the value of an option: the choices, or the kind of value."""
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return "|".join(str(each.value) for each in annotation)
    (inner,) = get_args(annotation) or (None,)
    if inner is not None:
        return value_name(inner)
    return {int: "NUMBER", float: "NUMBER"}.get(annotation, "TEXT")


def shown_default(parameter: Any) -> str:
    """The default of an option that states none in its text."""
    if parameter.required:
        return "required"
    value = getattr(parameter.default, "value", parameter.default)
    if callable(value) or value in (None, False, ()):
        return "off" if getattr(parameter, "is_flag", False) else "none"
    return f"`{value}`"


# Columns of the tables, and metrics


def columns() -> str:
    """Every column of every table of a results folder."""
    parts = [
        "# Columns of the tables\n",
        NOTE,
        "`results/SUITE/` has a folder for each table, with a Parquet file for each cell. "
        f"All begin with the same key: {', '.join(f'`{name}`' for name in schema.KEY)}. "
        "[What a run stores](../results.md) explains the tables.\n",
    ]
    for name, columns_of in schema.ALL.items():
        described = descriptions(name)
        rows = [
            (f"`{field.name}`", type_name(field.type), described.get(field.name) or from_glossary(field.name))
            for field in columns_of
            if field.name not in schema.KEY
        ]
        parts.append(f"## {name}\n\n{table(('column', 'type', 'meaning'), rows)}")
    statuses = [(f"`{status}`", schema.ADVICE.get(status, "nothing to do")) for status in schema.Status]
    parts.append(f"## status\n\nWhat to do about each:\n\n{table(('status', 'advice'), statuses)}")
    return "\n".join(parts)


def type_name(given: Any) -> str:
    """Arrow's name of a type, readable."""
    return str(given).replace("list<element: double>", "list of double").replace("timestamp[us, tz=UTC]", "moment, UTC")


def descriptions(name: str) -> dict[str, str]:
    """What ``docs/results.md`` says of the columns of a table; of the others, the comment in the schema."""
    text = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    section = text.split(f"## {name}:")[1].split("\n## ")[0]
    found = commented(name)
    for names, meaning in re.findall(r"^\| (`[a-z0-9_`, ]+`) \| (.*) \|$", section, re.MULTILINE):
        linked = re.sub(r"\((\w+\.md)", r"(../\1", re.sub(r"\(#([\w-]+)\)", r"(../results.md#\1)", meaning))
        found |= dict.fromkeys(re.findall(r"`([a-z0-9_]+)`", names), linked)
    return found


def from_glossary(name: str) -> str:
    """What the glossary says of a column that has the name of a word; else what `runs` says of it."""
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    entry = re.search(rf"^## {name}\n\n(.*?)(?:\n\n|\Z)", text, re.MULTILINE | re.DOTALL)
    return entry[1].strip() if entry else descriptions("runs").get(name, "")


def commented(name: str) -> dict[str, str]:
    """Comments behind the columns of one table in ``bench/store/schema.py``."""
    source = inspect.getsource(schema)
    own = source.split(f"\n{name.upper()} = pa.schema(")[1].split("\n)\n")[0]
    shared = source.split("_ENVIRONMENT = [")[1].split("\n]\n")[0]
    pairs = re.findall(r'^ *\("(\w+)", .*\),  # (.*)$', shared + own, re.MULTILINE)
    return {column: sentence(comment)[:-1] for column, comment in pairs}


def metrics() -> str:
    """Every metric."""
    rows = [
        (f"`{name}`", each.summary, {"none": "–"}.get(each.unit, each.unit), f"{each.better} is better")
        for name, each in METRICS.items()
    ]
    shown = (
        "Errors are pooled over all test targets: the root is taken once, of the mean of all squares. *Original* units "
        "are those of the data; *scaled* ones are divided by the range of the points before the test part. "
        "[The glossary](../glossary.md) explains skill and noise floor.\n"
    )
    return "\n".join(["# Metrics\n", NOTE, shown, table(("metric", "meaning", "unit", ""), rows)])
