"""Honest comparison of sequence architectures: a suite file goes in, measured cells come out.

The names of `__all__` are the Python API, and the only stable surface. Each is imported when it is first used.
"""

from importlib import import_module

__version__ = "0.1.0"

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

_HOMES = {
    "BenchError": "bench.errors",
    "DatasetKind": "bench.data.base",
    "ModelKind": "bench.models.base",
    "Results": "bench.api.results",
    "Suite": "bench.spec",
    **dict.fromkeys(("compare", "judge", "load", "read", "report", "run"), "bench.api"),
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
