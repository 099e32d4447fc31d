"""``bench list`` and ``bench schema``."""

from __future__ import annotations

import json

from bench.api.folders import shipped
from bench.cells import expand
from bench.data import dataset_kinds
from bench.errors import SuiteError
from bench.models import model_kinds
from bench.replication.suite_files import json_schema, load
from bench.text import columns, plural


def listing(what: str) -> str:
    """The lines for one of datasets, models, metrics, suites."""
    if what == "suites":
        return _suites()
    if what == "metrics":
        from bench.protocol.metrics import METRICS

        return columns([(name, f"{each.better} is better", each.summary) for name, each in METRICS.items()])
    kinds = dataset_kinds() if what == "datasets" else model_kinds()
    return columns([(name, ", ".join(kind.parameters.model_fields), kind.summary) for name, kind in kinds.items()])


def schema_text() -> str:
    """The JSON Schema of suite files."""
    return json.dumps(json_schema(dataset_kinds(), model_kinds()), indent=2, ensure_ascii=False)


def _suites() -> str:
    rows = []
    for name, path in shipped().items():
        try:
            suite = load(path, datasets=dataset_kinds(), models=model_kinds())
        except SuiteError as error:
            rows.append((name, "wrong", str(error.problems[0])))
        else:
            rows.append((name, plural(sum(1 for _ in expand(suite)), "cell"), str(path)))
    return columns(rows) if rows else "no suites/ folder here; give `bench run` a file"
