"""The names that an option of the command line and a registry share.

Each name is written once, here: the options list the members, and the registries have them as keys. This module imports
nothing of `bench`, so that ``bench --help`` need not import the registries.
"""

from enum import StrEnum


class Progress(StrEnum):
    """How a run shows its progress: the keys of `bench.cli.progress.SINKS`, and `AUTO` for the one that fits."""

    AUTO = "auto"
    RICH = "rich"
    PLAIN = "plain"
    JSONL = "jsonl"
    NONE = "none"


class EngineName(StrEnum):
    """What runs cells: the keys of `bench.running.workers.ENGINES`."""

    PROCESSES = "processes"
    INLINE = "inline"
    DASK = "dask"


class Listed(StrEnum):
    """What ``bench list`` can list."""

    DATASETS = "datasets"
    MODELS = "models"
    METRICS = "metrics"
    SUITES = "suites"


class ComparedMetric(StrEnum):
    """The metrics of a comparison and of a history: the keys of `bench.comparing.decision.MEASURES`."""

    RMSE = "rmse"
    MAE = "mae"
    SKILL = "skill"
    R2 = "r2"
    DIRECTIONAL_ACCURACY = "directional_accuracy"


class TableName(StrEnum):
    """The tables of a results folder: the keys of `bench.store.schema.ALL`."""

    RUNS = "runs"
    TRIALS = "trials"
    CURVES = "curves"
    PREDICTIONS = "predictions"
    SEQUENCES = "sequences"
    PROBES = "probes"


class Format(StrEnum):
    """The output formats of a comparison: the keys of `bench.comparing.formats.FORMATS`."""

    MD = "md"
    JSON = "json"
    JUNIT = "junit"
    ANNOTATIONS = "annotations"
    BENCHMARK_ACTION = "benchmark-action"
    BENCHER = "bencher"


class Environment(StrEnum):
    """Where the base of ``bench ab`` runs; see `bench.ab.worktree.base_of`."""

    AUTO = "auto"
    SHARED = "shared"
    OWN = "own"
