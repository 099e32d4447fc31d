from bench.api import (
    compare as compare,
    judge as judge,
    load as load,
    read as read,
    report as report,
    run as run,
)
from bench.api.results import Results as Results
from bench.data.base import DatasetKind as DatasetKind
from bench.errors import BenchError as BenchError
from bench.models.base import ModelKind as ModelKind
from bench.spec import Suite as Suite

__version__: str

__all__ = [
    "BenchError",
    "DatasetKind",
    "ModelKind",
    "Results",
    "Suite",
    "compare",
    "judge",
    "load",
    "read",
    "report",
    "run",
]
