"""Where the rows come from: failures, machines, settings, and cautions."""

import json
import shlex
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from bench.cells import CellSpec
from bench.reporting.learning import learning_caution, unseen_caution
from bench.reporting.values import Failure, RowEnvironment
from bench.store import schema
from bench.store.grid import MACHINE, label, own_data
from bench.store.schema import ADVICE, Status
from bench.text import listed, plural, seconds, setting

_ENVIRONMENT = [
    *("host", "cpu", "gpu", "driver", "device", "threads", "python", "libraries"),
    *("bench_version", "code_version", "git_commit", "git_dirty", "deterministic_algorithms"),
]
_SETTINGS = ("seed", "split", "training", "tuning", "time_limit_s", "limits")


def failures(runs: pa.Table) -> tuple[Failure, ...]:
    """The replicates that are not ok, those of one status and reason together."""
    names = [*schema.KEY, "status", "reason"]
    lost = runs.select([*names, "seed"]).filter(pc.not_equal(runs["status"], Status.OK.value))
    grouped = lost.group_by(names).aggregate([("seed", "count")]).to_pylist()
    made = (_failure(row) for row in grouped)
    return tuple(sorted(made, key=lambda f: (f.dataset, f.model, f.sequence_length, f.horizon, f.status, f.reason)))


def _failure(row: Mapping[str, Any]) -> Failure:
    reason = row["reason"] or "no reason was stored"
    reported = row["status"] == Status.UNAVAILABLE and row["reason"]  # such a reason says what to do, for its own file
    advice = "" if reported else ADVICE.get(row["status"], "")
    return Failure(
        dataset=row["dataset"],
        model=row["model"],
        sequence_length=row["sequence_length"],
        horizon=row["horizon"],
        cell_id=row["cell_id"],
        status=row["status"].replace("_", " "),
        replicates=row["seed_count"],
        reason=reason,
        advice="" if advice in reason else advice,
    )


def environments(runs: pa.Table) -> tuple[RowEnvironment, ...]:
    """The distinct environments of the rows, the most used first.

    A row that ended before it had a device and threads names no machine in full: it counts where there is no other.
    """
    started = runs.filter(pc.is_valid(runs["threads"]))
    grouped = (
        (started if started.num_rows else runs)
        .select([*_ENVIRONMENT, "cell_id", "machine_reference_s", "started_at"])
        .group_by(_ENVIRONMENT)
        .aggregate(
            [
                ("cell_id", "count_distinct"),
                ("machine_reference_s", "mean"),
                ("started_at", "min"),
                ("started_at", "max"),
            ]
        )
        .to_pylist()
    )
    made = [RowEnvironment(row["cell_id_count_distinct"], label(row), _facts(row)) for row in grouped]
    return tuple(sorted(made, key=lambda item: (-item.cells, item.machine, list(item.facts.items()))))


def _facts(row: Mapping[str, Any]) -> dict[str, str]:
    libraries: dict[str, str] = json.loads(row["libraries"] or "{}")
    dirty = " with uncommitted changes" if row["git_dirty"] else ""
    started = [f"{row[name]:%Y-%m-%d %H:%M}" for name in ("started_at_min", "started_at_max") if row[name]]
    reference = row["machine_reference_s_mean"]
    facts = {
        "GPU driver": row["driver"],
        "Python": row["python"],
        "Libraries": ", ".join(f"{name} {version}" for name, version in sorted(libraries.items())),
        "bench": f"{row['bench_version']}, code version {row['code_version']}",
        "Commit": row["git_commit"] and row["git_commit"] + dirty,
        "Deterministic algorithms": row["deterministic_algorithms"] and "on",
        "Machine-speed reference": reference and f"{seconds(reference)} for a fixed matrix product",
        "Started (UTC)": " to ".join(dict.fromkeys(started)),
    }
    return {name: value for name, value in facts.items() if value}


def settings(runs: pa.Table) -> dict[str, str]:
    """How the cells were run: what is the same for all, and a word on what is not."""
    specs = [CellSpec.from_json(text) for text in pc.unique(runs["spec"]).to_pylist()]
    counts = runs.group_by("cell_id").aggregate([("seed", "count")])["seed_count"]
    values: dict[str, set[str]] = defaultdict(set)
    values["seeds"] = {_setting(count) for count in pc.unique(counts).to_pylist()}
    for spec in specs:
        for name in _SETTINGS:
            if name in spec.content:
                values[name].add(_setting(spec.content[name]))
    return {name: texts.pop() if len(texts) == 1 else "differs between cells" for name, texts in values.items()}


def _setting(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_setting(item)}" for name, item in value.items())
    return setting(value)


