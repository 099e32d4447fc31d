"""``bench data``, ``bench list`` and ``bench schema``: what there is to run, and the pinned files."""

import json
from collections.abc import Iterable, Sequence

from bench.api.folders import shipped
from bench.cells import expand
from bench.choices import Listed
from bench.cli.doctor import _unreadable, examined
from bench.cli.terminal import say
from bench.data import dataset_kinds
from bench.data.pinned import PINNED, LocalFile, fetch
from bench.errors import SuiteError
from bench.models import model_kinds
from bench.registry import lookup
from bench.replication.suite_files import json_schema, load
from bench.text import TextTable, aligned, plural


def fetched(names: Sequence[str]) -> int:
    """Provide the files and print the state of each; 1 where one cannot be had."""
    files = _shown(map(_provided, _chosen(names)))
    return int(any(file.state != "ok" for file in files))


def verified(names: Sequence[str]) -> int:
    """Print the state of each file; 1 where one is damaged."""
    files = _shown(map(examined, _chosen(names)))
    return int(any(file.state == "damaged" for file in files))


def _provided(name: str) -> LocalFile:
    try:
        (file,) = fetch([name])
    except OSError as error:
        return _unreadable(name, error)
    return file


def _chosen(names: Sequence[str]) -> list[str]:
    """`names`, all known, or every name."""
    for name in names:
        lookup(PINNED, name, "pinned file")
    return list(names or PINNED)


def _shown(files: Iterable[LocalFile]) -> list[LocalFile]:
    """Print each file as soon as it is known."""
    width = max(map(len, PINNED))
    shown = []
    for file in files:
        say(aligned([file.state, file.name, file.advice or str(file.path)], [8, width]))
        shown.append(file)
    return shown


def listing(what: str) -> str | TextTable:
    """The rows for `what`, one of `bench.choices.Listed`."""
    if what == Listed.SUITES:
        return _suites()
    if what == Listed.METRICS:
        from bench.protocol.metrics import METRICS

        return TextTable([(name, f"{each.better} is better", each.summary) for name, each in METRICS.items()])
    kinds = dataset_kinds() if what == Listed.DATASETS else model_kinds()
    return TextTable([(name, ", ".join(kind.parameters.model_fields), kind.summary) for name, kind in kinds.items()])


def schema_text() -> str:
    """The JSON Schema of suite files."""
    return json.dumps(json_schema(dataset_kinds(), model_kinds()), indent=2, ensure_ascii=False)


def _suites() -> str | TextTable:
    rows = []
    for name, path in shipped().items():
        try:
            suite = load(path, datasets=dataset_kinds(), models=model_kinds())
        except SuiteError as error:
            rows.append((name, "wrong", str(error.problems[0])))
        else:
            rows.append((name, plural(sum(1 for _ in expand(suite)), "cell"), str(path)))
    return TextTable(rows) if rows else "no suites/ folder here; give `bench run` a file"
