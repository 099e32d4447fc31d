"""A clock that stands still while kernels are compiled: what a cell costs does not depend on which cell ran first.

Kernels are compiled when they are first called, once for each machine, and modules are imported once in each process.
Either may take longer than the training itself; they count in no time that is stored and in no time limit. Durations
that people write are read here too.
"""

import re
import sys
import time
from collections.abc import Callable, Iterator, MutableSequence, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import abc, machinery
from threading import Lock
from types import ModuleType

from bench.errors import InputError

_LOCK = Lock()
_inside = 0
_since = 0.0
_stood_s = 0.0
_shown: MutableSequence[float] = [0.0, 0.0]


def work_s() -> float:
    """Seconds since an arbitrary moment, without those that this process spent within `stopped`."""
    with _LOCK:
        return (_since if _inside else time.perf_counter()) - _stood_s


def show(shared: MutableSequence[float]) -> None:
    """Keep ``shared``, ``[stood_s, since]``, up to date from here on, so that another process can read this clock.

    These are the seconds for which it has stood still, and the moment of `time.perf_counter` from which on it does; 0
    while it goes. What `shared` holds already is counted: a clock that stood until now goes on.
    """
    global _shown  # noqa: PLW0603 - the clock of this process
    with _LOCK:
        _shown = shared
        if shared[1] and not _inside:
            shared[0] += time.perf_counter() - shared[1]
            shared[1] = 0.0


def stop() -> None:
    """Stop the clock; it goes on after as many calls of `go_on`, from any thread."""
    global _inside, _since  # noqa: PLW0603 - the clock of this process
    with _LOCK:
        if not _inside:
            _since = _shown[1] = time.perf_counter()
        _inside += 1


def go_on() -> None:
    """End what `stop` began."""
    global _inside, _stood_s  # noqa: PLW0603 - the clock of this process
    with _LOCK:
        _inside -= 1
        if not _inside:
            stood = time.perf_counter() - _since
            _stood_s += stood
            _shown[0] += stood
            _shown[1] = 0.0


@contextmanager
def stopped() -> Iterator[None]:
    """Within it the clock stands still."""
    stop()
    try:
        yield
    finally:
        go_on()


class _Untimed(abc.Loader):
    """The loader of `spec` for one import, during which the clock stands still."""

    def __init__(self, spec: machinery.ModuleSpec, loader: abc.Loader) -> None:
        self._spec, self._loader = spec, loader

    def __getattr__(self, name: str) -> object:
        return getattr(self._loader, name)

    def create_module(self, spec: machinery.ModuleSpec) -> ModuleType | None:
        """As the loader does; of a compiled module this takes the time."""
        with stopped():
            return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """As the loader does, which the module finds as its own."""
        self._spec.loader = self._loader
        if module.__loader__ is self:
            module.__loader__ = self._loader
        with stopped():
            self._loader.exec_module(module)


class _UntimedImports(abc.MetaPathFinder):
    """Finds what the other finders do."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> machinery.ModuleSpec | None:
        """The first that another finder has, to be loaded while the clock stands still."""
        for finder in sys.meta_path:
            if isinstance(finder, _UntimedImports) or not hasattr(finder, "find_spec"):
                continue
            if spec := finder.find_spec(fullname, path, target):
                if spec.loader and hasattr(spec.loader, "exec_module") and hasattr(spec.loader, "create_module"):
                    spec.loader = _Untimed(spec, spec.loader)
                return spec
        return None


@contextmanager
def untimed_imports() -> Iterator[None]:
    """Within it the clock stands still while any module is imported for the first time, by whomever.

    Plug-ins and torch itself import much when they are first used, where no statement of ours could be wrapped.
    """
    finder = _UntimedImports()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


def nobody_waits() -> None:
    """Nobody is waiting for kernels to be compiled."""


COMPILES: ContextVar[Callable[[], None]] = ContextVar("compiles", default=nobody_waits)
"""Called when a kernel is about to be compiled, and not read from disk: people wait for that only once."""


_UNITS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(min|[smh])\s*")


def parsed_seconds(text: str) -> float:
    """A duration, as a person writes it, in seconds.

    >>> parsed_seconds("20m"), parsed_seconds("1h 30 min"), parsed_seconds("45s")
    (1200.0, 5400.0, 45.0)

    Raises
    ------
    InputError
        It is none, or not above 0.
    """
    parts = _PART.findall(text.strip())
    total = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if not total or _PART.sub("", text.strip()):
        raise InputError(f"expected a duration, such as 45s, 20m or 1h30m, got {text!r}")
    return total