def cautions(runs: pa.Table) -> tuple[str, ...]:
    """What to keep in mind before believing a number."""
    notes = [*_different_data(runs), *_of_reading(runs), _few_seeds(runs), learning_caution(runs), unseen_caution(runs)]
    machines = _timed_machines(runs)
    if len(machines) > 1:
        names = "; ".join(sorted(machines))
        notes.append(f"Times come from {len(machines)} machines and compare within one machine only: {names}.")
    if len(pc.unique(runs["code_version"])) > 1:
        notes.append(
            "Rows come from several versions of the code that gives results; run the suite again to make them one."
        )
    if pc.any(runs["git_dirty"]).as_py():
        notes.append("Some rows were made with uncommitted changes in the code.")
    return tuple(note for note in notes if note)


def _timed_machines(runs: pa.Table) -> set[str]:
    """The machines of the rows that hold a time."""
    timed = runs.filter(pc.or_(pc.is_valid(runs["fit_s"]), pc.is_valid(runs["predict_s"])))
    return {label(row) for row in timed.select(MACHINE).group_by(MACHINE).aggregate([]).to_pylist()}


def _known(runs: pa.Table) -> pa.Table:
    return runs.filter(pc.is_valid(runs["data_sha256"]))


def different_data(runs: pa.Table) -> list[str]:
    """Datasets whose models did not all see the same values: their errors do not compare.

    Where each replicate has data of its own, those of one seed should have seen the same.
    """
    known = _known(runs)
    own = pc.is_in(known["cell_id"], value_set=pa.array(own_data(runs), pa.string()))
    part = pc.if_else(own, known["seed"], -1)
    grouped = (
        known.select(["dataset", "data_sha256"])
        .append_column("part", part)
        .group_by(["dataset", "part"])
        .aggregate([("data_sha256", "count_distinct")])
        .to_pylist()
    )
    return sorted({row["dataset"] for row in grouped if row["data_sha256_count_distinct"] > 1})


def mixed_data(runs: pa.Table) -> list[str]:
    """Datasets of which some cells have data of their own for each replicate, and others share one series."""
    known, own = _known(runs), pa.array(own_data(runs), pa.string())
    mask = pc.is_in(known["cell_id"], value_set=own)
    parts = (known.filter(each)["dataset"].unique().to_pylist() for each in (mask, pc.invert(mask)))
    return sorted(set.intersection(*map(set, parts)))


def _different_data(runs: pa.Table) -> list[str]:
    notes = [
        f"The cells of {name} did not all see the same data: compare none of their errors."
        for name in different_data(runs)
    ]
    mixed = mixed_data(runs)
    if mixed:
        notes.append(
            f"On {listed(mixed)}, each replicate of some cells has data of its own, and other cells share one series: "
            "each is held against persistence on its own data; compare no errors between the two."
        )
    return notes


def _of_reading(runs: pa.Table) -> list[str]:
    """What was detected when data files were read, and what looks wrong in them."""
    noted = runs.filter(pc.is_valid(runs["data_notes"])).select(["dataset", "data_notes"])
    rows = noted.group_by(["dataset", "data_notes"]).aggregate([]).to_pylist()
    return sorted(f"{row['dataset']}: {row['data_notes']}." for row in rows)


def _few_seeds(runs: pa.Table) -> str:
    seeds = len(pc.unique(runs["seed"]))
    finished = runs["deterministic"].filter(pc.equal(runs["status"], Status.OK))
    if seeds >= 5 or pc.all(finished, min_count=0).as_py():  # a model that draws no random number needs no seeds
        return ""
    if seeds == 1:
        return "One seed shows no spread: no trained model's skill is tested. Use 5 or more."
    return f"{plural(seeds, 'seed')}: intervals over so few are wide, and decide little; use 5 or more."


def commands(folder: str, *, kept: bool, flag: str) -> tuple[str, ...]:
    """What makes these results and this report again, from the suite that the folder has `kept`; as of `Source`."""
    place = shlex.quote(folder)
    return *([f"bench run {place}{flag}"] if kept else []), f"bench report {place}"


def data_facts(runs: pa.Table) -> dict[str, tuple[str, str]]:
    """For each dataset: source and SHA-256; several values are listed."""
    columns = ("data_source", "data_sha256")
    facts: dict[str, dict[str, set[Any]]] = defaultdict(lambda: {name: set() for name in columns})
    for row in runs.select(["dataset", *columns]).group_by(["dataset", *columns]).aggregate([]).to_pylist():
        for name in columns:
            facts[row["dataset"]][name] |= {row[name]} - {None}
    return {
        dataset: (listed(sorted(values["data_source"])), listed(sorted(values["data_sha256"])))
        for dataset, values in facts.items()
    }
